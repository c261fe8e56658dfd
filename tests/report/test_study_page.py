"""The report of a study with two markers, and its figures in the words of its first screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from support.exported_study import exported_study

from abyssal.reads.ledger import LedgerRow
from abyssal.reads.marker_split import OTHER_MARKER
from abyssal.reads.table import CountTable
from abyssal.report.study_page import MarkerResults, reads_in, shared_taxa, write_study_page


def markers(folder: Path) -> list[MarkerResults]:
    """Two markers; the second has fewer samples and knows the first two ASVs only."""
    first = exported_study(folder)
    counts = CountTable(first.table.features[:2], ("north", "<b>new</b>"), np.array([[5, 0], [2, 1]], dtype=np.int64))
    second = replace(first, names=replace(first.names, marker="12S"), table=counts,
                     lineages={asv: first.lineages[asv] for asv in counts.features})  # fmt: skip
    return [
        MarkerResults(first, ledger(200, 139), "cruise-18S 1"),
        MarkerResults(second, ledger(10, 8), "cruise-12S 1"),
    ]


def ledger(raw: int, kept: int) -> list[LedgerRow]:
    trimmed = LedgerRow("lib", "north", "trim", raw, kept, "no_primer", raw - kept)
    return [LedgerRow("lib", "north", "raw", raw, raw, "", 0), trimmed]


def test_taxa_that_two_markers_name_come_lowest_rank_first(tmp_path: Path) -> None:
    found = shared_taxa(markers(tmp_path))
    assert found[0] == ("species", "Calanus_finmarchicus", [104, 5])
    assert [rank for rank, _, _ in found] == ["species", "genus", "family", "class", "supergroup", "domain"]
    assert found[2] == ("family", "Calanidae", [129, 8])


def test_the_page_sums_up_links_and_escapes(tmp_path: Path) -> None:
    write_study_page(tmp_path / "report.html", "cruise", markers(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "5 samples sequenced for 2 markers (18S-V4-Zingone, 12S)" in page
    assert "210 reads or read pairs came in, 147 (70.0" in page
    assert '<a href="18S-V4-Zingone/report.html">' in page
    assert '<a href="12S/report.html">' in page
    assert "6 taxa are named by more than one marker" in page
    assert "<b>new</b>" not in page
    write_study_page(tmp_path / "again.html", "cruise", markers(tmp_path))
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "report.html").read_bytes()


def test_one_marker_and_a_marker_without_reads(tmp_path: Path) -> None:
    one, other = markers(tmp_path)
    write_study_page(tmp_path / "one.html", "cruise", [one])
    assert "Taxa that markers share" not in (tmp_path / "one.html").read_text()
    nothing = replace(other.source, table=CountTable((), ("north",), np.zeros((0, 1), np.int64)), lineages={})
    write_study_page(tmp_path / "two.html", "cruise", [one, MarkerResults(nothing, ledger(10, 0), "")])
    page = (tmp_path / "two.html").read_text()
    assert "No reads are left of 12S" in page
    assert "No taxon is named by more than one marker" in page


def test_files_that_markers_share_count_once(tmp_path: Path) -> None:
    one, other = markers(tmp_path)
    name = one.source.libraries[0].library
    rows = [
        LedgerRow(name, "north", "raw", 100, 100, "", 0),
        LedgerRow(name, "north", "trim", 100, 40, OTHER_MARKER, 60),
    ]
    shared = [MarkerResults(made.source, rows, "") for made in (one, other)]
    assert reads_in(shared) == 100
    write_study_page(tmp_path / "report.html", "cruise", shared)
    page = (tmp_path / "report.html").read_text()
    assert "100 reads or read pairs came in, 80 (80.0" in page
    elsewhere = replace(other.source, libraries=[replace(other.source.libraries[0], files=(Path("b.fastq"),))])
    assert reads_in([shared[0], MarkerResults(elsewhere, rows, "")]) == 200


def test_libraries_of_one_table_of_ready_made_asvs_count_each(tmp_path: Path) -> None:
    one, _ = markers(tmp_path)
    made = replace(one.source.libraries[0], kind="asvs", table=Path("counts.tsv"))
    source = replace(one.source, libraries=[made, replace(made, library="second")])
    rows = [
        LedgerRow(name, "north", "raw", reads, reads, "", 0) for name, reads in ((made.library, 30), ("second", 70))
    ]
    assert reads_in([MarkerResults(source, rows, "")]) == 100

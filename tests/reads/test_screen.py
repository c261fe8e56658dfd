"""What is no amplicon of the marker goes by name; what may be one stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.amplicons import random_sequence, substituted

from abyssal.reads.contaminants import contaminant_file
from abyssal.reads.screen import ScreenSettings, complexity, screen, stops_under_all_codes, verdicts
from abyssal.reads.table import CountTable
from abyssal.references.markers import Coding, coding_of
from abyssal.sequences.records import read_records

RNG = np.random.default_rng(43)
COI = Coding((2, 4, 5, 9, 13, 14), 1)
# Twenty codons without a stop in any of the codes, after one base of an unfinished codon.
OPEN = (
    "T"
    + "GGATCAGCTCTTATTCGAGC" * 0
    + "GGA TCA GCA CTT ATT CGA GCT GAA CTT GGA CAA CCT GGA TCT TTA ATT GGA GAT GAT CAA".replace(" ", "")
)


def put(sequence: str, codon: str, number: int) -> str:
    start = 1 + 3 * number
    return sequence[:start] + codon + sequence[start + 3 :]


def table_of(sequences: dict[str, str], reads: dict[str, list[int]] | None = None) -> CountTable:
    counts = reads or {name: [10, 5] for name in sequences}
    return CountTable(tuple(sequences), ("a", "b"), np.array([counts[name] for name in sequences], dtype=np.int64))


@pytest.mark.parametrize("codon", ["TAA", "AGA", "AGG", "TGA"])
def test_a_stop_of_some_codes_only_keeps_the_sequence(codon: str) -> None:
    assert stops_under_all_codes(put(OPEN, codon, 8), COI) == []


def test_a_stop_of_all_codes_or_one_for_each_rejects() -> None:
    assert stops_under_all_codes(put(OPEN, "TAG", 8), COI) == [8] * 6
    assert stops_under_all_codes(OPEN, COI) == []
    assert stops_under_all_codes(put(OPEN, "TAG", 8)[1:], COI) == [], "out of frame"
    assert stops_under_all_codes(OPEN[:31] + "N" * 8 + "TAG" * 9, COI) == [], "behind the gap of an unmerged pair"


def test_each_reason_is_named_with_its_evidence(tmp_path: Path) -> None:
    phix = next(iter(read_records(contaminant_file("phix174")))).sequence
    sequences = {"good": OPEN, "phix": phix[1000:1200], "repeat": "CA" * 60, "stop": put(OPEN, "TAG", 4)}
    settings = ScreenSettings((contaminant_file("phix174"),), 0.2, COI)
    kept, removals = screen(table_of(sequences), sequences, settings, folder=tmp_path)
    assert kept.totals() == {"a": 10, "b": 5}
    found = {(row.asv, row.library): (row.reason, row.reads_removed) for row in removals}
    assert found["phix", "a"] == ("contaminant", 10)
    assert found["repeat", "b"] == ("low_complexity", 5)
    assert found["stop", "a"] == ("stop_codons", 10)
    assert len(found) == 6
    assert all(row.control for row in removals)


def test_complexity_is_the_share_of_distinct_words() -> None:
    assert complexity("A" * 100) == pytest.approx(1 / 64)
    assert complexity("") == 0
    assert complexity(random_sequence(RNG, 300)) > 0.9


def test_what_is_far_from_the_reference_is_off_target(tmp_path: Path) -> None:
    reference = random_sequence(RNG, 200)
    (tmp_path / "ref.fasta").write_text(f">r\n{reference}\n")
    sequences = {"near": substituted(reference, *range(0, 200, 14)), "other": random_sequence(RNG, 200)}
    settings = ScreenSettings(reference=tmp_path / "ref.fasta", reference_identity=0.7)
    found = verdicts(table_of(sequences), sequences, settings, folder=tmp_path)
    assert {name: verdict.reason for name, verdict in found.items()} == {"other": "off_target"}


def test_nuclear_copies_are_told_from_relatives(tmp_path: Path) -> None:
    silent = put(put(put(OPEN, "TCC", 1), "GCG", 2), "ATC", 4)
    changed = put(put(put(OPEN, "CCA", 1), "GTA", 2), "AAT", 4)
    shifted = OPEN[:20] + OPEN[21:]
    sequences = {
        "gene": OPEN,
        "relative": silent,
        "copy": changed,
        "shifted": shifted,
        "common": put(changed, "CAT", 9),
    }
    reads = {"gene": [900, 800], "relative": [20, 9], "copy": [20, 9], "shifted": [5, 0], "common": [500, 30]}
    settings = ScreenSettings(coding=COI, numts=True)
    found = verdicts(table_of(sequences, reads), sequences, settings, folder=tmp_path)
    assert {name: verdict.reason for name, verdict in found.items()} == {"copy": "numt", "shifted": "numt"}
    assert verdicts(table_of(sequences, reads), sequences, ScreenSettings(coding=COI), folder=tmp_path) == {}


@pytest.mark.shared_data
def test_no_barcode_of_real_beetles_is_rejected(shared_data: Path) -> None:
    """The 98 barcodes that are whole amplicons of this marker; the others start and end elsewhere."""
    coding = coding_of("COI-Bf3-FolDegenRev")
    assert coding == COI
    records = read_records(shared_data / "coi-beetle-reads" / "references_CCCPbarcodes.fasta")
    whole = [record for record in records if len(record.sequence) == 418]
    assert len(whole) == 98
    assert [record.id for record in whole if stops_under_all_codes(record.sequence, coding)] == []

"""The command and the stage: files written, messages given, the report's figures right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.references_made import FORWARD_SITE, MARKER, REVERSE_SITE, mutate, random_dna, tree_reference, write_text

from abyssal.errors import UsageError
from abyssal.files import read_json
from abyssal.references.build import BuildReport
from abyssal.references.gate import fit_gate
from abyssal.references.model import read_reference
from abyssal.references.report import reference_report, render_report
from abyssal.references.stage import write_gate, write_load_files
from abyssal.references.suspects import Suspect


def made_fasta(folder: Path) -> Path:
    rng = np.random.default_rng(21)
    root = random_dna(rng, 150)
    records = [
        f">r{n:02d};tax=p:Chordata,f:Madeidae,g:Madeum,s:Madeum_s{n};\n"
        f"{random_dna(rng, 20)}{FORWARD_SITE}{mutate(rng, root, 0.1)}{REVERSE_SITE}\n"
        for n in range(30)
    ]
    return write_text(folder / "made.fasta.gz", "".join(records))


PRIMERS = ("--forward", MARKER.forward_primer, "--reverse", MARKER.reverse_primer)


def test_build_writes_a_reference_that_can_be_read(run, tmp_path: Path) -> None:
    result = run("reference", "build", made_fasta(tmp_path), "--marker", "made", *PRIMERS, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert "30 records: 30 cut by both primers" in result.out
    reference = read_reference(tmp_path / "out" / "reference.fasta.gz", tmp_path / "out" / "lineages.tsv")
    assert len(reference) == 30
    assert reference.ranks == ("phylum", "family", "genus", "species")
    report = read_json(tmp_path / "out" / "reference_report.json")
    assert report["records"]["amplified"] == 30
    page = (tmp_path / "out" / "reference_report.html").read_text()
    assert "http" not in page
    assert "Madeidae" in page or "Chordata" in page
    for name in ("suspects.tsv", "dropped.tsv", "clades.tsv", "ranks.tsv"):
        assert (tmp_path / "out" / name).is_file()


def test_two_builds_are_the_same_bytes(run, tmp_path: Path) -> None:
    source = made_fasta(tmp_path)
    for out in ("a", "b"):
        run("reference", "build", source, "--marker", "made", *PRIMERS, "-o", tmp_path / out)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_mistakes_end_with_two_and_broken_data_with_one(run, tmp_path: Path) -> None:
    source = made_fasta(tmp_path)
    out = tmp_path / "out"
    assert run("reference", "build", source, "--marker", "COI-Lray", "-o", out).code == 2
    assert run("reference", "build", tmp_path / "no.fasta", "--marker", "COI-Leray", "-o", out).code == 2
    wrong = run("reference", "build", source, "--marker", "made", "--forward", "ACGZ", "--reverse", "ACGT", "-o", out)
    assert wrong.code == 2
    assert "forward_primer" in wrong.err
    source.write_bytes(source.read_bytes()[:-40])
    broken = run("reference", "build", source, "--marker", "made", *PRIMERS, "-o", out)
    assert broken.code == 1
    assert "cut short" in broken.err
    assert not out.exists()


def test_a_negative_seed_is_a_mistake(run, tmp_path: Path) -> None:
    source = made_fasta(tmp_path)
    result = run("reference", "check", source, "--marker", "made", *PRIMERS, "--plant", "0.2", "--seed", "-1")
    assert result.code == 2
    assert "-1 is not a seed" in result.err


def test_check_and_markers_print_tables(run, tmp_path: Path) -> None:
    checked = run("reference", "check", made_fasta(tmp_path), "--marker", "made", *PRIMERS)
    assert "species\t30\t30\t1.0000" in checked.out
    assert "12S-MiFish-U" in run("reference", "markers").out
    assert "silva-ssu-nr99" in run("reference", "fetch").out


def test_the_stage_writes_what_the_rules_name(tmp_path: Path) -> None:
    outputs = {
        name: tmp_path / "load" / file
        for name, file in {
            "reference": "reference.fasta.gz", "lineages": "lineages.tsv", "report": "reference_report.json",
            "suspects": "suspects.tsv",
        }.items()
    }  # fmt: skip
    marker = {
        "name": "made", "forward_primer": MARKER.forward_primer, "reverse_primer": MARKER.reverse_primer,
        "min_length": 100, "max_length": 200,
    }  # fmt: skip
    write_load_files({"fasta": str(made_fasta(tmp_path))}, marker, outputs)
    assert all(path.is_file() for path in outputs.values())
    write_gate(outputs["reference"], tmp_path / "load" / "gate.json", quantile=0.95, seed=1)
    gate = json.loads((tmp_path / "load" / "gate.json").read_text())
    assert set(gate) == {"distance", "quantile", "k"}
    assert 0.0 < gate["distance"] < 1.0


def test_the_gate_is_the_quantile_of_leave_one_out_distances() -> None:
    reference = tree_reference(np.random.default_rng(3), families=3, genera=2, species=3)
    sequences = list(reference.sequences)
    median, top = (fit_gate(sequences, quantile=q)["distance"] for q in (0.5, 1.0))
    assert 0 < median < top < 1
    assert fit_gate([sequences[0], sequences[0]], quantile=0.5)["distance"] == pytest.approx(0, abs=1e-6)
    with pytest.raises(UsageError, match="at least two amplicons"):
        fit_gate(sequences[:1], quantile=0.5)


def test_taxa_that_share_an_amplicon_are_named_where_their_species_are_not() -> None:
    reference = tree_reference(np.random.default_rng(4), families=2, genera=1, species=2)
    members = list(reference.members)
    members[0] = (
        ("one", ("Phylum", "F00idae", "F00g0", None)),
        ("two", ("Phylum", "F09idae", "F09g0", None)),
        ("three", ("Phylum", "F08idae", None, "F08g0_s0")),
    )
    blurred = type(reference)(reference.ranks, reference.ids, reference.sequences, tuple(members))
    (row,) = reference_report(blurred, BuildReport(records=6, amplified=6), [], marker=MARKER)["shared"]
    assert (row["blurred_from"], row["taxa"], row["names"]) == ("family", 2, ["F00g0", "F09g0"])


def test_report_counts_what_can_be_told_apart() -> None:
    reference = tree_reference(np.random.default_rng(4), families=2, genera=1, species=2)
    members = list(reference.members)
    members[0] = (*members[0], ("other", ("Phylum", "F00idae", "F00g0", "F00g0_s9")))
    blurred = type(reference)(reference.ranks, reference.ids, reference.sequences, tuple(members))
    suspect = Suspect("r0000", "r0000", "family", "<script>", "b", 0.9, 0.1, 3, 1.0)
    report = reference_report(
        blurred, BuildReport(records=5, amplified=5), [suspect], marker=MARKER, name="toy", version="1"
    )
    species, genus = report["ranks"][3], report["ranks"][2]
    assert (species["taxa"], species["share_unique"], genus["share_unique"]) == (5, 0.75, 1.0)
    assert species["taxa_with_own_amplicon"] == 3
    assert report["shared"][0]["blurred_from"] == "species"
    assert report["shared"][0]["names"] == ["F00g0_s0", "F00g0_s9"]
    assert "<script>" not in render_report(report)

"""``abyssal simulate`` and ``abyssal fit-qualities`` as a user runs them."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abyssal.sequences.records import read_records, write_fasta
from abyssal.simulate.quality import load_quality_model

from .conftest import FORWARD, RANKS, REVERSE, make_templates

Run = Callable[..., Any]


@pytest.fixture
def reference(tmp_path: Path) -> tuple[Path, Path]:
    """A FASTA of templates and its table of lineages."""
    fasta, table = tmp_path / "reference.fasta.gz", tmp_path / "lineages.tsv"
    templates = make_templates(30)
    write_fasta(fasta, ((template.id, template.sequence) for template in templates))
    rows = ["\t".join(("id", *RANKS)), *("\t".join((t.id, *(n or "" for n in t.lineage))) for t in templates)]
    table.write_text("\n".join(rows) + "\n")
    return fasta, table


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.name != "samples.tsv"}


def test_a_study_with_everything_in_it(run: Run, reference: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "16s.fasta"
    write_fasta(other, [("bacterium", "TACGGAGGGTGCAAGCGTTAATCGG" * 15)])
    options = [
        reference[0], "--lineages", reference[1], "--libraries", 2, "--pairs", 300, "--richness", 10, "--blanks", 1,
        "--blank-pairs", 20, "--variants", 0.5, "--contamination", 0.02, "--tag-jump-rate", 0.01, "--off-target", 0.05,
        "--off-targets", other, "--chimera-rate", 0.05, "--law", "zipf", "--seed", 3,
    ]  # fmt: skip
    first, second = tmp_path / "a", tmp_path / "b"
    assert run("simulate", *options, "-o", first).code == 0
    assert run("simulate", *options, "-o", second).code == 0
    assert digests(first) == digests(second)
    with (first / "samples.tsv").open() as rows:
        sheet = list(csv.DictReader(rows, delimiter="\t"))
    assert [(row["sample"], row["control"]) for row in sheet] == [
        ("sample01", ""), ("sample02", ""), ("blank01", "extraction_blank"),
    ]  # fmt: skip
    assert all(Path(row[mate]).is_file() for row in sheet for mate in ("r1", "r2"))
    with (first / "truth_reads.tsv").open() as rows:
        truth = list(csv.DictReader(rows, delimiter="\t"))
    assert {row["status"] for row in truth} == {"known", "chimera", "contaminant", "off_target"}
    assert sum(int(row["reads"]) for row in truth) == 620
    assert {row["genus"] for row in truth if row["status"] == "known"} <= {f"Genus{i}" for i in range(4)}


def test_a_given_community_and_whole_nanopore_reads(run: Run, reference: tuple[Path, Path], tmp_path: Path) -> None:
    table = tmp_path / "mock.tsv"
    table.write_text("library\ttemplate\tweight\nmock\tT001\t3\nmock\tT002\t1\n")
    out = tmp_path / "out"
    done = run(
        "simulate", reference[0], "-o", out, "--community", table, "--pairs", 40, "--profile", "nanopore",
        "--error-rate", 0, "--indel-rate", 0, "--chimera-rate", 0,
    )  # fmt: skip
    assert done.code == 0
    reads = list(read_records(out / "mock.fastq.gz"))
    assert {len(read.sequence) for read in reads} == {len(FORWARD) + 380 + len(REVERSE)}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--richness", 99], 2, "richness 99 asked, but there are 30 templates"),
        (["--chimera-rate", 2], 2, "chimera rate 2.0: expected a share"),
        (["--off-target", 0.1], 2, "no off-target sequences given"),
        (["--forward", "ACGZ"], 2, "--forward 'ACGZ' has a letter outside IUPAC ('Z' at position 4)"),
        (["--pairs", "-5"], 2, "out of range"),
        (["--profile", "nanopore", "--qualities", "absent"], 2, "no such quality model"),
        (["--read-length", 0], 2, "a paired quality model needs a read length"),
        (["--seed", "-1"], 2, "--seed: -1 is out of range"),
        (["--flipped-share", "2"], 2, "--flipped-share: 2 is out of range; expected 0 to 1"),
        (["--cycles", "100000"], 2, "--cycles: 100000 is out of range"),
    ],
    ids=["richness", "share", "off-target", "primer", "negative", "model", "whole pairs", "seed", "flipped", "cycles"],
)
def test_mistakes_are_explained(
    run: Run, reference: tuple[Path, Path], tmp_path: Path, options: list[object], code: int, message: str
) -> None:
    done = run(
        "simulate", reference[0], "-o", tmp_path / "out", "--libraries", 1, "--pairs", 10, "--richness", 5, *options
    )
    assert done.code == code
    assert message in done.err
    assert not list((tmp_path / "out").glob("*.fastq*"))


def test_a_library_cannot_be_named_out_of_the_folder(run: Run, reference: tuple[Path, Path], tmp_path: Path) -> None:
    name = next(read_records(reference[0])).id
    community = tmp_path / "community.tsv"
    community.write_text(f"library\ttemplate\tweight\n../escape\t{name}\t1\n")
    done = run("simulate", reference[0], "-o", tmp_path / "out", "--community", community, "--pairs", 10)
    assert done.code == 2
    assert "'../escape'" in done.err
    assert not list(tmp_path.glob("escape*"))


def test_a_model_fitted_to_reads_simulates_reads(run: Run, reference: tuple[Path, Path], tmp_path: Path) -> None:
    out, model = tmp_path / "out", tmp_path / "mine.safetensors"
    options = ["--libraries", 1, "--pairs", 200, "--richness", 5]
    assert run("simulate", reference[0], "-o", out, *options).code == 0
    files = [out / "sample01_R1.fastq.gz", out / "sample01_R2.fastq.gz"]
    assert run("fit-qualities", *files, "--paired", "-o", model, "--source", "made here").code == 0
    assert load_quality_model(model).source == "made here"
    again = tmp_path / "again"
    assert run("simulate", reference[0], "-o", again, *options, "--qualities", model, "--read-length", 100).code == 0
    assert {len(read.sequence) for read in read_records(again / "sample01_R2.fastq.gz")} == {100}


def test_pairs_of_files_must_be_even(run: Run, reference: tuple[Path, Path], tmp_path: Path) -> None:
    done = run("fit-qualities", reference[0], "--paired", "-o", tmp_path / "m.safetensors")
    assert done.code == 2
    assert "even number of files" in done.err

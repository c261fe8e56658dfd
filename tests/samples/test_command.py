"""`abyssal samples` writes a first sheet from a folder and checks a sheet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from abyssal.samples.sheet import read_sample_sheet


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("names", "libraries"),
    [
        (["A-1_S19_L001_R1_001.fastq.gz", "A-1_S19_L001_R2_001.fastq.gz"], {"A-1": "paired"}),
        (["120p_S39_R1.subsample.fastq.gz", "120p_S39_R2.subsample.fastq.gz"], {"120p": "paired"}),
        (["SRR123_1.fastq.gz", "SRR123_2.fastq.gz"], {"SRR123": "paired"}),
        (["T10.R1.fq", "T10.R2.fq", "T9.R1.fq", "T9.R2.fq"], {"T10": "paired", "T9": "paired"}),
        (["lib_r1.fastq", "lib_r2.fastq"], {"lib": "paired"}),
        (["nanopore_1000_reads.fastq.gz"], {"nanopore_1000_reads": "single"}),
        (["x_R1.fastq.gz", "sub/y_R1.fastq.gz"], {"x": "single", "y": "single"}),
        (["my sample (1)_R1.fastq.gz", "my sample (1)_R2.fastq.gz"], {"my-sample-1-": "paired"}),
    ],
)
def test_files_are_paired_by_their_usual_names(
    tmp_path: Path, run: Callable, names: list[str], libraries: dict[str, str]
) -> None:
    touch(tmp_path / "reads", *names, "README.txt")
    result = run("samples", tmp_path / "reads", "-o", tmp_path / "sheet.tsv")
    assert result.code == 0, result.err
    rows = read_sample_sheet(tmp_path / "sheet.tsv", ["18S"])
    assert {row.library: row.kind for row in rows} == libraries
    checked = run("samples", tmp_path / "sheet.tsv", "--marker", "18S")
    assert f"{len(libraries)} libraries" in checked.out


@pytest.mark.parametrize(
    ("name", "control"),
    [
        ("NTC", "pcr_blank"),
        ("field-blank-3", "field_blank"),
        ("Extr_Blank1", "extraction_blank"),
        ("neg_2", "pcr_blank"),
        ("S-neg", "pcr_blank"),
        ("Blanket-bay", ""),
        ("Negros", ""),
    ],
)
def test_blanks_are_guessed_by_name(tmp_path: Path, run: Callable, name: str, control: str) -> None:
    touch(tmp_path, f"{name}_R1.fastq.gz", f"{name}_R2.fastq.gz")
    header, row = (line.split("\t") for line in run("samples", tmp_path).out.splitlines())
    assert row[header.index("control")] == control


def test_names_that_meet_and_a_mate_without_mate_are_all_named(tmp_path: Path, run: Callable) -> None:
    touch(tmp_path, "a b_R1.fastq", "a+b_R1.fastq", "b_R2.fastq")
    result = run("samples", tmp_path)
    assert result.code == 2
    assert "2 problem(s)" in result.err
    assert "b_R2.fastq has no R1" in result.err
    assert "would both be library a-b" in result.err


def test_one_name_in_two_folders_is_one_sample_of_two_runs(tmp_path: Path, run: Callable) -> None:
    touch(tmp_path, "one/a_R1.fastq", "two/a_R1.fastq")
    header, *rows = (line.split("\t") for line in run("samples", tmp_path).out.splitlines())
    cells = [[row[header.index(column)] for column in ("library", "sample", "run")] for row in rows]
    assert cells == [["a_one", "a", "one"], ["a_two", "a", "two"]]


def test_markers_are_told_by_their_primers(tmp_path: Path, run: Callable, repository: Path) -> None:
    result = run("samples", repository / "resources" / "demo" / "reads", "--marker", "auto", "-o", tmp_path / "s.tsv")
    assert result.code == 0, result.err
    rows = read_sample_sheet(tmp_path / "s.tsv", ["18S-V4-Zingone"])
    assert {row.marker for row in rows if not row.control} == {"18S-V4-Zingone"}


def test_an_existing_sheet_is_replaced_only_by_force(tmp_path: Path, run: Callable) -> None:
    touch(tmp_path, "a_R1.fastq", "a_R2.fastq")
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("mine")
    result = run("samples", tmp_path, "-o", sheet)
    assert (result.code, sheet.read_text()) == (2, "mine")
    assert "--force" in result.err
    assert run("samples", tmp_path, "-o", sheet, "--force", "-m", "18S").code == 0
    assert sheet.read_text().splitlines()[1].split("\t")[3] == "18S"


@pytest.mark.parametrize(("name", "words"), [("nowhere", "no such"), ("empty", "no files ending in .fastq")])
def test_nothing_to_scan(tmp_path: Path, run: Callable, name: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    result = run("samples", tmp_path / name, "-o", tmp_path / "sheet.tsv")
    assert result.code == 2
    assert words in result.err
    assert not (tmp_path / "sheet.tsv").exists()


def test_a_sheet_with_problems_fails_the_check(tmp_path: Path, run: Callable) -> None:
    (tmp_path / "sheet.tsv").write_text("sample\tr1\nS1\tnone.fastq\n")
    result = run("samples", tmp_path / "sheet.tsv", "-m", "18S")
    assert result.code == 2
    assert "row 2, column r1: none.fastq: no such file" in result.err

"""A sample sheet's problems are all reported at once, each with its row, its column and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from abyssal.errors import SampleSheetError
from abyssal.samples.model import Library
from abyssal.samples.sheet import read_sample_sheet


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder of files a1, a2, b1, b2."""
    (tmp_path / "reads").mkdir()
    for name in ("a1", "a2", "b1", "b2"):
        (tmp_path / "reads" / f"{name}.fastq.gz").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, *markers: str, name: str = "sheet.tsv") -> tuple[Library, ...]:
    Path(name).write_bytes(text.replace(" | ", "\t").encode())
    return read_sample_sheet(Path(name), markers or ("18S",))


def problems(text: str, *markers: str) -> list[str]:
    with pytest.raises(SampleSheetError) as caught:
        read(text, *markers)
    assert caught.value.exit_code == 2
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]


def test_a_full_row(folder: Path) -> None:
    (row,) = read(
        "library | sample | run | marker | r1 | r2 | control | replicate | latitude | longitude | depth_m | medium\n"
        "L1 | S1 | R7 | 18S | reads/a1.fastq.gz | reads/a2.fastq.gz | field_blank | 2 | -41.5 | 170 | 4200.5 | water\n"
    )
    assert (row.library, row.sample, row.run, row.marker, row.kind) == ("L1", "S1", "R7", "18S", "paired")
    assert row.files == (Path("reads/a1.fastq.gz"), Path("reads/a2.fastq.gz"))
    assert row.is_negative_control
    assert (row.latitude, row.longitude, row.depth_m) == (-41.5, 170, 4200.5)
    assert row.metadata == {"replicate": "2", "medium": "water"}


def test_what_may_be_left_out(folder: Path) -> None:
    (row,) = read("sample | r1\nS1 | reads/a1.fastq.gz\n")
    assert (row.library, row.run, row.marker, row.kind, row.control) == ("S1", "1", "18S", "single", "")
    (row,) = read("sample | asvs\nS1 | reads/a1.fastq.gz\n")
    assert row.kind == "asvs"


@pytest.mark.parametrize("missing", ["", "NA", "not applicable", "missing: control sample", "not collected"])
def test_the_usual_words_for_missing_values(folder: Path, missing: str) -> None:
    (row,) = read(f"sample | r1 | r2 | control | depth_m\nS1 | reads/a1.fastq.gz | {missing} | {missing} | {missing}\n")
    assert (row.kind, row.control, row.depth_m) == ("single", "", None)


@pytest.mark.parametrize(
    "text",
    [
        "sample,r1\nS1,reads/a1.fastq.gz\n",
        "sample | r1\r\nS1 | reads/a1.fastq.gz\r\n",
        "\ufeffsample | r1\nS1 | reads/a1.fastq.gz\n",
        "# my sheet\n\nsample | r1\n\n# later\n S1  |  reads/a1.fastq.gz \n | \n",
        "sample | r1 | \nS1 | reads/a1.fastq.gz | \n",
        'sample,r1,note\nS1,reads/a1.fastq.gz,"deep, cold"\n',
        "sample;r1\nS1;reads/a1.fastq.gz\n",
    ],
    ids=["commas", "Windows", "byte order mark", "comments", "trailing tabs", "quotes", "semicolons"],
)
def test_usual_dialects(folder: Path, text: str) -> None:
    assert [row.sample for row in read(text)] == ["S1"]


def test_paths_are_looked_up_here_and_then_beside_the_sheet(folder: Path) -> None:
    (folder / "sheets").mkdir()
    (folder / "sheets" / "c1.fastq").write_bytes(b"")
    here, beside = read("sample | r1\nS1 | reads/a1.fastq.gz\nS2 | c1.fastq\n", name="sheets/sheet.tsv")
    assert here.files == (Path("reads/a1.fastq.gz"),)
    assert beside.files == (Path("sheets/c1.fastq"),)


def test_every_problem_is_reported_at_once(folder: Path) -> None:
    text = (
        "library | sample | marker | r1 | r2 | control | latitude | depth_m\n"
        "L1 | S1 | 18S | reads/a1.fastq.gz | reads/a1.fastq.gz |  | 95 | 5 m\n"
        "L1 | S1 | 18S | reads/b1.fastq.gz | reads/b3.fastq.gz | pcr blank\n"
        "-x | S2 | COI2 | reads/a1.fastq.gz |  |  |  | -2\n"
        "L4 | S 3 | 18S\n"
    )
    found = problems(text, "18S", "COI")
    expected = [
        ("row 2, column latitude", "'95': expected at most 90"),
        ("row 2, column depth_m", "'5 m': expected a number"),
        ("row 2, column r2", "the same file as r1"),
        ("row 3, column control", "did you mean pcr_blank?"),
        ("row 3, column r2", "reads/b3.fastq.gz: no such file in reads; did you mean b"),
        ("row 3, column library", "'L1' is already in row 2"),
        ("row 3, column control", "sample 'S1' is pcr blank here but no control in row 2"),
        ("row 4, column library", "'-x': expected a name"),
        ("row 4, column depth_m", "'-2': expected at least 0"),
        ("row 4, column marker", "'COI2' is not a marker of the config; did you mean COI?"),
        ("row 5, column sample", "'S 3': expected a name"),
        ("row 5, column r1", "empty; expected a FASTQ file"),
    ]
    for place, words in expected:
        assert any(line.startswith(place) and words in line for line in found), (place, words, found)
    assert len(found) == len(expected)
    rows = [int(line.split(",")[0].removeprefix("row ")) for line in found]
    assert rows == sorted(rows)


def test_one_file_in_two_rows_of_a_marker(folder: Path) -> None:
    text = "sample | marker | r1\nS1 | 18S | reads/a1.fastq.gz\nS2 | {} | ./reads/../reads/a1.fastq.gz\n"
    (line,) = problems(text.format("18S"), "18S", "COI")
    assert line == "row 3, column r1: a1.fastq.gz is already used in row 2 for the same marker; " + (
        "libraries that share a file need tags (forward_tag, reverse_tag), ready-made ASVs a table"
    )
    assert len(read(text.format("COI"), "18S", "COI")) == 2


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Sample | r1", "column Sample: unknown column; did you mean sample?"),
        ("sampel | r1", "column sampel: unknown column; did you mean sample?"),
        ("sample | fastq_1", "column fastq_1: unknown column; did you mean r1?"),
        ("sample | r1 | longtitude", "column longtitude: unknown column; did you mean longitude?"),
        ("sample | r1 | sample", "column sample: this column name occurs more than once"),
        ("name | reads", "column sample: missing; found: name, reads (name is called sample here"),
        ("sample | r2", "column r1: missing (or asvs"),
    ],
)
def test_wrong_column_names_get_the_right_one(folder: Path, header: str, words: str) -> None:
    assert any(words in line for line in problems(f"{header}\na | b | c\n"))


def test_the_marker_is_needed_when_the_config_has_several(folder: Path) -> None:
    (line,) = problems("sample | r1\nS1 | reads/a1.fastq.gz\n", "18S", "COI")
    assert line.startswith("row 1, column marker: missing")


def test_further_columns_are_kept_as_text(folder: Path) -> None:
    (row,) = read("sample | r1 | depth | samp_store_temp\nS1 | reads/a1.fastq.gz | 10-20 m | -80\n")
    assert row.metadata == {"depth": "10-20 m", "samp_store_temp": "-80"}


def test_a_row_with_too_many_cells(folder: Path) -> None:
    (line,) = problems("sample | r1\nS1 | reads/a1.fastq.gz | x\n")
    assert line.startswith("row 2: 3 cells under 2 column names")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; expected a row of column names"),
        (b"PK\x03\x04rest", "this is a spreadsheet file; save it as tab-separated text"),
        (b"sample\tr1\nS\xe91\tx\n", "not UTF-8 text"),
        (b"sample\tr1\n", "no library; expected at least one row"),
        (b"sample\tr1\n" + b"x" * 200_000, "cannot be told apart up to line 2"),
        (b'sample\tr1\nS1\t"reads/a1.fastq.gz\n', "quotation mark opened and not closed"),
    ],
)
def test_files_that_are_no_sheet(folder: Path, content: bytes, words: str) -> None:
    (folder / "s.tsv").write_bytes(content)
    with pytest.raises(SampleSheetError, match=words):
        read_sample_sheet(folder / "s.tsv", ["18S"])


def test_a_missing_sheet_tells_how_to_make_one(folder: Path) -> None:
    with pytest.raises(SampleSheetError, match=r"no such sample sheet.*abyssal samples DIR -o none\.tsv"):
        read_sample_sheet(Path("none.tsv"))


def test_only_reads_may_lie_in_a_store(folder: Path) -> None:
    (row,) = read("sample | r1 | r2\nS1 | s3://runs/2026/a1.fastq.gz | s3://runs/2026/a2.fastq.gz\n")
    assert (row.kind, len(row.files)) == ("paired", 2)
    text = "sample | asvs | table | r1\nS1 | s3://runs/a.fasta | s3://runs/a.tsv | \nS2 |  |  | s3:/runs/a1.fastq.gz\n"
    assert problems(text) == [
        "row 2, column asvs: 's3://runs/a.fasta': only r1 and r2 take addresses; expected a file of this machine",
        "row 2, column table: 's3://runs/a.tsv': only r1 and r2 take addresses; expected a file of this machine",
        "row 3, column r1: 's3:/runs/a1.fastq.gz': not the address of an object; expected s3://BUCKET/KEY",
    ]


def test_files_that_cannot_be_read_are_told_apart(folder: Path) -> None:
    (folder / "reads" / "moved.fastq.gz").symlink_to("/scratch/gone.fastq.gz")
    (folder / "reads" / "a{1}.fastq.gz").touch()
    found = problems(
        "sample | r1\nS1 | reads/moved.fastq.gz\nS2 | reads\nS3 | reads/a{1}.fastq.gz\n" + f"S4 | {'ACGT' * 70}\n",
        "18S",
    )
    for row, words in (
        (2, "reads/moved.fastq.gz: a link to /scratch/gone.fastq.gz, which is not there; mend the link"),
        (3, "reads: a folder; expected a file"),
        (4, "reads/a{1}.fastq.gz: Snakemake takes { } for a placeholder; rename the file"),
        (5, "'ACGTACGTACGTACGTACGTACGTACGTACGTACGTACGT'... is longer than a file's name can be"),
    ):
        assert any(line.startswith(f"row {row}, column r1: {words}") for line in found), found

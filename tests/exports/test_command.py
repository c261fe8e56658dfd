"""``abyssal export`` on a study and on a classification alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from abyssal.exports.write import FORMATS


def test_all_formats_of_a_study(run: Callable, marker_folder: Path, tmp_path: Path) -> None:
    done = run("export", marker_folder, "-o", tmp_path / "out")
    assert done.code == 0
    assert done.out.split() == [str(tmp_path / "out" / made.path) for made in FORMATS.values()]
    assert all((tmp_path / "out" / made.path).exists() for made in FORMATS.values())


def test_one_format_goes_where_it_is_told(run: Callable, marker_folder: Path, tmp_path: Path) -> None:
    done = run("export", marker_folder, "--format", "kraken", "-o", tmp_path / "report.txt")
    assert (done.code, done.out) == (0, f"{tmp_path / 'report.txt'}\n")
    assert "root" in (tmp_path / "report.txt").read_text()


def test_a_classification_alone_counts_each_sequence_once(run: Callable, marker_folder: Path, tmp_path: Path) -> None:
    done = run("export", marker_folder / "taxonomy.tsv", "-o", tmp_path / "out")
    assert done.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "kraken-report.txt", "krona", "sintax.tsv", "taxonomy.tsv"
    ]  # fmt: skip
    rows = (tmp_path / "out" / "krona" / "classification.txt").read_text().splitlines()
    assert sum(int(row.split("\t")[0]) for row in rows) == 4


def test_mistakes_are_named(run: Callable, marker_folder: Path, tmp_path: Path) -> None:
    alone = run("export", marker_folder / "taxonomy.tsv", "-f", "biom", "-o", tmp_path / "x")
    assert alone.code == 2
    assert "give a folder results/STUDY/MARKER" in alone.err
    unknown = run("export", marker_folder, "-f", "bion", "-o", tmp_path / "x")
    assert unknown.code == 2
    assert "no export format 'bion'; expected one of biom, tsv" in unknown.err
    missing = run("export", tmp_path, "-o", tmp_path / "x")
    assert missing.code == 2
    assert "asv_table.tsv is missing" in missing.err
    assert run("export", tmp_path / "none.tsv", "-o", tmp_path / "x").code == 2

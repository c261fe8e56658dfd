"""Krona, SINTAX and Kraken texts, read by the rules of their programs."""

from __future__ import annotations

import re
from pathlib import Path

from support.exported_study import PUTATIVE, RANKS, SAMPLES

from abyssal.exports.classification import write_kraken_report, write_krona, write_sintax
from abyssal.exports.source import ExportSource


def test_krona_texts_hold_every_read_of_a_sample(study: ExportSource, tmp_path: Path) -> None:
    write_krona(tmp_path, study)
    assert sorted(path.stem for path in tmp_path.glob("*.txt")) == sorted(SAMPLES)
    for sample, reads in study.table.totals().items():
        rows = [line.split("\t") for line in (tmp_path / f"{sample}.txt").read_text().splitlines()]
        # ktImportText takes a magnitude, then one name a level; a row without names is the root's own.
        assert sum(float(row[0]) for row in rows) == reads
        assert all(name for row in rows for name in row[1:])
    rows = [line.split("\t") for line in (tmp_path / "north.txt").read_text().splitlines()]
    assert rows[-1] == ["7", "Eukaryota", "Rhizaria", PUTATIVE]


def test_sintax_columns(study: ExportSource, tmp_path: Path) -> None:
    write_sintax(tmp_path / "s.tsv", study)
    rows = [line.split("\t") for line in (tmp_path / "s.tsv").read_text().splitlines()]
    assert [len(row) for row in rows] == [4] * len(study.answers.rows)
    field = re.compile(r"^[a-z]:[^,:()]+\([01]\.\d{4}\)$")
    assert all(field.match(part) for row in rows for part in row[1].split(",") if part)
    assert rows[0][3] == "d:Eukaryota,u:Opisthokonta,c:Copepoda,f:Calanidae,g:Calanus,s:Calanus_finmarchicus"
    assert rows[3][1:] == ["", "", ""]
    assert len({part.split(":")[0] for part in rows[0][3].split(",")}) == len(RANKS)


def test_kraken_report_is_a_tree_whose_reads_add_up(study: ExportSource, tmp_path: Path) -> None:
    write_kraken_report(tmp_path / "k.txt", study)
    rows = [line.split("\t") for line in (tmp_path / "k.txt").read_text().splitlines()]
    total = int(study.table.counts.sum())
    assert rows[0][1:5] == ["3", "3", "U", "0"]
    assert rows[1][3:5] == ["R", "1"]
    assert int(rows[0][1]) + int(rows[1][1]) == total
    assert sum(int(row[2]) for row in rows) == total
    assert all(re.fullmatch(r"[UR]|[RDKPCOFGS]\d*", row[3]) for row in rows)
    assert [row[4] for row in rows] == [str(number) for number in range(len(rows))]
    depth = [(len(row[5]) - len(row[5].lstrip())) // 2 for row in rows]
    for place, row in enumerate(rows[1:], start=1):
        children = []
        for below in range(place + 1, len(rows)):
            if depth[below] <= depth[place]:
                break
            if depth[below] == depth[place] + 1:
                children.append(int(rows[below][1]))
        assert int(row[1]) == int(row[2]) + sum(children)
    codes = {row[5].strip(): row[3] for row in rows}
    assert (codes["Eukaryota"], codes["Opisthokonta"], codes["Copepoda"], codes[PUTATIVE]) == ("D", "D1", "C", "D2")

"""The checked list of libraries carries digests and survives a round trip."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from abyssal.errors import DataError
from abyssal.samples.libraries import read_libraries, write_libraries
from abyssal.samples.model import Library


def test_round_trip_with_digests(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("r1.fastq", "r2.fastq", "ready.fasta")]
    for file in files:
        file.write_text(file.name)
    rows = [
        Library("L1", "S1", "1", "18S", "paired", tuple(files[:2]), "", 2, -41.25, 170.0, 4200.0, {"note": 'a "b"'}),
        Library("L2", "S1", "2", "18S", "single", (files[0],), "pcr_blank", 3, metadata={"env": "x"}),
        Library("L3", "S3", "1", "18S", "asvs", (files[2],), "positive", 4),
    ]
    write_libraries(tmp_path / "libraries.tsv", rows)
    found = read_libraries(tmp_path / "libraries.tsv")
    assert [replace(row, row=0) for row in found] == [replace(row, row=0) for row in rows]
    lines = [line.split("\t") for line in (tmp_path / "libraries.tsv").read_text().splitlines()]
    first, last = (dict(zip(lines[0], line, strict=True)) for line in (lines[1], lines[3]))
    assert first["r1_sha256"] == hashlib.sha256(b"r1.fastq").hexdigest()
    assert last["asvs_sha256"] == hashlib.sha256(b"ready.fasta").hexdigest()
    assert last["r1_sha256"] == first["asvs"] == ""


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "libraries.tsv").write_text("library\tfile\n")
    with pytest.raises(DataError, match="run the rule check_libraries again"):
        read_libraries(tmp_path / "libraries.tsv")

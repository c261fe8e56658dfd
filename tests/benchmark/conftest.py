"""A tiny data folder laid out like the real one: a drifted reference as 18S V4, and two published splits."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from support.evolved_taxa import RANKS, evolved_reference

from abyssal.references.model import AmpliconReference

LETTERS = dict(zip(RANKS, "kofgs", strict=True))
FASTA = "18s-reference/pr2_4.7.2_x_silva93_18S.V4_TAReuk.fasta.gz"


def pack(target: Path, text: str) -> None:
    """Write gzipped text."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.encode(), mtime=0))


@pytest.fixture(scope="session")
def evolved() -> AmpliconReference:
    """81 species of 27 genera, three amplicons each."""
    return evolved_reference()


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory, evolved: AmpliconReference) -> Path:
    """The folder; every third amplicon of the published split is a query, copies of two stay in its reference."""
    folder = tmp_path_factory.mktemp("data")
    records = []
    for sequence, pairs in zip(evolved.sequences, evolved.members, strict=True):
        for _, lineage in pairs:
            tax = ",".join(f"{LETTERS[rank]}:{name}" for rank, name in zip(RANKS, lineage, strict=True))
            records.append(f">r{len(records)};tax={tax};\n{sequence}\n")
    pack(folder / FASTA, "".join(records))
    prefixes = ("k__", "o__", "f__", "g__", "s__")
    rows = [
        (f"a{place}", sequence, [f"{p}{name}" for p, name in zip(prefixes, pairs[0][1], strict=True)])
        for place, (sequence, pairs) in enumerate(zip(evolved.sequences, evolved.members, strict=True))
    ]
    split = folder / "tax-credit" / "B1-REF-iter0"
    asked = rows[::3]
    kept = [row for place, row in enumerate(rows) if place % 3] + [(f"copy{i}", *asked[i][1:]) for i in range(2)]
    for name, part in (("query", asked), ("reference", kept)):
        pack(split / f"{name}.fasta.gz", "".join(f">{row[0]}\n{row[1]}\n" for row in part))
        pack(split / f"{name}_taxonomy.tsv.gz", "".join(f"{row[0]}\t{'; '.join(row[2])}\n" for row in part))
    return folder

"""Results of a classification in the formats of other programs; the writers are the library's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from abyssal.exports.lineages import lineages_of
from abyssal.exports.source import ExportSource, StudyNames
from abyssal.exports.write import write_one
from abyssal.reads.table import CountTable
from abyssal.report.answers import Answers, read_answers
from abyssal.samples.model import Library

SAMPLE = "reads"
TEXT_FORMATS = ("tsv", "jsonl")
WRITTEN_FORMATS: Mapping[str, tuple[str, str]] = {
    "qiime2": ("taxonomy", "taxonomy.tsv"),
    "biom": ("biom", "feature-table.biom"),
    "sintax": ("sintax", "sintax.tsv"),
    "kraken": ("kraken", "kraken-report.txt"),
    "krona": ("krona", "krona.txt"),
    "dwca": ("dwc", "dwc-archive.zip"),
}
"""Format of the REST interface to the library's name of it and the name of the file."""
FORMATS = (*TEXT_FORMATS, *WRITTEN_FORMATS)


def write_export(table: Path, sequences: list[str], marker: str, name: str) -> bytes:
    """Return a classification in a format; each sequence counts once, all are of one sample.

    Args:
        table: the classification TSV.
        sequences: in the order of its rows.
        marker: of the model.
        name: one of WRITTEN_FORMATS.
    """
    source = _source(read_answers(table), sequences, marker)
    with tempfile.TemporaryDirectory(prefix="abyssal-export-") as folder:
        target = Path(folder) / "export"
        write_one(source, target, WRITTEN_FORMATS[name][0])
        made = target / f"{SAMPLE}.txt" if target.is_dir() else target
        return made.read_bytes()


def _source(answers: Answers, sequences: list[str], marker: str) -> ExportSource:
    names = _distinct([answer.asv for answer in answers.rows])
    rows = [replace(answer, asv=name) for answer, name in zip(answers.rows, names, strict=True)]
    named = Answers(answers.ranks, rows)
    putative = {row.asv: row.putative_taxon for row in rows if row.putative_taxon}
    return ExportSource(
        StudyNames("classification", marker),
        CountTable(tuple(names), (SAMPLE,), np.ones((len(names), 1), dtype=np.int64)),
        named,
        lineages_of(names, named, putative),
        dict(zip(names, sequences, strict=True)),
        (Library(SAMPLE, SAMPLE, "1", marker, "single", ()),),
    )


def _distinct(ids: list[str]) -> list[str]:
    """Return ids that tables can have: a repeated or empty one gets a number."""
    taken, names = set(ids), []
    seen: set[str] = set()
    for number, name in enumerate(ids, start=1):
        chosen = name or f"sequence-{number}"
        while chosen in seen or (chosen != name and chosen in taken):
            chosen = f"{name or 'sequence'}-{number}"
            number += len(ids)  # noqa: PLW2901 - the next number that cannot be an index
        seen.add(chosen)
        names.append(chosen)
    return names

"""What exports are made from: the tables of one marker, or a classification alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from abyssal.errors import UsageError
from abyssal.exports.lineages import Lineage, lineages_of
from abyssal.reads.table import CountTable, read_table
from abyssal.references.markers import ResolvedMarker
from abyssal.report.answers import Answers, read_answers
from abyssal.samples.libraries import read_libraries
from abyssal.samples.model import Library
from abyssal.sequences.records import read_records

CLASSIFICATION = "classification"
"""The only column of the counts of a classification that belongs to no study."""


@dataclass(frozen=True)
class StudyNames:
    """What the results are called, and how they were made.

    Attributes:
        study, marker: names.
        primers: primers of the marker, None when they are not known.
        reference: name and version of the reference, "" when there is none.
    """

    study: str
    marker: str
    primers: ResolvedMarker | None = None
    reference: str = ""


@dataclass(frozen=True)
class ExportFiles:
    """Files below ``results/<study>/<marker>/``."""

    table: Path
    sequences: Path
    answers: Path
    members: Path
    libraries: Path

    @classmethod
    def below(cls, folder: Path) -> ExportFiles:
        """Return the files of one marker's results."""
        preprocess = folder / "preprocess"
        return cls(
            preprocess / "asv_table.tsv", preprocess / "asvs.fasta", folder / "taxonomy.tsv",
            folder / "cluster" / "members.tsv", folder / "load" / "libraries.tsv",
        )  # fmt: skip


@dataclass(frozen=True)
class ExportSource:
    """Everything an export draws on.

    Attributes:
        names: of study and marker.
        table: reads by ASV and sample.
        answers: the classification, in the order of its file.
        lineages: what each ASV of the table counts as.
        sequences: by ASV; empty for a classification alone.
        libraries: rows of the sample sheet; empty for a classification alone.
    """

    names: StudyNames
    table: CountTable
    answers: Answers
    lineages: Mapping[str, Lineage]
    sequences: Mapping[str, str] = field(default_factory=dict)
    libraries: Sequence[Library] = ()

    @property
    def is_study(self) -> bool:
        """Whether there are samples, counts and sequences."""
        return bool(self.libraries)

    def libraries_of(self, sample: str) -> list[Library]:
        """Return the libraries of a sample."""
        return [library for library in self.libraries if library.sample == sample]


def read_study(files: ExportFiles, names: StudyNames) -> ExportSource:
    """Read the results of one marker.

    Raises:
        UsageError: a file is missing.
    """
    for path in vars(files).values():
        if not path.is_file():
            message = f"{path} is missing; expected the results of a finished run, results/STUDY/MARKER"
            raise UsageError(message)
    table, answers = read_table(files.table), read_answers(files.answers)
    rows = [line.split("\t") for line in files.members.read_text(encoding="utf-8").splitlines()[1:]]
    putative = {row[0]: row[1] for row in rows}
    return ExportSource(
        names,
        table,
        answers,
        lineages_of(table.features, answers, putative),
        {record.id: record.sequence for record in read_records(files.sequences)},
        read_libraries(files.libraries),
    )


def read_classification(source: Path) -> ExportSource:
    """Read a classification TSV alone; each sequence counts once.

    Raises:
        DataError: it is no classification TSV.
        UsageError: there is no such file.
    """
    if not source.is_file():
        message = f"{source}: no such file; expected a classification TSV or a folder results/STUDY/MARKER"
        raise UsageError(message)
    answers = read_answers(source)
    names = tuple(answer.asv for answer in answers.rows)
    table = CountTable(names, (CLASSIFICATION,), np.ones((len(names), 1), dtype=np.int64))
    putative = {answer.asv: answer.putative_taxon for answer in answers.rows if answer.putative_taxon}
    return ExportSource(StudyNames(source.stem, ""), table, answers, lineages_of(names, answers, putative))

"""What the report reads: the files of one marker's results."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abyssal.discovery.records import SAMPLE_PREFIX
from abyssal.files import read_json, sha256_file
from abyssal.reads.ledger import LedgerRow, read_ledger
from abyssal.reads.table import CountTable, read_table
from abyssal.report.answers import Answers, read_answers

Row = Mapping[str, str]


@dataclass(frozen=True)
class ReportFiles:
    """Files below ``results/<study>/<marker>/``; those that may legitimately be absent are None then."""

    libraries: Path
    ledger: Path
    controls: Path
    table: Path
    answers: Path
    putative_taxa: Path
    members: Path
    exemplars: Path
    map: Path
    verdicts: Path
    changes: Path
    selection: Path
    metrics: Path | None = None
    reference_report: Path | None = None
    truth: Path | None = None
    regression: Path | None = None
    predictions: Path | None = None
    alpha: Path | None = None
    rarefaction: Path | None = None
    ordination: Path | None = None
    novelty: Path | None = None


@dataclass(frozen=True)
class ReportFacts:
    """What the report is told rather than reads.

    Attributes:
        study: name of the study.
        marker: name of the marker.
        config: the configuration used, plain values.
        versions: name and version of programs and libraries.
        digests: further digests by name, such as the encoder's.
    """

    study: str
    marker: str
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyResults:
    """Everything the sections draw on; ``metrics``, ``reference_report`` and ``truth`` are None where there is none."""

    facts: ReportFacts
    libraries: Sequence[Row]
    ledger: Sequence[LedgerRow]
    removals: Sequence[Row]
    table: CountTable
    answers: Answers
    putative_taxa: Sequence[Row]
    members: Sequence[Row]
    points: Sequence[Row]
    verdicts: Sequence[Row]
    exemplars: Mapping[str, str]
    selection: Mapping[str, Any]
    metrics: Mapping[str, Any] | None
    reference_report: Mapping[str, Any] | None
    truth: Path | None
    digests: Mapping[str, str]
    regression: Mapping[str, Any] | None = None
    predictions: Sequence[Row] = ()
    alpha: Sequence[Row] = ()
    rarefaction: Sequence[Row] = ()
    ordination: Sequence[Row] = ()
    novelty: Mapping[str, Any] | None = None
    changes: Sequence[Row] = ()

    @property
    def putative_of(self) -> dict[str, str]:
        """The putative taxon of each ASV that has one."""
        return {row["asv"]: row["putative_taxon"] for row in self.members}

    @property
    def control_libraries(self) -> list[Row]:
        """Libraries that are controls of any kind."""
        return [row for row in self.libraries if row.get("control")]


def read_results(files: ReportFiles, facts: ReportFacts) -> StudyResults:
    """Read everything a report needs."""
    inputs = {name: path for name, path in vars(files).items() if path is not None}
    return StudyResults(
        facts=facts,
        libraries=read_rows(files.libraries),
        ledger=read_ledger(files.ledger),
        removals=read_rows(files.controls),
        table=read_table(files.table),
        answers=read_answers(files.answers),
        putative_taxa=read_rows(files.putative_taxa),
        members=read_rows(files.members),
        points=read_rows(files.map),
        verdicts=read_rows(files.verdicts),
        exemplars=_sequences(files.exemplars),
        changes=read_rows(files.changes),
        selection=read_json(files.selection),
        metrics=read_json(files.metrics) if files.metrics else None,
        reference_report=read_json(files.reference_report) if files.reference_report else None,
        truth=files.truth,
        regression=read_json(files.regression) if files.regression else None,
        predictions=read_rows(files.predictions) if files.predictions else (),
        alpha=read_rows(files.alpha) if files.alpha else (),
        rarefaction=read_rows(files.rarefaction) if files.rarefaction else (),
        ordination=read_rows(files.ordination) if files.ordination else (),
        novelty=read_json(files.novelty) if files.novelty else None,
        # The loaded sheet holds the paths of this machine; digests of the read files have a table of their own.
        digests={**facts.digests, **_digests(path for role, path in inputs.items() if role != "libraries")},
    )


def _digests(paths: Iterable[Path]) -> dict[str, str]:
    """Return the digest of each file by its name, with its folder where several files have that name."""
    found = list(paths)
    times = Counter(path.name for path in found)
    return {
        path.name if times[path.name] == 1 else f"{path.parent.name}/{path.name}": sha256_file(path) for path in found
    }


def read_rows(source: Path) -> list[dict[str, str]]:
    """Read a TSV with a header; cells are text, and a quote is a letter like any other."""
    with source.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def sample_columns(row: Row) -> dict[str, int]:
    """Return the reads of a putative taxon by sample."""
    return {name.removeprefix(SAMPLE_PREFIX): int(cell) for name, cell in row.items() if name.startswith(SAMPLE_PREFIX)}


def _sequences(source: Path) -> dict[str, str]:
    from abyssal.sequences.records import read_records

    return {record.id: record.sequence for record in read_records(source)}


def samples_by_depth(results: StudyResults) -> tuple[list[str], dict[str, float]]:
    """Return the samples from shallow to deep, those of unknown depth last, and the known depths (m)."""
    depths: dict[str, float] = {}
    for row in results.libraries:
        if row.get("depth_m"):
            depths.setdefault(row["sample"], float(row["depth_m"]))
    samples = list(results.table.columns)
    if depths:
        samples.sort(key=lambda sample: (sample not in depths, depths.get(sample, 0.0)))
    return samples, depths


def positions(results: StudyResults) -> dict[str, str]:
    """Return `` at latitude, longitude`` of every sample whose position is known (decimal degrees)."""
    return {
        row["sample"]: f" at {float(row['latitude']):.2f}°, {float(row['longitude']):.2f}°"
        for row in results.libraries
        if row.get("latitude") and row.get("longitude")
    }

"""The tables of a marker's diversity: ``alpha.tsv``, ``rarefaction.tsv``, ``ordination.tsv`` and a matrix a metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from abyssal.diversity.measure import METRICS, Alpha, Ordination, alpha_diversity, ordinate, rarefaction_curves
from abyssal.files import open_atomic
from abyssal.reads.table import CountTable

ALPHA, RAREFACTION, ORDINATION = "alpha.tsv", "rarefaction.tsv", "ordination.tsv"
FILES = (ALPHA, RAREFACTION, ORDINATION, *(f"{metric}.tsv" for metric in METRICS))
_AXES = ("metric", "sample", "axis_1", "axis_2", "explained_1", "explained_2")


def write_diversity(folder: Path, table: CountTable, taxa: Mapping[str, str]) -> None:
    """Measure a count table and write all tables; what cannot be measured has a header alone.

    Args:
        folder: where ``FILES`` go.
        table: reads by ASV and sample.
        taxa: what each ASV counts as.
    """
    _rows(folder / ALPHA, [field.name for field in fields(Alpha)], map(astuple, alpha_diversity(table, taxa)))
    curves = rarefaction_curves(table)
    points = [(sample, reads, asvs) for sample, curve in curves.items() for reads, asvs in curve]
    _rows(folder / RAREFACTION, ["sample", "reads", "expected_asvs"], points)
    ordinations = {found.metric: found for found in ordinate(table)}
    _rows(folder / ORDINATION, _AXES, [row for found in ordinations.values() for row in _axes(found)])
    for metric in METRICS:
        _write_matrix(folder / f"{metric}.tsv", ordinations.get(metric))


def _axes(found: Ordination) -> list[tuple[object, ...]]:
    rows = zip(found.samples, found.coordinates.tolist(), strict=True)
    return [(found.metric, sample, *place, *found.explained) for sample, place in rows]


def _write_matrix(target: Path, found: Ordination | None) -> None:
    samples = found.samples if found else ()
    rows = [] if found is None else [(name, *row) for name, row in zip(samples, found.distances.tolist(), strict=True)]
    _rows(target, ["", *samples], rows)


def _rows(target: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    with open_atomic(target) as out:
        out.write("\t".join(header) + "\n")
        out.writelines("\t".join(map(_cell, row)) + "\n" for row in rows)


def _cell(value: object) -> str:
    if value is None:
        return ""
    # Rounding to six digits can leave a minus before a zero.
    return f"{round(value, 6) + 0.0:.6f}" if isinstance(value, float) else str(value)

"""What a method answered and what would have been right, in one shape for all methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.references.model import AmpliconReference, Lineage

ABSENT = -2
UNKNOWN = -1


@dataclass(frozen=True)
class Answers:
    """Answers of one method to q queries.

    Attributes:
        method: its name.
        commands: how it was run, in words a reader can type.
        labels: per query one name or None a rank.
        confidence: (q, R) float64, higher is surer; 0 where there is no name.
        accepted: (q, R) bool, names the method stands by at its own operating point.
    """

    method: str
    commands: tuple[str, ...]
    labels: Sequence[Sequence[str | None]]
    confidence: NDArray[np.float64]
    accepted: NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """What the queries are.

    Attributes:
        ranks: rank names, highest first.
        lineages: true names; None for unknown.
        present: (q, R) int8: 1 the true taxon is in the reference, 0 it is absent, -1 unknown: not graded there.
        strata: per query "known", "new <rank>" or "not graded at <lowest rank>".
    """

    ranks: tuple[str, ...]
    lineages: tuple[Lineage, ...]
    present: NDArray[np.int8]
    strata: tuple[str, ...]


def judge(lineages: Sequence[Lineage], fitted: AmpliconReference) -> Truth:
    """Say at which ranks each true lineage is in the reference that was fitted."""
    names = [{lineage[rank] for pairs in fitted.members for _, lineage in pairs} for rank in range(len(fitted.ranks))]
    present = np.array(
        [
            [-1 if name is None else int(name in names[rank]) for rank, name in enumerate(lineage)]
            for lineage in lineages
        ],
        dtype=np.int8,
    ).reshape(len(lineages), len(fitted.ranks))
    return Truth(fitted.ranks, tuple(lineages), present, tuple(_stratum(fitted.ranks, row) for row in present))


def _stratum(ranks: tuple[str, ...], present: NDArray[np.int8]) -> str:
    absent = np.flatnonzero(present == 0)
    if absent.size:
        return f"new {ranks[int(absent[0])]}"
    return "known" if present[-1] == 1 else f"no {ranks[-1]} name"


def right(answers: Answers, truth: Truth) -> NDArray[np.bool_]:
    """Return (q, R): the best name is the true one; never where the truth is unknown or absent."""
    hits: NDArray[np.bool_] = np.array(
        [
            [name is not None and name == true for name, true in zip(row, lineage, strict=True)]
            for row, lineage in zip(answers.labels, truth.lineages, strict=True)
        ],
        dtype=np.bool_,
    ).reshape(truth.present.shape)
    graded: NDArray[np.bool_] = hits & (truth.present == 1)
    return graded


def named(answers: Answers) -> NDArray[np.bool_]:
    """Return (q, R): the method has a name at all."""
    given = [[name is not None for name in row] for row in answers.labels]
    found: NDArray[np.bool_] = np.array(given, dtype=np.bool_).reshape(answers.confidence.shape)
    return found

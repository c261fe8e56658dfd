"""What naive Bayes peers are trained on: every (sequence, lineage) record, a class for each distinct lineage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.references.model import AmpliconReference, Lineage


@dataclass(frozen=True)
class Classes:
    """Records and their classes.

    Attributes:
        sequences: one a record.
        of: (n,) int64 class of each record.
        lineages: lineage of each class; classes are sorted, so that those sharing the upper ranks stand together.
        prefixes: (C, R) int64: classes with one number in column r share all names down to rank r.
    """

    sequences: tuple[str, ...]
    of: NDArray[np.int64]
    lineages: tuple[Lineage, ...]
    prefixes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lineages)


def classes_of(reference: AmpliconReference) -> Classes:
    """Return the records of a reference with their classes."""
    records = [
        (sequence, lineage)
        for sequence, pairs in zip(reference.sequences, reference.members, strict=True)
        for _, lineage in pairs
    ]
    ordered = sorted({lineage for _, lineage in records}, key=_text)
    number = {lineage: place for place, lineage in enumerate(ordered)}
    names = [_text(lineage) for lineage in ordered]
    prefixes = np.zeros((len(names), len(reference.ranks)), dtype=np.int64)
    for row in range(1, len(names)):
        for rank in range(len(reference.ranks)):
            differs = names[row][: rank + 1] != names[row - 1][: rank + 1]
            prefixes[row, rank] = prefixes[row - 1, rank] + differs
    of = np.array([number[lineage] for _, lineage in records], dtype=np.int64)
    return Classes(tuple(sequence for sequence, _ in records), of, tuple(ordered), prefixes)


def _text(lineage: Lineage) -> tuple[str, ...]:
    return tuple(name or "" for name in lineage)

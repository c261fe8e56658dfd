"""Add ASVs that look like leftovers of another one to it: the rule of LULU (Froslev and others 2017).

An ASV (daughter) is added to a parent that is near it in sequence, is in nearly all of its samples, and is more
abundant than it in every sample that they share; doi:10.1038/s41467-017-01312-x. Parents are tried in the order of the
number of samples they are in, then of their reads; a parent that was itself added to another hands its daughters on.
No read is lost: the daughter's reads are the parent's afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.reads.neighbours import near_pairs
from abyssal.reads.removals import Removal
from abyssal.reads.table import CountTable

ADDED = "added_to_parent"


@dataclass(frozen=True)
class CurateSettings:
    """How alike and how much rarer a daughter is; see the configuration."""

    min_identity: float = 0.84
    min_cooccurrence: float = 0.95
    min_ratio: float = 1.0


def curate(
    table: CountTable,
    samples: Mapping[str, Sequence[str]],
    sequences: Mapping[str, str],
    settings: CurateSettings,
    *,
    folder: Path,
) -> tuple[CountTable, list[Removal]]:
    """Return the table with daughters added to their parents, and what moved where.

    Args:
        table: ASVs by library.
        samples: libraries of each sample; patterns are compared between samples.
        sequences: sequence of each ASV.
        settings: limits.
        folder: for temporary files.
    """
    by_sample = table.merge_columns(samples)
    present = [name for name, row in zip(table.features, by_sample.counts, strict=True) if row.any()]
    pairs = near_pairs({name: sequences[name] for name in present}, identity=settings.min_identity, folder=folder)
    parent_of = _parents(dict(zip(by_sample.features, by_sample.counts, strict=True)), present, pairs, settings)
    place = {name: row for row, name in enumerate(table.features)}
    counts = table.counts.copy()
    moved = []
    for daughter, parent in parent_of.items():
        row = table.counts[place[daughter]]
        counts[place[parent]] += row
        counts[place[daughter]] = 0
        moved += [
            Removal(daughter, table.columns[column], int(row[column]), int(row[column]), ADDED, parent)
            for column in np.flatnonzero(row)
        ]
    return CountTable(table.features, table.columns, counts), moved


def _parents(
    rows: Mapping[str, NDArray[np.int64]],
    present: Sequence[str],
    pairs: Mapping[str, Mapping[str, float]],
    settings: CurateSettings,
) -> dict[str, str]:
    """Return the parent of each daughter, itself no daughter."""
    rank = {name: (-int((rows[name] > 0).sum()), -int(rows[name].sum()), name) for name in present}
    parent_of: dict[str, str] = {}
    for daughter in sorted(present, key=rank.__getitem__):
        own = rows[daughter]
        here = own > 0
        for parent in sorted(
            (name for name in pairs.get(daughter, ()) if rank[name] < rank[daughter]), key=rank.__getitem__
        ):
            shared = here & (rows[parent] > 0)
            if shared.sum() < max(1.0, settings.min_cooccurrence * here.sum()):
                continue
            if np.all(rows[parent][shared] > settings.min_ratio * own[shared]):
                parent_of[daughter] = parent_of.get(parent, parent)
                break
    return parent_of

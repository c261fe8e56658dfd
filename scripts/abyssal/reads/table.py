"""Counts of features (rows) in libraries or samples (columns)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.errors import DataError
from abyssal.files import open_atomic

FEATURE_COLUMN = "Feature ID"


@dataclass(frozen=True)
class CountTable:
    """Reads by feature and column.

    Args:
        features: names of the rows.
        columns: names of the columns.
        counts: int64, shape (features, columns), not negative.
    """

    features: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def from_columns(cls, columns: Mapping[str, Mapping[str, int]]) -> CountTable:
        """Build a table from reads by feature for each column; features are sorted by name."""
        features = tuple(sorted({feature for counts in columns.values() for feature in counts}))
        rows = {feature: row for row, feature in enumerate(features)}
        counts = np.zeros((len(features), len(columns)), dtype=np.int64)
        for column, found in enumerate(columns.values()):
            for feature, reads in found.items():
                counts[rows[feature], column] = reads
        return cls(features, tuple(columns), counts)

    def totals(self) -> dict[str, int]:
        """Return the reads of each column."""
        return dict(zip(self.columns, map(int, self.counts.sum(axis=0)), strict=True))

    def merge_columns(self, groups: Mapping[str, Sequence[str]]) -> CountTable:
        """Sum columns: ``groups`` gives the old columns of each new one; columns in no group are left out."""
        position = {column: index for index, column in enumerate(self.columns)}
        counts = np.zeros((len(self.features), len(groups)), dtype=np.int64)
        for index, members in enumerate(groups.values()):
            counts[:, index] = self.counts[:, [position[member] for member in members]].sum(axis=1)
        return CountTable(self.features, tuple(groups), counts)

    def by_abundance(self) -> CountTable:
        """Return the rows that have reads, most reads first, equal ones by name."""
        totals = self.counts.sum(axis=1)
        order = sorted(np.flatnonzero(totals), key=lambda row: (-int(totals[row]), self.features[row]))
        return CountTable(tuple(self.features[row] for row in order), self.columns, self.counts[order, :])


def write_table(target: Path, table: CountTable) -> None:
    """Write a table as TSV, first column ``Feature ID``, readable by QIIME 2 and R."""
    with open_atomic(target) as out:
        out.write("\t".join([FEATURE_COLUMN, *table.columns]) + "\n")
        for feature, row in zip(table.features, table.counts.tolist(), strict=True):
            out.write("\t".join([feature, *map(str, row)]) + "\n")


def read_table(source: Path) -> CountTable:
    """Read what ``write_table`` wrote.

    Raises:
        DataError: the first column is not ``Feature ID``, or a cell is no count; names the line.
    """
    with source.open(encoding="utf-8") as lines:
        header = next(lines, "").rstrip("\n").split("\t")
        if header[0] != FEATURE_COLUMN:
            message = f"{source}: expected {FEATURE_COLUMN!r} as the first column, found {header[0]!r}"
            raise DataError(message)
        features, rows = [], []
        for number, line in enumerate(lines, start=2):
            name, *cells = line.rstrip("\n").split("\t")
            if len(cells) != len(header) - 1 or not all(cell.isdecimal() for cell in cells):
                message = f"{source} line {number}: expected {len(header) - 1} counts after the feature's name"
                raise DataError(message)
            features.append(name)
            rows.append([int(cell) for cell in cells])
    counts = np.array(rows, dtype=np.int64).reshape(len(features), len(header) - 1)
    return CountTable(tuple(features), tuple(header[1:]), counts)

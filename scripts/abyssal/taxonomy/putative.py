"""Assignment of reads to the putative taxa that discovery found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.encoder.interface import Encoder
from abyssal.errors import BundleError
from abyssal.sequences.records import read_records
from abyssal.taxonomy.approximate import BLOCK

_NEEDED = ("putative_taxon", "radius")


@dataclass(frozen=True)
class PutativeIndex:
    """Exemplars of putative taxa.

    Attributes:
        ids: stable ids.
        vectors: (t, d) float32 unit rows of the exemplars.
        radii: (t,) float32 cosine distances within which a read belongs.
    """

    ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    radii: NDArray[np.float32]

    def assign(self, vectors: NDArray[np.float32]) -> list[str]:
        """Return for each (q, d) vector the nearest exemplar's taxon when it lies inside its radius, else ""."""
        found = [""] * vectors.shape[0]
        if not self.ids:
            return found
        block = np.zeros((BLOCK, vectors.shape[1]), dtype=np.float32)
        for start in range(0, vectors.shape[0], BLOCK):
            part = vectors[start : start + BLOCK]
            block[: len(part)] = part
            distance = 1.0 - np.round(block @ self.vectors.T, 6)
            nearest = np.argmin(distance, axis=1)
            for row in range(len(part)):
                # A hair of slack: the stored radius is rounded to six digits.
                if distance[row, nearest[row]] <= self.radii[nearest[row]] + 2e-6:
                    found[start + row] = self.ids[nearest[row]]
        return found


def load_putative(records: Path, exemplars: Path, encoder: Encoder) -> PutativeIndex:
    """Read putative taxa and embed their exemplars.

    Raises:
        BundleError: a column is missing, or a taxon has no exemplar.
    """
    rows = [line.split("\t") for line in records.read_text(encoding="utf-8").splitlines()]
    header = rows[0] if rows else []
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        message = f"{records} row 1: expected the columns {', '.join(_NEEDED)}, missing {', '.join(missing)}"
        raise BundleError(message)
    sequences = {record.id: record.sequence for record in read_records(exemplars)}
    name, radius = header.index(_NEEDED[0]), header.index(_NEEDED[1])
    ids = tuple(row[name] for row in rows[1:])
    lost = [taxon for taxon in ids if taxon not in sequences]
    if lost:
        message = f"{exemplars}: no exemplar for {lost[0]}, which {records.name} lists"
        raise BundleError(message)
    radii = np.array([float(row[radius]) for row in rows[1:]], dtype=np.float32)
    return PutativeIndex(ids, encoder.embed([sequences[taxon] for taxon in ids]), radii)


def no_putative_taxa() -> PutativeIndex:
    """Return an index without any taxon."""
    ids: Sequence[str] = ()
    return PutativeIndex(tuple(ids), np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=np.float32))

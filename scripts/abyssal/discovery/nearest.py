"""The named sequence nearest to an exemplar, and the rank at which the exemplar then seems new."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import edlib
import numpy as np
from numpy.typing import NDArray

from abyssal.discovery.neighbours import search
from abyssal.references.model import AmpliconReference, Lineage

_SHORTLIST = 10
"""Nearest references by vector that are aligned; identity picks among them."""

_SAMPLED = 1000
"""Reference amplicons that the distances between taxa are measured on."""

_CIGAR = re.compile(r"(\d+)([=XID])")


@dataclass(frozen=True)
class NearestNamed:
    """The nearest reference amplicon.

    Attributes:
        position: its place in the reference.
        identity: matching columns / columns of the global alignment, 0..1.
        similarity: cosine in the encoder's space, -1..1.
    """

    position: int
    identity: float
    similarity: float


def global_identity(first: str, second: str) -> float:
    """Return matching columns over all columns of an optimal global alignment (edit distance), 0..1."""
    if not first or not second:
        return 0.0
    cigar = edlib.align(first, second, mode="NW", task="path")["cigar"]
    columns = [(int(count), kind) for count, kind in _CIGAR.findall(cigar)]
    return sum(count for count, kind in columns if kind == "=") / sum(count for count, _ in columns)


def find_nearest(
    sequences: Sequence[str],
    vectors: NDArray[np.float32],
    reference: AmpliconReference,
    reference_vectors: NDArray[np.float32],
) -> list[NearestNamed]:
    """Return the nearest reference amplicon of each sequence: best identity among the ten nearest by vector."""
    found = []
    for near in search(reference_vectors, vectors, min(_SHORTLIST, len(reference))):
        for row, places, similarity in zip(near.rows, near.places, near.similarity, strict=True):
            shortlist = places[places >= 0]
            identities = [
                (global_identity(sequences[row], reference.sequences[i]), -rank) for rank, i in enumerate(shortlist)
            ]
            identity, rank = max(identities)
            found.append(NearestNamed(int(shortlist[-rank]), identity, float(similarity[-rank])))
    return found


def rank_distances(
    reference: AmpliconReference, vectors: NDArray[np.float32], *, seed: int
) -> tuple[float | None, ...]:
    """Return per rank how similar the nearest amplicon of *another* taxon at that rank typically is (median cosine).

    Up to 1,000 amplicons are looked up. None at a rank that never has two known taxa. Values never rise with the rank,
    so that what is new at a rank is new at all ranks below.
    """
    random = np.random.default_rng(seed)
    count = len(reference)
    sampled = np.sort(random.permutation(count)[:_SAMPLED])
    similarity = vectors[sampled] @ vectors.T
    typical: list[float | None] = []
    for rank in range(len(reference.ranks)):
        codes = _codes([lineage[rank] for lineage in reference.lineages])
        other = (codes[None, :] != codes[sampled][:, None]) & (codes[None, :] >= 0) & (codes[sampled][:, None] >= 0)
        nearest = np.where(other, similarity, -np.inf).max(axis=1)
        known = nearest[np.isfinite(nearest)]
        typical.append(round(float(np.median(known)), 6) if known.size else None)
    return _never_rising_upwards(typical)


def _codes(names: list[str | None]) -> NDArray[np.int64]:
    numbers: dict[str, int] = {}
    return np.array([-1 if name is None else numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _never_rising_upwards(typical: list[float | None]) -> tuple[float | None, ...]:
    bound = np.inf
    result: list[float | None] = []
    for value in reversed(typical):
        bound = bound if value is None else min(bound, value)
        result.append(None if value is None else bound)
    return tuple(reversed(result))


def rank_of_novelty(similarity: float, lineage: Lineage, ranks: Sequence[str], typical: Sequence[float | None]) -> str:
    """Return the highest rank at which something this far from its nearest relative seems new, or "".

    A rank counts as new when the relative is no nearer than amplicons of *different* taxa at that rank typically are to
    each other, and the relative's name there is known.
    """
    for rank, name, bound in zip(ranks, lineage, typical, strict=True):
        if name is not None and bound is not None and similarity < bound:
            return rank
    return ""


def lineage_text(lineage: Lineage) -> str:
    """Join the known names of a lineage with ``; ``."""
    return "; ".join(name for name in lineage if name is not None)

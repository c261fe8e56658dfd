"""Error satellites: rare amplicons one or two edits from a far more abundant one.

Denoising removes most of them; those that are left would otherwise each start a putative taxon. Comparison is exact but
never all against all: two sequences within two edits share, unchanged, at least one of the three pieces that either is
cut into, shifted by at most two positions (pigeonhole).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import pairwise

import edlib
import numpy as np
from numpy.typing import NDArray

MAX_EDITS = 2
MIN_SKEW = 16
"""How many times more abundant the parent must be; UNOISE3 tolerates 1/2**(2d+1), so 1/32 at d = 2."""

_PIECES = MAX_EDITS + 1


def find_parents(sequences: Sequence[str], abundances: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each sequence the position of the sequence it is an error of, or its own.

    A parent is itself no satellite, lies within two edits and has at least sixteen times the reads; of several the
    nearest, then the most abundant, then the first in alphabetical order is taken.

    Args:
        sequences: n distinct upper-case sequences.
        abundances: (n,) reads of each.
    """
    parents = np.arange(len(sequences), dtype=np.int64)
    order = sorted(range(len(sequences)), key=lambda i: (-int(abundances[i]), sequences[i]))
    index: dict[str, list[tuple[int, int]]] = defaultdict(list)
    waiting: deque[int] = deque()
    for child in order:
        # Only what is abundant enough is looked up: most amplicons are rare and never are.
        while waiting and abundances[waiting[0]] >= MIN_SKEW * max(int(abundances[child]), 1):
            parent = waiting.popleft()
            for start, piece in _pieces(sequences[parent]):
                index[piece].append((parent, start))
        found = _best_parent(child, sequences, abundances, index)
        if found is None:
            waiting.append(child)
        else:
            parents[child] = found
    return parents


def _pieces(sequence: str) -> list[tuple[int, str]]:
    bounds = [len(sequence) * number // _PIECES for number in range(_PIECES + 1)]
    return [(start, sequence[start:end]) for start, end in pairwise(bounds)]


def _best_parent(
    child: int,
    sequences: Sequence[str],
    abundances: NDArray[np.int64],
    index: dict[str, list[tuple[int, int]]],
) -> int | None:
    sequence = sequences[child]
    best: tuple[int, int, str, int] | None = None
    for parent in _candidates(sequence, index):
        edits = edlib.align(sequence, sequences[parent], mode="NW", task="distance", k=MAX_EDITS)["editDistance"]
        if edits >= 0:
            key = (int(edits), -int(abundances[parent]), sequences[parent], parent)
            best = key if best is None else min(best, key)
    return None if best is None else best[3]


def _candidates(sequence: str, index: dict[str, list[tuple[int, int]]]) -> set[int]:
    """Return parents that share one of their pieces with ``sequence`` within two positions of its place."""
    found: set[int] = set()
    for parent_length in range(len(sequence) - MAX_EDITS, len(sequence) + MAX_EDITS + 1):
        bounds = [parent_length * number // _PIECES for number in range(_PIECES + 1)]
        for start, end in pairwise(bounds):
            for shifted in range(max(0, start - MAX_EDITS), start + MAX_EDITS + 1):
                piece = sequence[shifted : shifted + end - start]
                found.update(parent for parent, place in index.get(piece, ()) if place == start)
    return found

"""PCR chimeras: an unfinished strand of one amplicon primes another at a homologous place.

Few chimeras arise early and are copied often, many arise late: a library gets a pool of distinct chimeras with
exponential abundances, not a new one for every read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_SEED_LENGTH = 10
"""Bases at the end of the unfinished strand that must be found in the next parent."""
_WINDOW = 60
"""How far from the proportional place the next parent is searched (bp)."""
_MARGIN = 30
"""A piece of a parent is at least this long (bp)."""
_TRIES = 50


@dataclass(frozen=True)
class Chimera:
    """A chimeric amplicon.

    Attributes:
        sequence: the amplicon.
        parents: positions of the parents in the list they were drawn from, 5' to 3'.
        breakpoints: first position (0-based, in the chimera) of each parent but the first.
    """

    sequence: str
    parents: tuple[int, ...]
    breakpoints: tuple[int, ...]


def make_chimeras(
    sequences: Sequence[str],
    weights: NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
    *,
    three_parents: float,
) -> list[Chimera]:
    """Make up to ``count`` distinct chimeras, none equal to one of the sequences.

    Fewer come back when parents are too alike or too few: a chimera that equals a parent would be no chimera.

    Args:
        sequences: candidate parents.
        weights: abundance of each; sums to one.
        count: distinct chimeras wanted.
        rng: source of randomness.
        three_parents: share with three parents.
    """
    if np.count_nonzero(weights) < 2:
        return []
    cumulative = np.cumsum(weights) / np.sum(weights)
    known = set(sequences)
    chimeras = []
    for _ in range(count):
        for _ in range(_TRIES):
            chimera = _recombine(sequences, cumulative, 3 if rng.random() < three_parents else 2, rng)
            if chimera is not None and chimera.sequence not in known:
                known.add(chimera.sequence)
                chimeras.append(chimera)
                break
    return chimeras


def _recombine(
    sequences: Sequence[str], cumulative: NDArray[np.float64], count: int, rng: np.random.Generator
) -> Chimera | None:
    draws = np.searchsorted(cumulative, rng.random(count), side="right")
    parents = np.minimum(draws, len(sequences) - 1).tolist()
    if any(a == b for a, b in pairwise(parents)):
        return None
    strand, origin = "", 0
    current = sequences[parents[0]]
    breakpoints: list[int] = []
    for step, parent in enumerate(parents[1:], start=1):
        # Pieces of equal expected length: the strand falls off somewhere in its share of what is left.
        left = len(current) - origin
        longest = left * 2 // (count - step + 2)
        if longest <= _MARGIN:
            return None
        stop = origin + int(rng.integers(_MARGIN, longest))
        place = _switch(current, origin + _MARGIN, stop, sequences[parent])
        if place is None:
            return None
        stop, found = place
        strand += current[origin:stop]
        breakpoints.append(len(strand))
        current, origin = sequences[parent], found
    if len(current) - origin < _MARGIN:
        return None
    return Chimera(strand + current[origin:], tuple(parents), tuple(breakpoints))


def _switch(template: str, first: int, stop: int, other: str) -> tuple[int, int] | None:
    """Return the last place up to ``stop`` that has a homologous one in ``other``, and that one; None without any.

    Strands prime where the two sequences are alike, so breakpoints gather in conserved stretches.
    """
    for place in range(stop, max(first, stop - _WINDOW), -1):
        found = _homologous(template, place, other)
        if found is not None:
            return place, found
    return None


def _homologous(template: str, stop: int, other: str) -> int | None:
    """Return where ``other`` continues a strand that ends before ``stop`` on ``template``, or None."""
    expected = round(stop / len(template) * len(other))
    seed = template[stop - _SEED_LENGTH : stop]
    best: int | None = None
    start = max(0, expected - _WINDOW - _SEED_LENGTH)
    while (place := other.find(seed, start, expected + _WINDOW)) >= 0:
        end = place + _SEED_LENGTH
        if best is None or abs(end - expected) < abs(best - expected):
            best = end
        start = place + 1
    return best

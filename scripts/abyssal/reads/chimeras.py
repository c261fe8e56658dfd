"""Chimeras by the evidence of the libraries they are in.

A chimera forms in one PCR, from molecules that were more abundant there than itself. A variant is therefore compared
with the more abundant variants of each library, and is a chimera when the libraries that speak against it hold most of
its reads. Looking only at the whole pool must ask for parents many times as abundant, since a species may be rare in
one sample and common in another, and then lets frequent chimeras pass. The idea is DADA2's consensus of samples
(doi:10.1038/nmeth.3869) on perfect models as in UCHIME2 (doi:10.1101/074252).

A parent may be as good as spent where its chimera was made, which then has more reads there than that parent. What
the libraries could not explain is therefore compared with the whole pool as well. Both pieces must be exact, one parent
must lead in the library that holds nearly all of the variant, and the other have as many reads in the pool.

Variants are denoised, so a chimera starts as one parent and ends as another, letter for letter: its longest common
prefix with a parent and its longest common suffix with another cover it. With three parents, a stretch of a third
covers what is left between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import edlib
import numpy as np
from numpy.typing import NDArray

from abyssal.reads.filtering import read_sized

SHORTEST_PIECE = 16
"""A piece of a parent is at least this long (bp); shorter ones agree by chance at the conserved ends of amplicons."""
SHORTEST_MIDDLE = 30
"""The same for the middle piece of three, with what it shares with the parent beyond its ends (bp)."""
MIDDLE_SHIFT = 60
"""How far the middle piece may stand from its place in the chimera (bp), as amplicons differ in length."""
NEAR, NEAR_SKEW = 2, 8.0
"""So near a parent (differences) a variant is as likely a relative; all parents must be this many times as abundant."""
LEAD = 4.0
"""A parent this many times as abundant lets the other be no more abundant than the chimera."""
POOL_SKEW = 16.0
"""A parent this many times as abundant in the pool needs no lead in the library (UCHIME3's own threshold)."""
MAJORITY = 0.5
"""Share of a variant's reads in libraries that call it a chimera, from which on it is one."""
STRAYS = 0.1
"""Share of a variant's reads (and at least one) that may be outside of one library when a parent may be rare there."""


@dataclass(frozen=True)
class _Encoded:
    """Sequences as letters, once aligned at their starts and once at their ends; 0 fills up."""

    texts: tuple[str, ...]
    starts: NDArray[np.uint8]
    ends: NDArray[np.uint8]

    def rows(self, places: NDArray[np.int64]) -> _Encoded:
        return _Encoded(tuple(self.texts[place] for place in places), self.starts[places], self.ends[places])


def chimeras_of_pool(variants: Path, libraries: Sequence[Path], *, abundance_skew: float) -> set[str]:
    """Return the names of the chimeras among the variants of a pool.

    Args:
        variants: FASTA with sizes.
        libraries: FASTA with sizes of the unique sequences of each library of the pool.
        abundance_skew: see ``find_chimeras``.
    """
    sequences = {name: sequence for name, sequence, _ in read_sized(variants)}
    counts = [{name: size for name, _, size in read_sized(path) if name in sequences} for path in libraries]
    seen = set().union(*counts)
    if len(seen) < len(sequences):
        # A consensus need not occur in any library; such variants are compared by their reads in the pool.
        counts.append({name: size for name, _, size in read_sized(variants)})
    return find_chimeras(sequences, counts, abundance_skew=abundance_skew)


def find_chimeras(
    sequences: Mapping[str, str], libraries: Sequence[Mapping[str, int]], *, abundance_skew: float
) -> set[str]:
    """Return the names of the chimeras.

    Args:
        sequences: denoised variants by name.
        libraries: reads of each variant in each library; variants without reads in a library are left out of it.
        abundance_skew: how many times more abundant the parents must be in a library; at least 1. One of them need only
            be as abundant where the other is ``LEAD`` times as abundant.
    """
    encoded = _encode(list(sequences.values()))
    position = {name: place for place, name in enumerate(sequences)}
    total = np.zeros(len(position), dtype=np.int64)
    for library in libraries:
        for name, reads in library.items():
            total[position[name]] += reads
    against = np.zeros_like(total)
    for library in libraries:
        order = sorted(library, key=lambda name: (-library[name], -int(total[position[name]]), name))
        places = np.array([position[name] for name in order], dtype=np.int64)
        own = np.array([library[name] for name in order], dtype=np.int64)
        for index in _chimeras_of_library(encoded.rows(places), own, total[places], abundance_skew):
            against[places[index]] += own[index]
    called = (total > 0) & (against >= MAJORITY * total)
    for index, home in _confined(libraries, position, total):
        if not called[index] and _has_rare_parent(encoded, index, total, ~called, (libraries[home], position)):
            called[index] = True
    return {name for name, place in position.items() if called[place]}


def _confined(
    libraries: Sequence[Mapping[str, int]], position: Mapping[str, int], total: NDArray[np.int64]
) -> list[tuple[int, int]]:
    """Return the variants with nearly all reads in one library, and that library; by falling reads.

    The same chimera rarely forms twice, while a species in several libraries is seen in several. Nothing is confined to
    the only library of a pool.
    """
    if sum(map(bool, libraries)) < 2:
        return []
    found = [
        (position[name], home)
        for home, library in enumerate(libraries)
        for name, reads in library.items()
        if reads > (whole := int(total[position[name]])) / 2 and whole - reads <= max(1.0, STRAYS * whole)
    ]
    return sorted(found, key=lambda one: (-int(total[one[0]]), one[0]))


def _has_rare_parent(
    encoded: _Encoded,
    index: int,
    total: NDArray[np.int64],
    whole: NDArray[np.bool_],
    home: tuple[Mapping[str, int], Mapping[str, int]],
) -> bool:
    """Whether a parent that leads in a variant's library and any as frequent in the pool explain it without the other.

    Args:
        encoded: all variants.
        index: the variant.
        total: reads of each variant in the pool.
        whole: which variants are no chimeras.
        home: reads by name of the variant's library, and position by name.
    """
    text = encoded.texts[index]
    parents = whole & (total >= total[index])
    parents[index] = False
    heads = _shared(encoded.starts, index, parents, len(text))
    tails = _shared(encoded.ends, index, parents, len(text))
    if heads.max() + tails.max() < len(text):
        return False
    library, position = home
    own = np.zeros_like(total)
    for name, reads in library.items():
        own[position[name]] = reads
    leads = own >= LEAD * own[index]
    pieces = (np.where(leads, heads, 0), tails), (heads, np.where(leads, tails, 0))
    return any(_model(encoded.texts, index, np.zeros_like(parents), *ends) for ends in pieces)


def _encode(texts: Sequence[str]) -> _Encoded:
    starts = np.zeros((len(texts), max(map(len, texts), default=0)), dtype=np.uint8)
    ends = np.zeros_like(starts)
    for row, text in enumerate(texts):
        letters = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
        starts[row, : len(text)] = letters
        ends[row, : len(text)] = letters[::-1]
    return _Encoded(tuple(texts), starts, ends)


def _chimeras_of_library(
    encoded: _Encoded, own: NDArray[np.int64], pooled: NDArray[np.int64], skew: float
) -> Iterator[int]:
    """Yield the indices of the chimeras among the variants of a library, which are sorted by falling reads."""
    whole = np.ones(len(own), dtype=np.bool_)
    for index, text in enumerate(encoded.texts):
        abundant = pooled >= POOL_SKEW * pooled[index]
        for least, lead in ((skew, 0.0), (1.0, LEAD)):
            parents = whole & ((own >= least * own[index]) | abundant)
            parents[index] = False
            heads = _shared(encoded.starts, index, parents, len(text))
            tails = _shared(encoded.ends, index, parents, len(text))
            model = _model(encoded.texts, index, parents, heads, tails)
            if model and own[model].max() >= lead * own[index] and _abundant_enough(encoded.texts, own, index, model):
                whole[index] = False
                yield index
                break


def _shared(letters: NDArray[np.uint8], index: int, parents: NDArray[np.bool_], length: int) -> NDArray[np.int64]:
    """Return how many letters from the first on each parent shares with a row; 0 for fewer than the shortest piece."""
    shared = np.zeros(len(letters), dtype=np.int64)
    own = letters[index]
    rows = np.flatnonzero(parents & (letters[:, :SHORTEST_PIECE] == own[:SHORTEST_PIECE]).all(axis=1))
    if rows.size:
        differ = letters[rows, :length] != own[:length]
        shared[rows] = np.where(differ.any(axis=1), differ.argmax(axis=1), length)
    return shared


def _model(
    texts: Sequence[str], index: int, parents: NDArray[np.bool_], heads: NDArray[np.int64], tails: NDArray[np.int64]
) -> list[int]:
    """Return the parents (indices) that explain a variant, or nothing."""
    length = len(texts[index])
    head, tail = int(heads.argmax()), int(tails.argmax())
    first = min(int(heads[head]), length - SHORTEST_PIECE)
    last = min(int(tails[tail]), length - SHORTEST_PIECE)
    if first < SHORTEST_PIECE or last < SHORTEST_PIECE:
        return []
    if first + last >= length:
        return [head, tail] if head != tail else []
    for middle in np.flatnonzero(parents).tolist():
        if _holds(texts[middle], texts[index], first, length - last):
            return [head, middle, tail]
    return []


def _holds(parent: str, own: str, start: int, end: int) -> bool:
    """Whether a parent has the letters of ``own`` from start to end, near their place, and enough beyond them."""
    found = parent.find(own[start:end], max(0, start - MIDDLE_SHIFT), end + MIDDLE_SHIFT)
    if found < 0:
        return False
    left = _common_prefix(own[:start][::-1], parent[:found][::-1])
    right = _common_prefix(own[end:], parent[found + end - start :])
    return left + end - start + right >= SHORTEST_MIDDLE


def _common_prefix(one: str, other: str) -> int:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))


def _abundant_enough(texts: Sequence[str], own: NDArray[np.int64], index: int, model: Sequence[int]) -> bool:
    if min(own[parent] for parent in model) >= NEAR_SKEW * own[index]:
        return True
    return (
        min(int(edlib.align(texts[index], texts[parent], task="distance")["editDistance"]) for parent in model) > NEAR
    )

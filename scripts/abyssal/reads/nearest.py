"""The variants nearest to a read by edit distance, all of them and exactly, without an alignment to most.

A read is cut into pieces of k letters. One edit destroys at most one piece, so a variant at distance d has all but d of
them somewhere (Jokinen & Ukkonen's q-gram lemma, 1991, for the k-mers that do not overlap: as sharp, with a k-th of the
counting). Pieces are counted for all variants at once; only those that can still be as near as the best one found are
aligned, the likeliest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import edlib
import numpy as np
from numba import njit
from numpy.typing import NDArray

from abyssal.encoder.kmers import encode_letters
from abyssal.taxonomy.profiles import sparse_profiles

_K = 10
_COUNTS = 4_000_000
"""Counts held at a time; bounds the memory of a block (int16)."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """What is nearest to a read.

    Attributes:
        places: positions of the nearest variants, rising; empty where all are too far.
        distance: edits between the read and each of them.
        identity: one minus the edits over the length of the longer of the two (share), for the first of them.
    """

    places: tuple[int, ...]
    distance: int
    identity: float


NOTHING = Nearest((), 0, 0.0)


class VariantIndex:
    """Variants and the k-mers each of them has."""

    def __init__(self, variants: Sequence[str]) -> None:
        self.variants = list(variants)
        self._longest = max(map(len, self.variants), default=0)
        profiles = sparse_profiles(self.variants, k=_K)
        rows = np.repeat(np.arange(len(self.variants), dtype=np.int32), np.diff(profiles.offsets))
        order = np.argsort(profiles.kmers, kind="stable")
        self._rows = rows[order]
        self._starts = np.searchsorted(profiles.kmers[order], np.arange(4**_K + 1)).astype(np.int64)

    def nearest(self, reads: Sequence[str], *, identity: float) -> Iterator[Nearest]:
        """Yield what is nearest to each read, in their order.

        Args:
            reads: upper-case sequences.
            identity: least share of unchanged letters, 0..1.
        """
        block = max(1, _COUNTS // max(1, len(self.variants)))
        for start in range(0, len(reads), block):
            part = reads[start : start + block]
            codes, offsets = encode_letters(part)
            shared, pieces = _count_shared(codes, offsets, self._starts, self._rows, len(self.variants))
            for read, counts, whole in zip(part, shared, pieces.tolist(), strict=True):
                yield self._nearest(read, counts, whole, 1.0 - identity)

    def _nearest(self, read: str, shared: NDArray[np.int16], pieces: int, most: float) -> Nearest:
        # No variant within the limit is longer than this.
        longest = min(len(read) / (1.0 - most), self._longest) if most < 1 else self._longest
        edits = int(most * max(len(read), longest) + 1e-9)
        found: list[int] = []
        candidates = np.flatnonzero(shared >= pieces - edits)
        for place in candidates[np.argsort(-shared[candidates], kind="stable")].tolist():
            if shared[place] < pieces - edits:
                break
            variant = self.variants[place]
            limit = min(edits, int(most * max(len(read), len(variant)) + 1e-9))
            distance = edlib.align(read, variant, mode="NW", task="distance", k=limit)["editDistance"]
            if distance < 0:
                continue
            found = [*found, place] if found and distance == edits else [place]
            edits = distance
        if not found:
            return NOTHING
        places = tuple(sorted(found))
        return Nearest(places, edits, 1.0 - edits / max(len(read), len(self.variants[places[0]])))


@njit(cache=True, nogil=True)
def _count_shared(codes, offsets, starts, rows, variants):  # type: ignore[no-untyped-def]
    """How many pieces of each read a variant has, (reads, variants) int16, and how many have no odd letters."""
    shared = np.zeros((offsets.size - 1, variants), dtype=np.int16)
    pieces = np.zeros(offsets.size - 1, dtype=np.int64)
    for read in range(offsets.size - 1):
        for start in range(offsets[read], offsets[read + 1] - _K + 1, _K):
            kmer = 0
            for place in range(start, start + _K):
                kmer = kmer * 4 + codes[place] if codes[place] < 4 and kmer >= 0 else -1
            if kmer < 0:
                continue
            pieces[read] += 1
            for row in range(starts[kmer], starts[kmer + 1]):
                shared[read, rows[row]] += 1
    return shared, pieces

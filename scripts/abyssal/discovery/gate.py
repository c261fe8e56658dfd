"""Which amplicons the reference does not explain, and which do not belong to the marker at all.

Both decisions rest on the 6-mer cosine to the nearest reference amplicon, a measure that needs neither labels nor an
encoder, so that what is clustered never depends on what is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.encoder.kmers import DEFAULT_K, kmer_profiles
from abyssal.taxonomy.approximate import EXACT_LIMIT, ApproximateSearch, CoarseLists
from abyssal.taxonomy.profiles import cosines, sparse_profiles

_BLOCK = 2048
"""Profiles compared at a time; 2,048 x 4,096 float32 are 34 MB."""

_SHORT_K, _SHORTLIST = 4, 32
"""Of a very large study each amplicon is compared with so many references, the nearest ones by these k-mers."""

CHANCE_MARGIN = 1.25
"""An amplicon is at chance level below this multiple of the best similarity that shuffled amplicons reach."""

STRANGE_LENGTH_SIMILARITY = 0.35
"""Outside the marker's length window an amplicon must be at least this similar to the reference (6-mer cosine)."""


@dataclass(frozen=True)
class GateDecision:
    """Where each of n amplicons goes.

    Attributes:
        similarity: (n,) float64, 6-mer cosine to the nearest reference amplicon, 0..1, rounded to 6 digits.
        beyond: (n,) bool, further from the reference than the gate and on target: to be clustered.
        off_target: (n,) bool, not of this marker.
    """

    similarity: NDArray[np.float64]
    beyond: NDArray[np.bool_]
    off_target: NDArray[np.bool_]


def best_similarity(
    queries: Sequence[str], references: Sequence[str], *, k: int = DEFAULT_K, exact_limit: int = EXACT_LIMIT
) -> NDArray[np.float64]:
    """Return (n,) k-mer cosines to the nearest of the references, rounded to 6 digits; 0 where there is none.

    Above ``exact_limit`` queries each is compared with the references that are nearest to it by shorter k-mers only.
    """
    if len(queries) > exact_limit and references:
        return _best_of_shortlist(queries, references, k=k)
    best = np.zeros(len(queries), dtype=np.float64)
    for start in range(0, len(queries), _BLOCK):
        profiles = kmer_profiles(queries[start : start + _BLOCK], k=k)
        for first in range(0, len(references), _BLOCK):
            block = kmer_profiles(references[first : first + _BLOCK], k=k)
            nearest = (profiles @ block.T).max(axis=1)
            best[start : start + _BLOCK] = np.maximum(best[start : start + _BLOCK], nearest)
    return np.round(best, 6)


def _best_of_shortlist(queries: Sequence[str], references: Sequence[str], *, k: int) -> NDArray[np.float64]:
    best = np.zeros(len(queries), dtype=np.float64)
    short, profiles = kmer_profiles(references, k=_SHORT_K), sparse_profiles(references, k=k)
    index = None if len(references) <= _SHORTLIST else ApproximateSearch(short, CoarseLists.train(short))
    everything = np.arange(len(references))
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        if index is None:
            candidates = np.broadcast_to(everything, (len(block), len(references)))
        else:
            candidates = index.search(kmer_profiles(block, k=_SHORT_K), _SHORTLIST)[0]
        found = cosines(sparse_profiles(block, k=k), profiles, np.ascontiguousarray(candidates))
        best[start : start + _BLOCK] = found.max(axis=1)
    return np.round(best, 6)


def decide(
    sequences: Sequence[str],
    references: Sequence[str],
    *,
    distance: float,
    seed: int,
    length_window: tuple[int | None, int | None] = (None, None),
    k: int = DEFAULT_K,
    exact_limit: int = EXACT_LIMIT,
) -> GateDecision:
    """Sort amplicons into explained, beyond the gate, and off target.

    Args:
        distance: cosine distance (0..1) to the nearest reference up to which an amplicon counts as explained.
        length_window: shortest and longest amplicon of the marker (bp); None where unknown.
    """
    similarity = best_similarity(sequences, references, k=k, exact_limit=exact_limit)
    off_target = flag_off_target(sequences, similarity, references, seed=seed, length_window=length_window, k=k)
    return GateDecision(similarity, (1.0 - similarity > distance) & ~off_target, off_target)


def flag_off_target(
    sequences: Sequence[str],
    similarity: NDArray[np.float64],
    references: Sequence[str],
    *,
    seed: int,
    length_window: tuple[int | None, int | None] = (None, None),
    k: int = DEFAULT_K,
) -> NDArray[np.bool_]:
    """Return (n,) bool: sequences no more like the reference than chance allows, or dissimilar and of a strange length.

    Chance is measured, not assumed: the letters of up to 256 of the sequences are shuffled and looked up as well, which
    takes composition, length and the size of the reference into account.
    """
    if not sequences:
        return np.zeros(0, dtype=bool)
    random = np.random.default_rng(seed)
    chosen = sorted(sequences)[:: max(1, len(sequences) // 256)][:256]
    shuffled = ["".join(random.permutation(list(sequence))) for sequence in chosen]
    chance = CHANCE_MARGIN * float(best_similarity(shuffled, references, k=k).max())
    shortest, longest = length_window
    lengths = np.array([len(sequence) for sequence in sequences])
    strange = (lengths < (shortest or 0)) | (lengths > (longest or np.inf))
    return (similarity < chance) | (strange & (similarity < STRANGE_LENGTH_SIMILARITY))

"""From a read to its neighbours: vector search, exact k-mer cosine, then alignment of the best few.

The vectors are fast and coarse, the k-mer cosine is exact, the alignment sees order and gaps. Each step looks at fewer
candidates than the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from abyssal.taxonomy.alignment import identities
from abyssal.taxonomy.evidence import LOCAL, Neighbours
from abyssal.taxonomy.index import ReferenceIndex
from abyssal.taxonomy.profiles import SparseProfiles, cosines, sparse_profiles

CANDIDATE_FACTOR = 2
"""Candidates taken from the vector search for each neighbour kept after the k-mer cosine."""

ALIGNED = 10
"""Nearest candidates that are aligned."""

IDENTITY_WEIGHT = 1.0
"""How much identity adds to k-mer cosine where neighbours are ordered and weighted; at k = 6 one substitution costs
about six times as much cosine as identity."""

LocalOf = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Positions (q, LOCAL) to surroundings (q, LOCAL, R, 2)."""


def neighbours_of(
    index: ReferenceIndex,
    sequences: Sequence[str],
    vectors: NDArray[np.float32],
    count: int,
    *,
    local_of: LocalOf,
    banned: list[NDArray[np.int64]] | None = None,
    hits: NDArray[np.int64] | None = None,
) -> tuple[Neighbours, NDArray[np.float32]]:
    """Return the neighbours of each sequence and the share of it that its nearest one covers.

    Args:
        index, sequences: what is searched; q upper-case sequences in primer orientation.
        vectors: (q, d) float32 unit rows.
        count: neighbours kept.
        local_of: looks up the surroundings of amplicons.
        banned: for each query the positions it may not see; None bans nothing.
        hits: (q, h) positions that another search found, -1 when empty; they are aligned beside the nearest few.
    """
    reads = sparse_profiles(sequences, k=index.profiles.k)
    places, kmer = _nearest(index, reads, _candidates(index, vectors, count * CANDIDATE_FACTOR, banned), hits, count)
    aligned = ALIGNED if hits is None else ALIGNED + hits.shape[1]
    found, covered = identities(sequences, index.reference.sequences, places[:, :aligned])
    score = _scores(kmer, found)
    order = np.argsort(-score, axis=1, kind="stable")
    places = np.take_along_axis(places, order, axis=1)
    score, kmer, identity, covered = (
        np.take_along_axis(array, order, axis=1)
        for array in (score, kmer, _padded(found, count), _padded(covered, count))
    )
    neighbours = Neighbours(
        places, score, kmer, identity, local_of(places[:, :LOCAL]), _lengths(sequences),
        index.lengths[places[:, 0]], reads, index.profiles,
    )  # fmt: skip
    return neighbours, covered[:, 0]


def _candidates(
    index: ReferenceIndex, vectors: NDArray[np.float32], count: int, banned: list[NDArray[np.int64]] | None
) -> NDArray[np.int64]:
    """Return positions that the vector search finds, -1 at empty places.

    Amplicons that were added after the fit come on top: they push none of the others out, so a read that has none of
    them among its neighbours in the end has the neighbours that it had before.
    """
    if banned is not None:
        return index.search_without(vectors, count, banned)[0]
    fresh = index.taxa.fresh
    if fresh is None:
        return index.search(vectors, count)[0]
    places, _ = index.search(vectors, 2 * count)
    fitted = (places >= 0) & ~fresh[places]
    return np.where(np.cumsum(fitted, axis=1) - fitted < count, places, -1)


def _nearest(
    index: ReferenceIndex,
    reads: SparseProfiles,
    places: NDArray[np.int64],
    hits: NDArray[np.int64] | None,
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the ``count`` candidates of highest k-mer cosine with it, what another search found before all others."""
    if hits is not None:
        places = _joined(hits, places)
    kmer = cosines(reads, index.profiles, places)
    rise = kmer.copy()
    if hits is not None:
        rise[:, : hits.shape[1]] += np.where(hits >= 0, np.float32(2.0), np.float32(0.0))
    order = np.argsort(-rise, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(kmer, order, axis=1)


def _lengths(sequences: Sequence[str]) -> NDArray[np.float32]:
    return np.array([len(sequence) for sequence in sequences], dtype=np.float32)


def _joined(hits: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Put what was found before the candidates, each amplicon once."""
    again = (places[:, :, None] == hits[:, None, :]).any(axis=2)
    return np.concatenate([hits, np.where(again, -1, places)], axis=1)


def _padded(array: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Widen to ``columns`` with NaN: what was not aligned has no identity."""
    wide = np.full((array.shape[0], columns), np.nan, dtype=np.float32)
    wide[:, : array.shape[1]] = array[:, :columns]
    return wide


def _scores(kmer: NDArray[np.float32], identity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add identity to the cosine; a candidate that was not aligned gets the lowest identity of those that were."""
    scores = kmer.copy()
    if kmer.shape[0] == 0:
        return scores
    with np.errstate(invalid="ignore"):
        lowest = np.fmin.reduce(identity, axis=1)
    lowest = np.nan_to_num(lowest, nan=0.0)
    full = np.repeat(lowest[:, None], kmer.shape[1], axis=1)
    full[:, : identity.shape[1]] = np.where(np.isnan(identity), full[:, : identity.shape[1]], identity)
    scores += np.float32(IDENTITY_WEIGHT) * full.astype(np.float32)
    scores[kmer < 0] = -1.0
    return scores

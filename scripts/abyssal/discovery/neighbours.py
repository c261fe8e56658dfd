"""The nearest of many vectors: all are compared up to a limit; above it only the nearest lists are visited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from abyssal.taxonomy.approximate import EXACT_LIMIT, ApproximateSearch, CoarseLists, largest

_BLOCK = 512
MOST_LISTED = 60
"""Neighbours that stand for all of a vector where not every pair can be looked at."""


@dataclass(frozen=True)
class Neighbours:
    """Nearest vectors of some queries, nearest first, ties by position.

    Attributes:
        rows: (q,) int64 positions of the queries.
        places: (q, c) int64 positions of what is near; -1 at an empty place.
        similarity: (q, c) float32 dot products rounded to six digits; -2 at an empty place.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    similarity: NDArray[np.float32]


def search(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int, *, exact_limit: int = EXACT_LIMIT
) -> Iterator[Neighbours]:
    """Yield the ``count`` nearest of (n, d) unit vectors to blocks of (q, d) unit vectors.

    Args:
        exact_limit: vectors up to which every query is compared with all of them.
    """
    if len(vectors) == 0:
        return
    lists = ApproximateSearch(vectors, CoarseLists.train(vectors)) if len(vectors) > exact_limit else None
    for start in range(0, len(queries), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(queries)))
        if lists is not None:
            places, similarity = lists.search(queries[rows], count)
            yield Neighbours(rows, places, np.round(similarity, 6))
            continue
        places, similarity = np.full((len(rows), count), -1), np.full((len(rows), count), -2.0, dtype=np.float32)
        products = queries[rows] @ vectors.T
        largest(np.round(products, 6, out=products), places, similarity)
        yield Neighbours(rows, places, similarity)


def near_pairs(
    vectors: NDArray[np.float32], neighbours: int, least: float, *, exact_limit: int = EXACT_LIMIT
) -> NDArray[np.int32]:
    """Return each vector with its nearest ones, at least so alike (cosine); (p, 2), the lower position first."""
    count = len(vectors)
    most = min(neighbours, count - 1)
    if most < 1:
        return np.zeros((0, 2), dtype=np.int32)
    found = []
    for near in search(vectors, vectors, most + 1, exact_limit=exact_limit):
        # A vector is no neighbour of its own.
        wanted = (near.similarity >= least) & (near.places >= 0) & (near.places != near.rows[:, None])
        query, column = np.nonzero(wanted)
        first, second = near.rows[query], near.places[query, column]
        found.append(np.minimum(first, second) * count + np.maximum(first, second))
    keys = np.concatenate(found)
    found.clear()
    # In place: a copy of many numbers a vector is what memory is short of.
    keys.sort()
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)]]
    places = np.empty((len(keys), 2), dtype=np.int32)
    np.floor_divide(keys, count, out=places[:, 0], casting="unsafe")
    np.remainder(keys, count, out=places[:, 1], casting="unsafe")
    return places


def alike(vectors: NDArray[np.float32], distance: float, *, exact_limit: int = EXACT_LIMIT) -> NDArray[np.int64]:
    """Return (n,) numbers of the groups that chains of pairs within a cosine distance join.

    Above the limit a vector's pairs are those with its sixty nearest.
    """
    joined = np.arange(len(vectors))
    for rows, places in _pairs_within(vectors, distance, exact_limit=exact_limit):
        edges = coo_array((np.ones(len(rows)), (joined[rows], joined[places])), shape=(len(vectors), len(vectors)))
        joined = connected_components(edges, directed=False)[1][joined].astype(np.int64)
    return joined


def _pairs_within(
    vectors: NDArray[np.float32], distance: float, *, exact_limit: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    if len(vectors) > exact_limit:
        for found in search(vectors, vectors, MOST_LISTED + 1, exact_limit=exact_limit):
            query, column = np.nonzero((found.similarity >= 1.0 - distance) & (found.places >= 0))
            yield found.rows[query], found.places[query, column]
        return
    for start in range(0, len(vectors), _BLOCK):
        query, place = np.nonzero(np.round(vectors[start : start + _BLOCK] @ vectors.T, 6) >= 1.0 - distance)
        yield query + start, place

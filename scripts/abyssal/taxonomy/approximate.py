"""Search of very large references: vectors in lists around centroids, of which a query visits the nearest (faiss).

Exact search compares a query with everything, so its time grows with the reference; lists keep it nearly flat. What
is stored are plain arrays, the centroids and the list of each vector; faiss' own structure is filled from them when a
model is loaded. Training uses one thread and a fixed seed, centroids and vectors are rounded to 16 bits, the lists to
visit are chosen in products of a fixed shape, and each query is scanned alone: an answer depends on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

EXACT_LIMIT = 50_000
"""Vectors up to which everything is compared."""

BLOCK = 64
"""Queries per matrix product. The shape never changes (short blocks are padded), so neither does a query's rounding."""

PROBED = 16
"""Lists visited; with 225,000 amplicons of four markers recall@10 is .994 (see README)."""

_PER_LIST = 40
"""Vectors a list's centroid is trained on; more make no better lists and take longer."""

_ITERATIONS = 8


@dataclass(frozen=True)
class CoarseLists:
    """Which list each vector is in.

    Attributes:
        centroids: (c, d) float16 unit rows.
        assigned: (n,) int32, list of each vector.
    """

    centroids: NDArray[np.float16]
    assigned: NDArray[np.int32]

    @classmethod
    def train(cls, vectors: NDArray[np.float32], seed: int = 1) -> CoarseLists:
        """Make about four times as many lists as the square root of the number of (n, d) vectors, by k-means."""
        # Imported where it is needed: most references are small, and answering with them needs no faiss.
        import faiss
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        count, dimension = vectors.shape
        lists = 2 ** round(np.log2(4.0 * np.sqrt(count)))
        sample = np.random.default_rng(seed).choice(count, size=min(count, lists * _PER_LIST), replace=False)
        kmeans = faiss.Kmeans(dimension, lists, niter=_ITERATIONS, seed=seed, spherical=True, min_points_per_centroid=1)
        faiss.omp_set_num_threads(1)
        with threadpool_limits(limits=1):
            kmeans.train(np.ascontiguousarray(vectors[np.sort(sample)]))
        centroids = np.asarray(kmeans.centroids, dtype=np.float16)
        return cls(centroids, assign(centroids, vectors))

    def extended(self, vectors: NDArray[np.float32]) -> CoarseLists:
        """Return the lists with these vectors appended; the centroids, and so all other lists, stay as they are."""
        return CoarseLists(self.centroids, np.concatenate([self.assigned, assign(self.centroids, vectors)]))


def assign(centroids: NDArray[np.float16], vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return (n,) the nearest centroid of each vector."""
    return nearest_lists(centroids, vectors, 1)[0][:, 0].astype(np.int32)


def nearest_lists(
    centroids: NDArray[np.float16], vectors: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return (q, count) positions and similarities of the nearest centroids, nearest first."""
    wide = np.ascontiguousarray(centroids.T.astype(np.float32))
    places = np.full((vectors.shape[0], count), -1, dtype=np.int64)
    values = np.full(places.shape, -2.0, dtype=np.float32)
    block = np.zeros((BLOCK, vectors.shape[1]), dtype=np.float32)
    for start in range(0, vectors.shape[0], BLOCK):
        part = vectors[start : start + BLOCK]
        block[: len(part)] = part
        block[len(part) :] = 0.0
        rows = slice(start, start + len(part))
        largest((block @ wide)[: len(part)], places[rows], values[rows])
    return places, values


@dataclass(frozen=True)
class ApproximateSearch:
    """Searches (n, d) float32 vectors, rounded to 16 bits, through their lists."""

    vectors: NDArray[np.float32]
    lists: CoarseLists

    @cached_property
    def _filled(self) -> Any:
        """The lists as faiss keeps them; 16-bit codes hold the rounded vectors without any loss."""
        import faiss

        count, dimension = self.vectors.shape
        quantizer = faiss.IndexFlatIP(dimension)
        quantizer.add(self.lists.centroids.astype(np.float32))
        index = faiss.IndexIVFScalarQuantizer(
            quantizer, dimension, len(self.lists.centroids), faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        index.by_residual = False
        index.is_trained = True
        index.nprobe = min(PROBED, len(self.lists.centroids))
        ids, assigned = np.arange(count), self.lists.assigned.astype(np.int64)
        faiss.omp_set_num_threads(1)
        index.add_core(count, faiss.swig_ptr(self.vectors), faiss.swig_ptr(ids), faiss.swig_ptr(assigned))
        # The quantizer is freed with its Python object; the index must not outlive it.
        return index, quantizer

    def search(self, queries: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return (q, count) positions and similarities, nearest first, ties by position; -1 and -2 at empty places."""
        import faiss

        index, _ = self._filled
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        lists, nearness = nearest_lists(self.lists.centroids, queries, index.nprobe)
        # The caller's threads are the only ones; this setting belongs to the calling thread.
        faiss.omp_set_num_threads(1)
        values, places = index.search_preassigned(queries, count, lists, nearness)
        values = np.where(places < 0, np.float32(-2.0), values)
        order = np.lexsort((places, -values), axis=1)
        return np.take_along_axis(places, order, axis=1), np.take_along_axis(values, order, axis=1)


@njit(cache=True, nogil=True)
def largest(products, places, values):  # type: ignore[no-untyped-def]
    """Write positions and values of the largest products of each row, ties by position; -2 means no product."""
    rows, columns = products.shape
    count = places.shape[1]
    for row in range(rows):
        filled = 0
        for column in range(columns):
            value = products[row, column]
            if value <= -2.0 or (filled == count and value <= values[row, count - 1]):
                continue
            # Insertion keeps equal values in the order of their positions.
            place = filled if filled < count else count - 1
            while place > 0 and values[row, place - 1] < value:
                values[row, place] = values[row, place - 1]
                places[row, place] = places[row, place - 1]
                place -= 1
            values[row, place] = value
            places[row, place] = column
            if filled < count:
                filled += 1

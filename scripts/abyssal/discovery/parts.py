"""Methods whose time or memory grows faster than their items, applied to parts of a large set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.discovery.clusterers import NOISE, Clusterer, ClusterItems, Labels, by_label
from abyssal.discovery.neighbours import alike
from abyssal.taxonomy.approximate import EXACT_LIMIT

_SEED = 1


@dataclass(frozen=True)
class PartwiseClusterer(Clusterer):
    """Another clusterer, above ``exact_limit`` items applied to parts of fewer.

    A part is made of whole chains of pairs within ``distance``; a chain too long for one part is cut by k-means.
    """

    whole: Clusterer
    distance: float
    exact_limit: int = EXACT_LIMIT

    def _group(self, items: ClusterItems) -> Labels:
        if len(items) <= self.exact_limit:
            return self.whole.partition(items)
        labels = np.full(len(items), NOISE, dtype=np.int64)
        used = 0
        for part in parts(items.vectors, self.distance, self.exact_limit):
            found = self.whole.partition(items.take(part))
            labels[part] = np.where(found == NOISE, NOISE, found + used)
            used += int(found.max(initial=NOISE)) + 1
        return labels


def parts(vectors: NDArray[np.float32], distance: float, most: int) -> list[NDArray[np.int64]]:
    """Return rising positions of parts of at most ``most`` vectors each."""
    pieces: list[NDArray[np.int64]] = []
    for chain in by_label(alike(vectors, distance, exact_limit=most)):
        pieces += [chain] if len(chain) <= most else [chain[piece] for piece in _cut(vectors[chain], most)]
    packed: list[list[NDArray[np.int64]]] = []
    room = 0
    for piece in pieces:
        if len(piece) > room:
            packed.append([])
            room = most
        packed[-1].append(piece)
        room -= len(piece)
    return [np.sort(np.concatenate(group)) for group in packed]


def _cut(vectors: NDArray[np.float32], most: int) -> list[NDArray[np.int64]]:
    """Cut alike vectors into pieces by spherical k-means, again where a piece is still too large."""
    import faiss

    count = 2 * -(-len(vectors) // most)
    kmeans = faiss.Kmeans(vectors.shape[1], count, niter=10, seed=_SEED, spherical=True, min_points_per_centroid=1)
    faiss.omp_set_num_threads(1)
    kmeans.train(np.ascontiguousarray(vectors))
    nearest = kmeans.index.search(np.ascontiguousarray(vectors), 1)[1][:, 0].astype(np.int64)
    pieces: list[NDArray[np.int64]] = []
    for piece in by_label(nearest):
        if len(piece) == len(vectors):
            # All alike: no centre lies nearer to some of them than to the others.
            pieces += np.array_split(piece, count)
        elif len(piece) > most:
            pieces += [piece[part] for part in _cut(vectors[piece], most)]
        elif len(piece):
            pieces.append(piece)
    return pieces

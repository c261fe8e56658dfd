"""Ways to group sequences, all behind one interface and one contract.

Whatever the method: no items give no labels, -1 means *in no group*, the same items give the same partition in any
order, and labels count up from 0 in order of falling group size. Order independence holds because every method sees the
items sorted by sequence; density methods and vsearch break ties by position.
"""

from __future__ import annotations

import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from abyssal.config.models import ClusterConfig
from abyssal.discovery.neighbours import MOST_LISTED, alike, near_pairs
from abyssal.discovery.sparse_linkage import average_linkage
from abyssal.reads.clusters import swarm_clusters
from abyssal.sequences.records import write_fasta
from abyssal.taxonomy.approximate import EXACT_LIMIT
from abyssal.tools import run_tool

Labels = NDArray[np.int64]
NOISE = -1
FEWEST_POINTS = 3
"""HDBSCAN says nothing of fewer."""

_MAP_EPOCHS = 200

AVERAGE_LINKAGE_LIMIT = 20_000
"""Most items for average linkage on a matrix: it takes 4 n² bytes, 1.6 GB here."""


@dataclass(frozen=True)
class ClusterItems:
    """What is grouped.

    Attributes:
        vectors: (n, d) float32 unit rows in the encoder's space.
        sequences: n distinct upper-case sequences.
        abundances: (n,) int64 reads of each.
    """

    vectors: NDArray[np.float32]
    sequences: tuple[str, ...]
    abundances: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sequences)

    def take(self, positions: NDArray[np.int64]) -> ClusterItems:
        """Return the items at these positions, in this order."""
        return ClusterItems(
            self.vectors[positions], tuple(self.sequences[i] for i in positions), self.abundances[positions]
        )


class Clusterer(ABC):
    """One way to group sequences; subclasses only fill ``_group``."""

    def partition(self, items: ClusterItems) -> Labels:
        """Return (n,) labels: 0, 1, ... by falling group size, -1 for items in no group."""
        return self.partitions(items, ())[0]

    def partitions(self, items: ClusterItems, subsets: Sequence[NDArray[np.int64]]) -> list[Labels]:
        """Return the labels of all items, then those of each subset (positions, not none) grouped by itself."""
        if len(items) == 0:
            return [np.zeros(0, dtype=np.int64)]
        order = np.array(sorted(range(len(items)), key=items.sequences.__getitem__), dtype=np.int64)
        place = np.empty(len(items), dtype=np.int64)
        place[order] = np.arange(len(items))
        # Sorted items are not copied: a million vectors take gigabytes.
        ordered = items if (order[:-1] < order[1:]).all() else items.take(order)
        wanted = [place, *(place[subset] for subset in subsets)]
        found = self._groups(ordered, [np.sort(places) for places in wanted[1:]])
        return [
            _by_falling_size(labels)[np.argsort(np.argsort(places))]
            for places, labels in zip(wanted, found, strict=True)
        ]

    def _groups(self, items: ClusterItems, subsets: Sequence[NDArray[np.int64]]) -> Iterator[Labels]:
        """Yield what ``_group`` returns for all items, then for each subset (rising positions)."""
        yield self._group(items)
        for subset in subsets:
            yield self._group(items.take(subset))

    @abstractmethod
    def _group(self, items: ClusterItems) -> Labels:
        """Return one label an item, any integers, -1 for none; gets at least one item, sorted by sequence."""


def _by_falling_size(labels: Labels) -> Labels:
    names, first, counts = np.unique(labels, return_index=True, return_counts=True)
    ranked = sorted((-count, position, name) for name, position, count in zip(names, first, counts, strict=True))
    numbers = {name: number for number, (_, _, name) in enumerate(entry for entry in ranked if entry[2] != NOISE)}
    return np.array([numbers.get(label, NOISE) for label in labels], dtype=np.int64)


@dataclass(frozen=True)
class DensityClusterer(Clusterer):
    """HDBSCAN on the vectors; on unit vectors Euclidean distance orders pairs as cosine distance does.

    Density alone would call a handful of unrelated sequences one loose group, so average linkage at ``distance`` splits
    every group. Campello, Moulavi & Sander 2013, doi:10.1007/978-3-642-37456-2_14.
    """

    min_cluster_size: int = 2
    distance: float = 0.25

    def points(self, items: ClusterItems) -> NDArray[np.float32]:
        """Return the points whose density counts; expects items sorted by sequence."""
        return items.vectors

    def _group(self, items: ClusterItems) -> Labels:
        labels = density_labels(self.points(items), self.min_cluster_size)
        return split_loose_groups(items, labels, distance=self.distance, smallest=self.min_cluster_size)


@dataclass(frozen=True)
class ManifoldDensityClusterer(DensityClusterer):
    """UMAP to a few dimensions, then HDBSCAN there; loose groups are split as by ``DensityClusterer``.

    UMAP starts from the spectrum of a graph and needs more items than dimensions and neighbours; with fewer than
    ``smallest`` items HDBSCAN runs on the vectors themselves. McInnes, Healy & Melville 2018, arXiv:1802.03426.
    """

    neighbours: int = 10
    dimensions: int = 8
    seed: int = 1

    @property
    def smallest(self) -> int:
        """Fewest items that are embedded."""
        return max(2 * self.neighbours, 2 * self.dimensions, 16)

    def points(self, items: ClusterItems) -> NDArray[np.float32]:
        """Return the items' places in the space that UMAP makes, or their vectors when they are few."""
        if len(items) < self.smallest:
            return items.vectors
        return umap_points(items.vectors, dimensions=self.dimensions, neighbours=self.neighbours, seed=self.seed)


@dataclass(frozen=True)
class AverageLinkageClusterer(Clusterer):
    """Average linkage on cosine distance, cut at ``distance``; every item is in a group, maybe alone.

    Items that no chain of pairs within the distance joins are never of one group, so every chain is linked by itself,
    with the answer of one matrix of all. In a chain of more than ``AVERAGE_LINKAGE_LIMIT`` items only the sixty nearest
    of each count as they are, all other pairs as twice the distance apart.
    """

    distance: float = 0.25
    exact_limit: int = EXACT_LIMIT

    def _group(self, items: ClusterItems) -> Labels:
        labels = np.zeros(len(items), dtype=np.int64)
        used = 0
        for members in by_label(alike(items.vectors, self.distance, exact_limit=self.exact_limit)):
            found = self._link(items.vectors[members])
            labels[members] = found + used
            used += int(found.max()) + 1
        return labels

    def _link(self, vectors: NDArray[np.float32]) -> Labels:
        if len(vectors) == 1:
            return np.zeros(1, dtype=np.int64)
        if len(vectors) > AVERAGE_LINKAGE_LIMIT:
            return self._link_nearest(vectors)
        condensed = pdist(vectors, "cosine")
        np.clip(condensed, 0.0, 2.0, out=condensed)
        # Rounding makes ties, and so the order of merges, independent of the last bits of the vectors.
        np.round(condensed, 6, out=condensed)
        return np.asarray(fcluster(linkage(condensed, "average"), self.distance, "distance"), dtype=np.int64)

    def _link_nearest(self, vectors: NDArray[np.float32]) -> Labels:
        places = near_pairs(vectors, MOST_LISTED, 1.0 - 2.0 * self.distance, exact_limit=self.exact_limit)
        similarity = np.empty(len(places))
        for start in range(0, len(places), 100_000):
            first, second = places[start : start + 100_000].T
            apart = 1.0 - np.einsum("ij,ij->i", vectors[first], vectors[second], dtype=np.float64)
            similarity[start : start + 100_000] = np.round(1.0 - apart / (2.0 * self.distance), 6)
        close = similarity > 0
        return average_linkage(len(vectors), places[close], similarity[close], 0.5)


@dataclass(frozen=True)
class KMeansClusterer(Clusterer):
    """k-means whose centres start as far apart as possible and whose k follows from ``distance``.

    Farthest-first traversal adds centres until no item is further than ``distance`` (cosine) from one (Gonzalez 1985,
    doi:10.1016/0304-3975(85)90224-5); Lloyd's iterations follow. Nothing is drawn at random.
    """

    distance: float = 0.25

    def _group(self, items: ClusterItems) -> Labels:
        from sklearn.cluster import KMeans

        centres = self._farthest_first(items)
        start = items.vectors[centres].astype(np.float64)
        fitted = KMeans(n_clusters=len(centres), init=start, n_init=1).fit(items.vectors.astype(np.float64))
        return np.asarray(fitted.labels_, dtype=np.int64)

    def _farthest_first(self, items: ClusterItems) -> list[int]:
        centres = [int(np.argmax(items.abundances))]
        nearest = _distances_to(items.vectors, centres[0])
        while nearest.max() > self.distance:
            centres.append(int(np.argmax(nearest)))
            nearest = np.minimum(nearest, _distances_to(items.vectors, centres[-1]))
        return centres


def _distances_to(vectors: NDArray[np.float32], place: int) -> NDArray[np.float32]:
    """Return the cosine distances of all to one, and 0 of what equals it: a zero vector is 1 from itself, too."""
    distances: NDArray[np.float32] = np.round(1.0 - vectors @ vectors[place], 6)
    if distances[place] > 0.0:
        distances[(vectors == vectors[place]).all(axis=1)] = 0.0
    return distances


@dataclass(frozen=True)
class VsearchClusterer(Clusterer):
    """Greedy clustering by alignment identity, most abundant first (vsearch --cluster_size)."""

    identity: float = 0.90
    log: Path | None = field(default=None, compare=False)

    def _group(self, items: ClusterItems) -> Labels:
        with tempfile.TemporaryDirectory(prefix="abyssal-cluster-") as folder:
            fasta, table = Path(folder, "items.fasta"), Path(folder, "clusters.uc")
            _write_sized(fasta, items)
            run_tool(
                ["vsearch", "--cluster_size", fasta, "--id", f"{self.identity:.4f}", "--sizein", "--uc", table,
                 "--qmask", "none", "--minseqlength", "1", "--threads", "1"],
                log=self.log,
            )  # fmt: skip
            return _uc_labels(table, len(items))


def _uc_labels(table: Path, count: int) -> Labels:
    """Read the cluster number (column 2) of every record (column 9) from the S and H lines of a UC file."""
    labels = np.full(count, NOISE, dtype=np.int64)
    for line in table.read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if cells[0] in {"S", "H"}:
            labels[int(cells[8].partition(";")[0])] = int(cells[1])
    return labels


@dataclass(frozen=True)
class SwarmClusterer(Clusterer):
    """Swarms: single linkage at one difference, light swarms grafted onto heavy ones (swarm, d = 1, fastidious).

    swarm knows A, C, G and T only; a sequence with another letter is in no group.
    """

    log: Path | None = field(default=None, compare=False)

    def _group(self, items: ClusterItems) -> Labels:
        with tempfile.TemporaryDirectory(prefix="abyssal-cluster-") as folder:
            fasta = Path(folder, "items.fasta")
            _write_sized(fasta, items)
            seeds = swarm_clusters(fasta, log=self.log)
        return np.array([int(seeds.get(str(item), NOISE)) for item in range(len(items))], dtype=np.int64)


def _write_sized(target: Path, items: ClusterItems) -> None:
    sized = enumerate(zip(items.sequences, items.abundances, strict=True))
    write_fasta(target, ((f"{item};size={max(int(size), 1)}", sequence) for item, (sequence, size) in sized))


def density_labels(points: NDArray[np.float32], min_cluster_size: int) -> Labels:
    """Run HDBSCAN with an exact spanning tree on one thread; all noise when there are too few points."""
    if len(points) < max(min_cluster_size, FEWEST_POINTS):
        return np.full(len(points), NOISE, dtype=np.int64)
    import hdbscan

    fitted = hdbscan.HDBSCAN(
        min_cluster_size=min_cluster_size, approx_min_span_tree=False, core_dist_n_jobs=1, allow_single_cluster=True
    ).fit(np.round(points.astype(np.float64), 6))
    return np.asarray(fitted.labels_, dtype=np.int64)


def by_label(labels: Labels) -> list[NDArray[np.int64]]:
    """Return the rising positions of every label from 0 to the highest."""
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(int(labels.max(initial=NOISE)) + 2))
    return [order[start:end] for start, end in pairwise(bounds)]


def split_loose_groups(items: ClusterItems, labels: Labels, *, distance: float, smallest: int) -> Labels:
    """Split every group by average linkage at a distance; parts with fewer than ``smallest`` items become noise."""
    result = np.full(len(items), NOISE, dtype=np.int64)
    used = 0
    for members in by_label(labels):
        parts = AverageLinkageClusterer(distance).partition(items.take(members))
        sizes = np.bincount(parts)
        kept = sizes[parts] >= smallest
        result[members[kept]] = parts[kept] + used
        used += sizes.size
    return result


def umap_points(
    vectors: NDArray[np.float32], *, dimensions: int, neighbours: int, seed: int, spread_out: bool = False
) -> NDArray[np.float32]:
    """Embed unit vectors into a few dimensions with UMAP on one thread, so that a seed fixes the result.

    Args:
        vectors: (n, d) unit rows, n above ``dimensions`` + 1.
        spread_out: leave room between points, for a map that is looked at; packed points suit density clustering.
    """
    reducer = _umap_module().UMAP(
        n_components=dimensions,
        n_neighbors=min(neighbours, len(vectors) - 1),
        min_dist=0.2 if spread_out else 0.0,
        # A map may start from principal components; the spectrum of a graph in many parts takes long and may fail.
        init="pca" if spread_out else "spectral",
        n_epochs=_MAP_EPOCHS if spread_out else None,
        metric="cosine",
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        # Groups far from all others make the neighbour graph fall into parts; UMAP lays those out apart, as wanted.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        # Where its solver fails UMAP starts at random, from the seed.
        warnings.filterwarnings("ignore", message="(?s)Spectral initialisation failed")
        return np.asarray(reducer.fit_transform(vectors), dtype=np.float32)


def _umap_module() -> Any:
    with warnings.catch_warnings():
        # umap announces on import that its TensorFlow variant, which is not used here, is missing.
        warnings.filterwarnings("ignore", message="Tensorflow not installed")
        import umap

    return umap


@dataclass(frozen=True)
class Choice:
    """The two values that decide how fine groups are; see ``ClusterConfig`` for what they mean to each method."""

    distance: float = 0.15
    min_cluster_size: int = 2


def make_clusterer(settings: ClusterConfig, choice: Choice, *, seed: int, log: Path | None = None) -> Clusterer:
    """Return the clusterer that the configuration names, as fine as ``choice`` says."""
    size, distance = choice.min_cluster_size, choice.distance
    if settings.method == "umap-hdbscan":
        return ManifoldDensityClusterer(size, distance, settings.neighbours, settings.dimensions, seed)
    if settings.method == "hdbscan":
        return DensityClusterer(size, distance)
    if settings.method == "kmeans":
        return KMeansClusterer(distance)
    if settings.method == "average-linkage":
        return AverageLinkageClusterer(distance, settings.exact_limit)
    if settings.method == "swarm":
        return SwarmClusterer(log)
    return VsearchClusterer(settings.identity, log)

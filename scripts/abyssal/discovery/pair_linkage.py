"""Average linkage on the probability that two amplicons are of one taxon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from abyssal.discovery.clusterers import AVERAGE_LINKAGE_LIMIT, AverageLinkageClusterer, Clusterer, ClusterItems, Labels
from abyssal.discovery.pairs import PairModel, Pairs

UNRELATED = 0.02
"""Pairs less probable than this count as two taxa for certain, which lets far groups be worked on apart."""


@dataclass(frozen=True)
class PairLinkageClusterer(Clusterer):
    """Average linkage on 1 - P(one taxon), cut at ``distance``; every item is in a group, maybe alone.

    Groups that no probable pair joins are never merged below a distance of 1, so each connected component is linked by
    itself, with the same answer and without a distance matrix of all items.
    """

    model: PairModel
    distance: float = 0.6

    def _group(self, items: ClusterItems) -> Labels:
        return link(items, self.model.probabilities(items), self.distance)


def link(items: ClusterItems, pairs: Pairs, distance: float) -> Labels:
    """Return one label an item."""
    count = len(items)
    joined = pairs.values >= UNRELATED
    places, apart = pairs.places[joined], 1.0 - pairs.values[joined]
    graph = coo_array((np.ones(len(places)), (places[:, 0], places[:, 1])), shape=(count, count))
    total, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    bounds = np.searchsorted(component[order], np.arange(total + 1))
    pair_order = np.argsort(component[places[:, 0]], kind="stable")
    pair_bounds = np.searchsorted(component[places[pair_order, 0]], np.arange(total + 1))
    place_within = np.empty(count, dtype=np.int64)
    place_within[order] = np.arange(count) - bounds[component[order]]
    labels = np.zeros(count, dtype=np.int64)
    used = 0
    for number in range(total):
        members = order[bounds[number] : bounds[number + 1]]
        chosen = pair_order[pair_bounds[number] : pair_bounds[number + 1]]
        found = _link_component(items, members, place_within[places[chosen]], apart[chosen], distance)
        labels[members] = found + used
        used += int(found.max()) + 1
    return labels


def _link_component(
    items: ClusterItems, members: Labels, places: Labels, apart: np.ndarray[tuple[int], np.dtype[np.float64]],
    distance: float,
) -> Labels:  # fmt: skip
    size = len(members)
    if size == 1:
        return np.zeros(1, dtype=np.int64)
    if size > AVERAGE_LINKAGE_LIMIT:
        return AverageLinkageClusterer()._group(items.take(members))
    condensed = np.ones(size * (size - 1) // 2)
    low, high = places.min(axis=1), places.max(axis=1)
    condensed[low * size - low * (low + 1) // 2 + high - low - 1] = apart
    return np.asarray(fcluster(linkage(condensed, "average"), distance, "distance"), dtype=np.int64) - 1

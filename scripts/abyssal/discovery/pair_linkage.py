"""Average linkage on the probability that two amplicons are of one taxon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.discovery.clusterers import Clusterer, ClusterItems, Labels
from abyssal.discovery.pairs import PairModel, Pairs
from abyssal.discovery.sparse_linkage import average_linkage
from abyssal.taxonomy.approximate import EXACT_LIMIT


@dataclass(frozen=True)
class PairLinkageClusterer(Clusterer):
    """Average linkage on 1 - P(one taxon), cut at ``distance``; every item is in a group, maybe alone.

    What a subset is grouped by are the pairs among all items: those of the subset need not be looked for again.
    """

    model: PairModel
    distance: float = 0.6
    exact_limit: int = EXACT_LIMIT

    def _group(self, items: ClusterItems) -> Labels:
        return link(len(items), self.model.probabilities(items, exact_limit=self.exact_limit), self.distance)

    def _groups(self, items: ClusterItems, subsets: Sequence[NDArray[np.int64]]) -> Iterator[Labels]:
        pairs = self.model.probabilities(items, exact_limit=self.exact_limit)
        yield link(len(items), pairs, self.distance)
        for subset in subsets:
            yield link(len(subset), pairs.within(subset, len(items)), self.distance)


def link(count: int, pairs: Pairs, distance: float) -> Labels:
    """Return (count,) labels; pairs that are not given count as two taxa for certain."""
    return average_linkage(count, pairs.places, pairs.values, 1.0 - distance)

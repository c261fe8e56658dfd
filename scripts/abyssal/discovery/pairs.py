"""How probable it is that two amplicons are of one taxon, learnt on the taxa that the reference knows.

One distance does not fit all: species of one genus may differ by two letters where those of another differ by forty.
What tells is the distance of a pair beside how far known taxa lie from each other, and how wide they are, just there.
Known taxa are hidden from the reference in turn, so that a pair is described as a pair of unknown amplicons will be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import edlib
import numpy as np
from numpy.typing import NDArray

from abyssal.discovery.clusterers import ClusterItems
from abyssal.discovery.describe import EmbeddedReference
from abyssal.discovery.neighbours import near_pairs, search
from abyssal.taxonomy.approximate import EXACT_LIMIT

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

NEIGHBOURS = 60
LEAST_COSINE = 0.25
"""Each item is compared with this many nearest items, at least so alike; all other pairs are taken for two taxa."""

UNRELATED = 0.02
"""Pairs less probable than this count as two taxa for certain."""

MOST_KNOWN = 6_000
"""Reference amplicons that pairs are compared with, whole taxa drawn at random."""

FIT_DRAWS, FIT_AMPLICONS, MOST_OF_ONE_TAXON = 4, 500, 50
_TOP = 5
_FARTHEST = 0.25
"""Edits beyond this share of the longer sequence are not counted but set to ``_BEYOND``."""
_BEYOND = 0.3
_BLOCK = 512
_PAIR_BLOCK = 100_000
_LEAST = 0.01
"""Keeps ratios finite where the nearest known taxon is at no distance."""


@dataclass(frozen=True)
class KnownTaxa:
    """Amplicons of known taxa.

    Attributes:
        sequences: n upper-case sequences.
        vectors: (n, d) float32 unit rows.
        taxa: (n,) int64 number of each one's taxon.
    """

    sequences: tuple[str, ...]
    vectors: NDArray[np.float32]
    taxa: NDArray[np.int64]

    @classmethod
    def of(cls, named: EmbeddedReference, rank: int, *, seed: int) -> KnownTaxa:
        """Return the amplicons whose name at a rank is known: all, or as many whole taxa as ``MOST_KNOWN`` allows."""
        names = sorted({lineage[rank] or "" for lineage in named.reference.lineages} - {""})
        numbers = {name: number for number, name in enumerate(names)}
        taxa = np.array([numbers.get(lineage[rank] or "", -1) for lineage in named.reference.lineages], dtype=np.int64)
        sizes = np.bincount(taxa[taxa >= 0], minlength=len(names))
        order = np.random.default_rng(seed).permutation(len(names))
        drawn = order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), MOST_KNOWN, side="right")))]
        kept = np.flatnonzero(np.isin(taxa, drawn))
        return cls(tuple(named.reference.sequences[i] for i in kept), named.vectors[kept], taxa[kept])

    def without(self, taxa: NDArray[np.int64]) -> KnownTaxa:
        """Return the amplicons of all other taxa."""
        kept = np.flatnonzero(~np.isin(self.taxa, taxa))
        return KnownTaxa(tuple(self.sequences[i] for i in kept), self.vectors[kept], self.taxa[kept])

    def draw(self, random: np.random.Generator, amplicons: int) -> NDArray[np.int64]:
        """Return positions of about so many amplicons: whole taxa, of a large one at most fifty amplicons."""
        drawn: list[NDArray[np.int64]] = []
        count = 0
        for taxon in random.permutation(np.unique(self.taxa)):
            if count >= amplicons:
                break
            drawn.append(random.permutation(np.flatnonzero(self.taxa == taxon))[:MOST_OF_ONE_TAXON])
            count += drawn[-1].size
        return np.concatenate(drawn)

    def items(self, positions: NDArray[np.int64]) -> ClusterItems:
        """Return amplicons as what is grouped."""
        sequences = tuple(self.sequences[i] for i in positions)
        return ClusterItems(self.vectors[positions], sequences, np.ones(len(positions), dtype=np.int64))


@dataclass(frozen=True)
class Pairs:
    """Pairs of items.

    Attributes:
        places: (p, 2) int32 positions, the lower first.
        values: (p, f) float64 features, or (p,) probabilities of one taxon.
    """

    places: NDArray[np.int32]
    values: NDArray[np.float64]

    def within(self, chosen: NDArray[np.int64], count: int) -> Pairs:
        """Return the pairs of which both of ``count`` items are chosen (rising), by their place among the chosen."""
        place = np.full(count, -1, dtype=np.int32)
        place[chosen] = np.arange(len(chosen), dtype=np.int32)
        moved = place[self.places]
        kept = (moved >= 0).all(axis=1)
        return Pairs(moved[kept], self.values[kept])


@dataclass(frozen=True)
class PairModel:
    """What was learnt about pairs.

    Attributes:
        known: the taxa it was learnt on, which new pairs are described beside.
        trees: gradient-boosted trees over the features of ``describe_pairs``, monotone in both distances.
        least_cosine: no pair that it was learnt on was less alike and related.
    """

    known: KnownTaxa
    trees: HistGradientBoostingClassifier
    least_cosine: float

    def probabilities(self, items: ClusterItems, *, exact_limit: int = EXACT_LIMIT) -> Pairs:
        """Return the probability, 0..1, that the two items of each near pair are of one taxon; related pairs only."""
        places = near_pairs(items.vectors, NEIGHBOURS, self.least_cosine, exact_limit=exact_limit)
        kept: list[NDArray[np.int32]] = [np.zeros((0, 2), dtype=np.int32)]
        found: list[NDArray[np.float64]] = [np.zeros(0)]
        for block, values in _described(items, self.known, places):
            # Trees fall with edits, which take longest: what is improbable with none at all is not aligned.
            likely = np.flatnonzero(self.trees.predict_proba(values)[:, 1] >= UNRELATED)
            if likely.size == 0:
                continue
            values[likely, 0] = _edits(items, block[likely])
            probable = self.trees.predict_proba(values[likely])[:, 1]
            related = probable >= UNRELATED
            kept.append(block[likely[related]])
            found.append(probable[related])
        return Pairs(np.concatenate(kept), np.asarray(np.round(np.concatenate(found), 6), dtype=np.float64))

    def hiding(self, taxa: NDArray[np.int64]) -> PairModel:
        """Return the model beside whose known taxa these are not."""
        return PairModel(self.known.without(taxa), self.trees, self.least_cosine)


def fit_pairs(named: EmbeddedReference, rank: int, *, seed: int) -> PairModel | None:
    """Learn from pairs of amplicons whose taxa are hidden in turn; None when all pairs are of the same kind."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(seed)
    known = KnownTaxa.of(named, rank, seed=seed)
    features, same = [], []
    for _ in range(FIT_DRAWS):
        drawn = known.draw(random, min(FIT_AMPLICONS, len(known.taxa) // 2))
        pairs = describe_pairs(known.items(drawn), known.without(known.taxa[drawn]))
        features.append(pairs.values)
        same.append(known.taxa[drawn][pairs.places[:, 0]] == known.taxa[drawn][pairs.places[:, 1]])
    alike = np.concatenate(same)
    if alike.size == 0 or alike.all() or not alike.any():
        return None
    trees = HistGradientBoostingClassifier(
        max_iter=120, max_leaf_nodes=12, learning_rate=0.07, min_samples_leaf=40, l2_regularization=1.0,
        early_stopping=False, monotonic_cst=[-1, -1, 0, 0, 0, 0, 0, 0, 0], random_state=0,
    )  # fmt: skip
    values = np.concatenate(features)
    trees.fit(values, alike)
    related = trees.predict_proba(values)[:, 1] >= UNRELATED
    return PairModel(known, trees, float(1.0 - values[related, 1].max()))


def describe_pairs(items: ClusterItems, known: KnownTaxa) -> Pairs:
    """Return the near pairs of items with nine features each.

    Edits per letter; cosine distance; the larger and the smaller distance of the two items to the nearest known
    amplicon; the distance between known taxa, and their width, near the two (means); the pair's distance over the
    first and over the sum of the distances to the known; the shorter length over the longer.
    """
    places = near_pairs(items.vectors, NEIGHBOURS, LEAST_COSINE)
    found = [np.zeros((0, 9))]
    for block, values in _described(items, known, places):
        values[:, 0] = _edits(items, block)
        found.append(values)
    return Pairs(places, np.concatenate(found))


def _described(
    items: ClusterItems, known: KnownTaxa, places: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float64]]]:
    """Yield so many pairs at a time that their vectors fit into memory, with their features; edits are left at 0."""
    near, gap, width = _surroundings(items.vectors, known)
    lengths = np.array([len(sequence) for sequence in items.sequences], dtype=np.float64)
    for start in range(0, len(places), _PAIR_BLOCK):
        block = places[start : start + _PAIR_BLOCK]
        first, second = block.T
        cosine = np.einsum("ij,ij->i", items.vectors[first], items.vectors[second]).astype(np.float64)
        distance = np.round(np.clip(1.0 - cosine, 0.0, 2.0), 6)
        between, reach = gap[first] + gap[second], near[first] + near[second]
        columns = [
            np.zeros(len(block)),
            distance,
            np.maximum(near[first], near[second]),
            np.minimum(near[first], near[second]),
            between / 2,
            _mean_of_known(width[first], width[second]),
            distance / (between + _LEAST),
            distance / (reach + _LEAST),
            np.minimum(lengths[first], lengths[second]) / np.maximum(lengths[first], lengths[second]),
        ]
        yield block, np.stack(columns, axis=1)


def _edits(items: ClusterItems, places: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return (p,) edits per letter of the longer sequence of each pair."""
    found = np.empty(len(places))
    for row, (first, second) in enumerate(places.tolist()):
        one, other = items.sequences[first], items.sequences[second]
        longest = max(len(one), len(other))
        edits = edlib.align(one, other, mode="NW", task="distance", k=int(_FARTHEST * longest))["editDistance"]
        found[row] = edits / longest if edits >= 0 else _BEYOND
    return found


def _mean_of_known(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of two columns, the one that is known where the other is NaN."""
    return np.where(np.isnan(first), second, np.where(np.isnan(second), first, (first + second) / 2))


def _surroundings(
    vectors: NDArray[np.float32], known: KnownTaxa
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return for each item its distance to the nearest known amplicon, and how known taxa lie and spread around it.

    Returns:
        (n,) cosine distances: to the nearest; the median over the five nearest of the distance to another taxon; the
        largest width of their taxa, NaN where all are single amplicons.
    """
    near, top = np.zeros(len(vectors)), np.zeros((len(vectors), min(_TOP, len(known.taxa))), dtype=np.int64)
    for found in search(known.vectors, vectors, top.shape[1]):
        top[found.rows] = found.places
        near[found.rows] = 1.0 - found.similarity[:, 0]
    used, inverse = np.unique(top, return_inverse=True)
    gap, width = _spacing(used, known)
    inverse = inverse.reshape(top.shape)
    widest = np.where(np.isnan(width), -np.inf, width)[inverse].max(axis=1)
    return near, np.median(gap[inverse], axis=1), np.where(np.isfinite(widest), widest, np.nan)


def _spacing(used: NDArray[np.int64], known: KnownTaxa) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for these known amplicons the distance to the nearest of another taxon and the farthest of their own."""
    gap, width = np.ones(len(used)), np.full(len(used), np.nan)
    for start in range(0, len(used), _BLOCK):
        rows = used[start : start + _BLOCK]
        distance = 1.0 - np.round(known.vectors[rows] @ known.vectors.T, 6)
        own = known.taxa[rows][:, None] == known.taxa[None, :]
        gap[start : start + _BLOCK] = np.where(own, np.inf, distance).min(axis=1)
        own[np.arange(len(rows)), rows] = False
        farthest = np.where(own, distance, -np.inf).max(axis=1)
        width[start : start + _BLOCK] = np.where(np.isfinite(farthest), farthest, np.nan)
    return np.where(np.isfinite(gap), gap, 2.0), width

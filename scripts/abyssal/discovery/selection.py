"""How fine groups should be: chosen on taxa of the reference that are treated as unknown, then frozen.

Taxa are drawn from the reference until there are about as many amplicons as the study has to group, the amplicons are
grouped under every candidate, and the candidate with the best adjusted Rand index over the draws is taken. Taxa that
the encoder never trained on are preferred, as the study's new taxa are new to the encoder as well. Nothing of the study
is looked at but the number of its amplicons.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.config.models import ClusterConfig
from abyssal.discovery.clusterers import (
    Choice,
    ClusterItems,
    DensityClusterer,
    Labels,
    density_labels,
    make_clusterer,
    split_loose_groups,
)
from abyssal.discovery.describe import EmbeddedReference
from abyssal.discovery.stability import singletons_for_noise
from abyssal.splits import species_part

logger = logging.getLogger(__name__)

DISTANCES = (0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 2.0)
"""Candidates; at 2.0 no group is split, which only density methods can use."""

SIZES = (2, 3, 5)
DRAWS = 3
_FEWEST_TAXA = 15
_MOST_OF_ONE_TAXON = 12
_SMALLEST_DRAW, _LARGEST_DRAW = 60, 400


@dataclass(frozen=True)
class Selection:
    """What was chosen and why.

    Attributes:
        choice: the values used.
        reason: ``given``, ``chosen on pseudo-novel taxa`` or why the defaults were taken.
        method: the method used, never ``automatic``.
        rank: rank of the taxa that were treated as unknown, "" when none were.
        taxa: taxa with two amplicons or more that were drawn from.
        scores: mean adjusted Rand index of every candidate, best first.
        identity: alignment identity of a method that groups by it, which does not use the choice.
    """

    choice: Choice
    reason: str
    method: str
    rank: str = ""
    taxa: int = 0
    scores: tuple[tuple[Choice, float], ...] = ()
    identity: float | None = None

    def values(self) -> dict[str, Any]:
        """Return the selection as plain values."""
        return {
            "format": "abyssal-cluster-selection",
            "format_version": 1,
            "method": self.method,
            "choice": asdict(self.choice),
            "identity": self.identity,
            "reason": self.reason,
            "rank": self.rank,
            "taxa": self.taxa,
            "candidates": [asdict(choice) | {"adjusted_rand": score} for choice, score in self.scores],
        }


def select(settings: ClusterConfig, named: EmbeddedReference | None, *, expected: int, seed: int) -> Selection:
    """Return the values to use; what the configuration gives is kept.

    Args:
        expected: amplicons that the study has to group.
    """
    candidates = _candidates(settings)
    if len(candidates) == 1:
        identity = settings.identity if settings.method == "vsearch" else None
        return Selection(candidates[0], "given", settings.method, identity=identity)
    fallback = Choice(settings.distance or Choice.distance, settings.min_cluster_size or Choice.min_cluster_size)
    if expected == 0:
        return Selection(fallback, "default: nothing is to be grouped", settings.method)
    if named is None:
        return Selection(fallback, "default: there is no reference to choose on", settings.method)
    rank, groups = pseudo_novel(named)
    if rank < 0:
        reason = f"default: fewer than {_FEWEST_TAXA} taxa of the reference have two amplicons"
        return Selection(fallback, reason, settings.method)
    scores = _scores(settings, named, groups, candidates, expected=expected, seed=seed)
    logger.info("chose %s, adjusted Rand index %.3f on pseudo-novel taxa", *scores[0])
    taxa = sum(group.size > 1 for group in groups)
    return Selection(
        scores[0][0], "chosen on pseudo-novel taxa", settings.method, named.reference.ranks[rank], taxa, scores
    )


def _candidates(settings: ClusterConfig) -> list[Choice]:
    """Return the candidates in order of preference: of equal ones the first is taken."""
    density = settings.method in {"umap-hdbscan", "hdbscan"}
    if settings.method in {"vsearch", "swarm"}:
        return [Choice()]
    distances = DISTANCES if density else DISTANCES[:-1]
    sizes = SIZES if density else (Choice.min_cluster_size,)
    return [
        Choice(distance, size)
        for size in ((settings.min_cluster_size,) if settings.min_cluster_size else sizes)
        for distance in ((settings.distance,) if settings.distance else distances)
    ]


def pseudo_novel(named: EmbeddedReference) -> tuple[int, list[NDArray[np.int64]]]:
    """Return the lowest rank with enough taxa and the amplicons of each of its taxa; (-1, []) when there is none."""
    for rank in range(len(named.reference.ranks) - 1, -1, -1):
        members: dict[str, list[int]] = {}
        for position, lineage in enumerate(named.reference.lineages):
            name = lineage[rank]
            if name is not None:
                members.setdefault(name, []).append(position)
        unseen = {name: found for name, found in members.items() if species_part(name) == "calibrate"}
        for pool in (unseen, members):
            if sum(len(found) > 1 for found in pool.values()) >= _FEWEST_TAXA:
                return rank, [np.array(pool[name], dtype=np.int64) for name in sorted(pool)]
    return -1, []


def _scores(
    settings: ClusterConfig,
    named: EmbeddedReference,
    groups: Sequence[NDArray[np.int64]],
    candidates: Sequence[Choice],
    *,
    expected: int,
    seed: int,
) -> tuple[tuple[Choice, float], ...]:
    from sklearn.metrics import adjusted_rand_score

    random = np.random.default_rng(seed)
    total = np.zeros(len(candidates))
    for _ in range(DRAWS):
        positions, truth = _draw(groups, min(max(expected, _SMALLEST_DRAW), _LARGEST_DRAW), random)
        sequences = tuple(named.reference.sequences[i] for i in positions)
        items = ClusterItems(named.vectors[positions], sequences, np.ones(len(positions), dtype=np.int64))
        for place, labels in enumerate(_partitions(settings, candidates, items, seed=seed)):
            total[place] += adjusted_rand_score(truth, singletons_for_noise(labels))
    mean = [round(float(value), 4) for value in total / DRAWS]
    ranked = sorted(range(len(candidates)), key=lambda place: (-mean[place], place))
    return tuple((candidates[place], mean[place]) for place in ranked)


def _draw(
    groups: Sequence[NDArray[np.int64]], amplicons: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions of amplicons and the number of the taxon of each; taxa are drawn until there are enough."""
    positions: list[int] = []
    truth: list[int] = []
    for number in random.permutation(len(groups)):
        if len(positions) >= amplicons:
            break
        found = random.permutation(groups[number])[:_MOST_OF_ONE_TAXON]
        positions += [int(position) for position in found]
        truth += [int(number)] * found.size
    return np.array(positions, dtype=np.int64), np.array(truth, dtype=np.int64)


def _partitions(
    settings: ClusterConfig, candidates: Sequence[Choice], items: ClusterItems, *, seed: int
) -> list[Labels]:
    """Return the grouping under every candidate; what candidates share (UMAP, HDBSCAN) is computed once."""
    clusterer = make_clusterer(settings, candidates[0], seed=seed)
    if not isinstance(clusterer, DensityClusterer):
        return [make_clusterer(settings, choice, seed=seed).partition(items) for choice in candidates]
    order = np.array(sorted(range(len(items)), key=items.sequences.__getitem__), dtype=np.int64)
    ordered = items.take(order)
    points = clusterer.points(ordered)
    dense = {size: density_labels(points, size) for size in {choice.min_cluster_size for choice in candidates}}
    found = []
    for choice in candidates:
        size = choice.min_cluster_size
        labels = np.empty(len(items), dtype=np.int64)
        labels[order] = split_loose_groups(ordered, dense[size], distance=choice.distance, smallest=size)
        found.append(labels)
    return found

"""Which clusterer a study gets and how fine its groups are.

``automatic`` learns from the pairs of the reference's own taxa where there are enough of them. Where there is nothing
to learn from it is UMAP + HDBSCAN, and average linkage for a study too large for those.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from abyssal.config.models import ClusterConfig
from abyssal.discovery.clusterers import Choice, Clusterer, DensityClusterer, KMeansClusterer, make_clusterer
from abyssal.discovery.describe import EmbeddedReference
from abyssal.discovery.pair_linkage import PairLinkageClusterer, link
from abyssal.discovery.pairs import FIT_AMPLICONS, PairModel, fit_pairs
from abyssal.discovery.parts import PartwiseClusterer
from abyssal.discovery.selection import Selection, pseudo_novel, select

logger = logging.getLogger(__name__)

PAIR_DISTANCES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Candidates of 1 - P(one taxon)."""

DRAWS = 3
_WITHOUT_PAIRS = {"automatic": "umap-hdbscan", "pair-linkage": "average-linkage"}


@dataclass(frozen=True)
class Method:
    """The clusterer and how its values came about."""

    clusterer: Clusterer
    selection: Selection


def choose_method(
    settings: ClusterConfig, named: EmbeddedReference | None, *, expected: int, seed: int, log: Path | None = None
) -> Method:
    """Return the clusterer for a study with ``expected`` amplicons to group; what the configuration gives is kept."""
    if settings.method in _WITHOUT_PAIRS:
        found = _learnt(settings, named, expected=expected, seed=seed)
        if found is not None:
            return found
        large = expected > settings.exact_limit
        method = "average-linkage" if large else _WITHOUT_PAIRS[settings.method]
        settings = settings.model_copy(update={"method": method})
    selection = select(settings, named, expected=expected, seed=seed)
    clusterer = make_clusterer(settings, selection.choice, seed=seed, log=log)
    if isinstance(clusterer, DensityClusterer | KMeansClusterer):
        clusterer = PartwiseClusterer(clusterer, selection.choice.distance, settings.exact_limit)
    return Method(clusterer, selection)


def _learnt(
    settings: ClusterConfig, named: EmbeddedReference | None, *, expected: int, seed: int
) -> Method | None:  # fmt: skip
    rank, groups = pseudo_novel(named) if named is not None and expected > 0 else (-1, [])
    model = fit_pairs(named, rank, seed=seed) if named is not None and rank >= 0 else None
    if named is None or model is None:
        return None
    if settings.distance is not None:
        selection = Selection(Choice(settings.distance), "given", "pair-linkage")
    else:
        scores = pair_scores(model, seed=seed)
        taxa = sum(group.size > 1 for group in groups)
        selection = Selection(
            scores[0][0], "chosen on pseudo-novel taxa", "pair-linkage", named.reference.ranks[rank], taxa, scores
        )
        logger.info("chose %s, adjusted Rand index %.3f on pseudo-novel taxa", *scores[0])
    return Method(PairLinkageClusterer(model, selection.choice.distance, settings.exact_limit), selection)


def pair_scores(model: PairModel, *, seed: int) -> tuple[tuple[Choice, float], ...]:
    """Return the mean adjusted Rand index of every candidate on known taxa treated as unknown, best first."""
    from sklearn.metrics import adjusted_rand_score

    random = np.random.default_rng([seed, 1])
    total = np.zeros(len(PAIR_DISTANCES))
    for _ in range(DRAWS):
        drawn = model.known.draw(random, min(FIT_AMPLICONS, len(model.known.taxa) // 2))
        items, truth = model.known.items(drawn), model.known.taxa[drawn]
        pairs = model.hiding(truth).probabilities(items)
        total += [adjusted_rand_score(truth, link(len(items), pairs, distance)) for distance in PAIR_DISTANCES]
    mean = [round(float(value), 4) for value in total / DRAWS]
    ranked = sorted(range(len(PAIR_DISTANCES)), key=lambda place: (-mean[place], place))
    return tuple((Choice(PAIR_DISTANCES[place]), mean[place]) for place in ranked)

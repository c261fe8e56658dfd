"""How well groups hold up when a fifth of the items is left out (Hennig 2007, doi:10.1016/j.csda.2006.11.025)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abyssal.discovery.clusterers import NOISE, Clusterer, ClusterItems, Labels

KEPT_SHARE = 0.8
_LARGE = 5_000
_RESAMPLES_WHEN_LARGE = 3


def grouped_with_stability(
    clusterer: Clusterer, items: ClusterItems, *, resamples: int, random: np.random.Generator
) -> tuple[Labels, NDArray[np.float64] | None]:
    """Group items and measure how well each group holds up in subsamples of 80 % of them.

    Items in no group count as groups of one. A group that a subsample misses altogether is not scored by it. Above
    5,000 items at most three subsamples are drawn.

    Returns:
        (n,) labels 0, 1, ...; and (groups,) float64 in 0..1, the mean Jaccard index with the best match in a
        subsample, NaN for a group never drawn; None when nothing was measured.
    """
    if len(items) > _LARGE:
        resamples = min(resamples, _RESAMPLES_WHEN_LARGE)
    kept = max(2, round(KEPT_SHARE * len(items)))
    draws = resamples if len(items) >= 3 else 0
    subsets = [np.sort(random.permutation(len(items))[:kept]) for _ in range(draws)]
    labels, *again = map(singletons_for_noise, clusterer.partitions(items, subsets))
    return labels, _mean_jaccard(labels, subsets, again)


def _mean_jaccard(
    labels: Labels, subsets: Sequence[NDArray[np.int64]], again: Sequence[Labels]
) -> NDArray[np.float64] | None:
    if not subsets:
        return None
    groups = int(labels.max()) + 1
    total, drawn = np.zeros(groups), np.zeros(groups)
    for chosen, found in zip(subsets, again, strict=True):
        best = _best_jaccard(labels[chosen], found, groups)
        total += np.nan_to_num(best)
        drawn += np.isfinite(best)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.round(total / drawn, 6), dtype=np.float64)


def singletons_for_noise(labels: Labels) -> Labels:
    """Give every item in no group a label of its own, after the highest."""
    alone = np.flatnonzero(labels == NOISE)
    result = labels.copy()
    result[alone] = np.arange(alone.size) + (labels.max(initial=NOISE) + 1)
    return result


def _best_jaccard(before: Labels, after: Labels, groups: int) -> NDArray[np.float64]:
    sizes_before = np.bincount(before, minlength=groups)
    sizes_after = np.bincount(after)
    best = np.full(groups, np.nan)
    keys, shared = np.unique(before * sizes_after.size + after, return_counts=True)
    old, new = np.divmod(keys, sizes_after.size)
    np.fmax.at(best, old, shared / (sizes_before[old] + sizes_after[new] - shared))
    return best

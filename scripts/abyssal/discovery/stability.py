"""How well groups hold up when a fifth of the items is left out (Hennig 2007, doi:10.1016/j.csda.2006.11.025)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abyssal.discovery.clusterers import NOISE, Clusterer, ClusterItems, Labels

KEPT_SHARE = 0.8
_LARGE = 5_000
_RESAMPLES_WHEN_LARGE = 3


def group_stability(
    clusterer: Clusterer, items: ClusterItems, labels: Labels, *, resamples: int, random: np.random.Generator
) -> NDArray[np.float64] | None:
    """Return per group (0, 1, ...) the mean Jaccard index with its best match over subsamples of 80 % of the items.

    Items in no group count as groups of one, both in ``labels`` (where they must already have a label) and in the
    subsamples. A group that a subsample misses altogether is not scored by it. Above 5,000 items at most three
    subsamples are drawn.

    Returns:
        (groups,) float64 in 0..1, NaN for a group never drawn; None when nothing was measured.
    """
    if len(items) > _LARGE:
        resamples = min(resamples, _RESAMPLES_WHEN_LARGE)
    if resamples == 0 or len(items) < 3:
        return None
    groups = int(labels.max()) + 1
    total, drawn = np.zeros(groups), np.zeros(groups)
    for _ in range(resamples):
        chosen = np.sort(random.permutation(len(items))[: max(2, round(KEPT_SHARE * len(items)))])
        again = singletons_for_noise(clusterer.partition(items.take(chosen)))
        best = _best_jaccard(labels[chosen], again, groups)
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
    pairs, shared = np.unique(np.stack([before, after]), axis=1, return_counts=True)
    for (old, new), count in zip(pairs.T, shared, strict=True):
        jaccard = count / (sizes_before[old] + sizes_after[new] - count)
        best[old] = np.nanmax([best[old], jaccard]) if np.isfinite(best[old]) else jaccard
    return best

"""Acceptance thresholds with a bound on over-classification (conformal risk control).

Angelopoulos et al. 2022, arXiv 2208.02814: for a loss in [0, 1] that never rises with the threshold, the smallest
threshold with (n * mean loss + 1) / (n + 1) <= alpha keeps the expected loss of the next exchangeable read <= alpha.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEVER = 2.0
"""A threshold that no probability reaches."""


_ROUNDING = 1e-9


def risk_threshold(confidence: NDArray[np.float64], alpha: float, taxa: NDArray[np.int64] | None = None) -> float:
    """Return the smallest threshold at which the share of absent taxa that get a name stays within ``alpha``.

    Args:
        confidence: (n,) confidence of names given to queries whose taxon is absent; exchangeable with future ones.
        alpha: bound, above 0 and below 1.
        taxa: (n,) taxon of each query, where queries come in clumps: taxa are then what is exchangeable, and the loss
            of one is the share of its queries that get a name. None: every query stands for itself.

    Returns:
        A threshold t in 0..1; a name is accepted when its confidence is above t. ``NEVER`` when queries,
        or taxa, are too few for the bound (n + 1 < 1 / alpha), unless there are none: nothing can be over-classified
        where nothing was ever absent.
    """
    if confidence.size == 0:
        return 0.0
    _, place = np.unique(np.arange(confidence.size) if taxa is None else taxa, return_inverse=True)
    sizes = np.bincount(place)
    allowed = alpha * (sizes.size + 1) - 1.0 + _ROUNDING
    if allowed < 0:
        return NEVER
    falling = np.argsort(-confidence, kind="stable")
    too_many = np.cumsum(1.0 / sizes[place][falling]) > allowed
    return float(confidence[falling[too_many.argmax()]]) if too_many.any() else 0.0

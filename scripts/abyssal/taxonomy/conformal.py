"""Acceptance thresholds with a bound on over-classification (conformal risk control).

Angelopoulos et al. 2022, arXiv 2208.02814: for a loss in [0, 1] that never rises with the threshold, the smallest
threshold with (n * mean loss + 1) / (n + 1) <= alpha keeps the expected loss of the next exchangeable read <= alpha.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEVER = 2.0
"""A threshold that no probability reaches."""


def risk_threshold(confidence: NDArray[np.float64], alpha: float) -> float:
    """Return the smallest threshold at which the share of absent taxa that get a name stays within ``alpha``.

    Args:
        confidence: (n,) confidence of names given to queries whose taxon is absent; exchangeable with future ones.
        alpha: bound, above 0 and below 1.

    Returns:
        A threshold t in 0..1; a name is accepted when its confidence is above t. ``NEVER`` when n is too small for
        the bound (n + 1 < 1 / alpha), unless n is 0: nothing can be over-classified where nothing was ever absent.
    """
    count = confidence.size
    if count == 0:
        return 0.0
    allowed = int(np.floor(alpha * (count + 1) - 1.0 + 1e-12))
    if allowed < 0:
        return NEVER
    if allowed >= count:
        return 0.0
    falling = np.sort(confidence)[::-1]
    return float(falling[allowed])

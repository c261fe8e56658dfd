"""Numbers from answers and truth; every share comes with its denominator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
OVER_CLASSIFICATION = (0.01, 0.02, 0.05, 0.10)


def share(hits: NDArray[np.bool_]) -> float | None:
    """Return the mean; None over nothing."""
    return float(hits.mean()) if hits.size else None


def recall_at(
    confidence: NDArray[np.float64], good: NDArray[np.bool_], present: NDArray[np.bool_], absent: NDArray[np.bool_],
    bound: float,
) -> tuple[float, float] | None:  # fmt: skip
    """Return (recall, realised over-classification) at the lowest threshold that keeps over-classification <= bound.

    Args:
        confidence: (q,) of the best name, 0 for none.
        good: (q,) the best name is right.
        present, absent: (q,) the true taxon is in the reference, or known and not in it.
        bound: largest share of absent taxa that may get a name.

    Returns:
        None when there are no present or no absent queries.
    """
    if not present.any() or not absent.any():
        return None
    falling = np.sort(confidence[absent])[::-1]
    allowed = int(np.floor(bound * falling.size + 1e-9))
    threshold = float(falling[allowed]) if allowed < falling.size else 0.0
    above = confidence > threshold
    return float((good & above)[present].mean()), float(above[absent].mean())


def auroc(confidence: NDArray[np.float64], good: NDArray[np.bool_], absent: NDArray[np.bool_]) -> float | None:
    """Return the probability that a right answer is surer than a name for an absent taxon; ties count half."""
    positive, negative = confidence[good], confidence[absent]
    if not positive.size or not negative.size:
        return None
    order = np.sort(negative)
    below = np.searchsorted(order, positive, side="left")
    upto = np.searchsorted(order, positive, side="right")
    return float((below + upto).mean() / (2 * negative.size))


def calibration_error(confidence: NDArray[np.float64], good: NDArray[np.bool_]) -> dict[str, float | int | None]:
    """Return ECE over 15 bins of about equal mass, the same debiased, and the Brier score.

    Debiased: each bin's squared gap minus the variance that chance alone gives it (Kumar et al. 2019), then the root.
    """
    count = good.size
    if count == 0:
        return {"queries": 0, "ece": None, "ece_debiased": None, "brier": None}
    plain = squared = 0.0
    for part in _bins(confidence):
        gap = float(confidence[part].mean() - good[part].mean())
        mean = float(good[part].mean())
        noise = mean * (1.0 - mean) / (part.size - 1) if part.size > 1 else 0.0
        plain += abs(gap) * part.size / count
        squared += (gap * gap - noise) * part.size / count
    brier = float(((confidence - good) ** 2).mean())
    return {"queries": count, "ece": plain, "ece_debiased": float(np.sqrt(max(squared, 0.0))), "brier": brier}


def _bins(confidence: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Return the positions in up to 15 bins of about equal mass; equal confidences are never divided.

    Divided, they would be sorted by the order of the queries, and a method that says the same of all looks worse.
    """
    order = np.sort(confidence)
    middle = np.searchsorted(order, confidence, side="left") + np.searchsorted(order, confidence, side="right")
    number = np.minimum(middle * BINS // (2 * confidence.size), BINS - 1)
    return [np.flatnonzero(number == place) for place in np.unique(number)]


def risk_coverage(confidence: NDArray[np.float64], good: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the risk-coverage curve at 21 coverages and the area under the whole curve (AURC, lower is better)."""
    if good.size == 0:
        return {"aurc": None, "coverage": [], "risk": []}
    order = np.argsort(-confidence, kind="stable")
    risk = np.cumsum(~good[order]) / np.arange(1, good.size + 1)
    coverage = np.linspace(0.05, 1.0, 20)
    places = np.maximum(np.ceil(coverage * good.size).astype(int) - 1, 0)
    return {
        "aurc": float(risk.mean()),
        "coverage": [float(value) for value in coverage],
        "risk": [float(risk[place]) for place in places],
    }


def reliability(confidence: NDArray[np.float64], good: NDArray[np.bool_]) -> list[dict[str, float | int]]:
    """Return mean confidence and share right of each of 15 bins of equal mass."""
    if good.size == 0:
        return []
    return [
        {"queries": int(part.size), "confidence": float(confidence[part].mean()), "right": float(good[part].mean())}
        for part in _bins(confidence)
    ]


def b_cubed(found: Sequence[Hashable], true: Sequence[Hashable]) -> tuple[float, float]:
    """Return B-cubed precision and recall of a grouping, 0..1 (Amigó et al. 2009, doi:10.1007/s10791-008-9066-8).

    Args:
        found, true: group of each item; at least one item.
    """
    pairs, of_found, of_true = Counter(zip(found, true, strict=True)), Counter(found), Counter(true)
    precision = sum(shared * shared / of_found[group] for (group, _), shared in pairs.items())
    recall = sum(shared * shared / of_true[name] for (_, name), shared in pairs.items())
    return precision / len(found), recall / len(found)


def interval(values: list[float | None]) -> list[float] | None:
    """Return the 2.5 % and 97.5 % quantiles of bootstrap values; None when too many resamples had no value."""
    found = np.array([value for value in values if value is not None])
    if found.size < len(values) / 2 or not found.size:
        return None
    return [float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))]

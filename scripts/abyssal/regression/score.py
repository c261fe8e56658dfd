"""R2 and MAE of predictions, with intervals over resampled sites and the difference to the mean predictor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def r_squared(target: Values, predicted: Values) -> float | None:
    """Return 1 minus squared error over squared deviation from the samples' mean; None where nothing varies."""
    spread = float(((target - target.mean()) ** 2).sum())
    return 1.0 - float(((target - predicted) ** 2).sum()) / spread if spread > 0 else None


def mean_absolute_error(target: Values, predicted: Values) -> float:
    """Return the mean absolute error, in the target's unit."""
    return float(np.abs(target - predicted).mean())


def score(
    target: Values, predicted: Values, baseline: Values, sites: NDArray[np.int64], *, resamples: int, seed: int
) -> dict[str, Any]:
    """Return R2 and MAE with 95 % intervals, and how much smaller the MAE is than the baseline's.

    Whole sites are resampled: samples of one dive are no independent observations.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(sites == site) for site in np.unique(sites)]
    picks = [
        np.concatenate([members[place] for place in rng.integers(len(members), size=len(members))])
        for _ in range(resamples)
    ]
    squared = [r_squared(target[pick], predicted[pick]) for pick in picks]
    errors = [mean_absolute_error(target[pick], predicted[pick]) for pick in picks]
    gains = [
        mean_absolute_error(target[pick], baseline[pick]) - error for pick, error in zip(picks, errors, strict=True)
    ]
    error = mean_absolute_error(target, predicted)
    return {
        "r2": r_squared(target, predicted),
        "r2_interval": _interval([value for value in squared if value is not None]),
        "mae": error,
        "mae_interval": _interval(errors),
        "mae_below_mean_predictor": mean_absolute_error(target, baseline) - error,
        "mae_below_mean_predictor_interval": _interval(gains),
    }


def _interval(values: list[float]) -> list[float] | None:
    return [float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))] if values else None

"""Fitting of the calibrators: monotone gradient boosting on leave-out queries. Needed in training only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from abyssal.taxonomy.calibration import EDGE, RankCalibrator, absent_priors, probabilities
from abyssal.taxonomy.evidence import FALLING, FEATURES, RISING
from abyssal.taxonomy.trees import TreeEnsemble, constant, from_scikit

_FEWEST = 40
"""Fewest queries of each outcome that trees are fitted on; below it the calibrator is a constant."""

FOLDS = 2


@dataclass(frozen=True)
class CalibrationSet:
    """Evidence of q leave-out queries with its truth.

    Attributes:
        chosen: (q, R) int32 voted codes.
        truth: (q, R) int32 true codes, -1 for unknown: not counted at that rank.
        strata: (q,) int64 highest rank at which the taxon is absent, R for none.
        evidence: (q, R, F) float64.
        groups: (q,) int64, queries of one group never stand on both sides of a cross-fit.
    """

    chosen: NDArray[np.int32]
    truth: NDArray[np.int32]
    strata: NDArray[np.int64]
    evidence: NDArray[np.float64]
    groups: NDArray[np.int64]

    @property
    def ranks(self) -> int:
        return int(self.chosen.shape[1])

    def absent(self, rank: int) -> NDArray[np.bool_]:
        """(q,) whether the taxon is absent at a rank."""
        return self.strata <= rank

    def scored(self, rank: int) -> NDArray[np.bool_]:
        """(q,) whether a query counts at a rank: its truth is known there and a name was voted for."""
        return (self.truth[:, rank] >= 0) & (self.chosen[:, rank] >= 0)


def fit_calibrators(
    queries: CalibrationSet, weights: NDArray[np.float64], priors: NDArray[np.float64], seed: int
) -> tuple[RankCalibrator, ...]:
    """Fit both calibrators of every rank on all queries given."""
    return tuple(
        _fit_rank(queries, weights, rank, float(prior), seed) for rank, prior in enumerate(absent_priors(priors))
    )


def _fit_rank(
    queries: CalibrationSet, weights: NDArray[np.float64], rank: int, prior: float, seed: int
) -> RankCalibrator:
    scored = queries.scored(rank)
    absent = queries.absent(rank)
    right = queries.chosen[:, rank] == queries.truth[:, rank]
    evidence = queries.evidence[:, rank]
    present = scored & ~absent
    return RankCalibrator(
        _fit(evidence[scored], absent[scored], weights[scored], seed, rising_means_true=False),
        _fit(evidence[present], right[present], weights[present], seed, rising_means_true=True),
        prior,
    )


def _fit(
    evidence: NDArray[np.float64], outcome: NDArray[np.bool_], weights: NDArray[np.float64], seed: int, *,
    rising_means_true: bool,
) -> TreeEnsemble:  # fmt: skip
    if min(outcome.sum(), (~outcome).sum()) < _FEWEST:
        share = (float((outcome * weights).sum()) + 0.5) / (float(weights.sum()) + 1.0)
        return constant(min(max(share, EDGE), 1.0 - EDGE))
    # scikit-learn cannot bin a column without any number; as a constant it is never split on.
    usable = np.where(np.isnan(evidence).all(axis=0), 0.0, evidence)
    sign = 1 if rising_means_true else -1
    monotone = [sign if name in RISING else -sign if name in FALLING else 0 for name in FEATURES]
    model = HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=80, max_leaf_nodes=12, min_samples_leaf=30, l2_regularization=5.0,
        monotonic_cst=monotone, early_stopping=False, random_state=seed,
    )  # fmt: skip
    # One thread: sums of gradients are added in one order, so the same queries give the same trees on any machine.
    with threadpool_limits(limits=1):
        model.fit(usable, outcome.astype(np.int8), sample_weight=weights)
    return from_scikit(model)


def cross_fitted(
    queries: CalibrationSet, weights: NDArray[np.float64], priors: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return P(right) and P(absent), each query judged by calibrators that never saw its group."""
    right = np.zeros(queries.chosen.shape)
    absent = np.zeros(queries.chosen.shape)
    fold = queries.groups % FOLDS
    stated = absent_priors(priors)
    for part in range(FOLDS):
        inside = fold == part
        rest = CalibrationSet(*(array[~inside] for array in (
            queries.chosen, queries.truth, queries.strata, queries.evidence, queries.groups)))  # fmt: skip
        calibrators = fit_calibrators(rest, weights[~inside], priors, seed)
        right[inside], absent[inside] = probabilities(
            calibrators, queries.chosen[inside], queries.evidence[inside], stated
        )
    return right, absent

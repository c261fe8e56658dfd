"""Fitting of the calibrators: monotone gradient boosting on leave-out queries. Needed in training only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from abyssal.taxonomy.calibration import EDGE, RankCalibrator, probabilities
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

    def subset(self, keep: NDArray[np.bool_]) -> CalibrationSet:
        """Return the queries where ``keep`` is true."""
        return CalibrationSet(
            self.chosen[keep], self.truth[keep], self.strata[keep], self.evidence[keep], self.groups[keep]
        )

    @property
    def ranks(self) -> int:
        """Number of ranks."""
        return int(self.chosen.shape[1])

    def absent(self, rank: int) -> NDArray[np.bool_]:
        """(q,) whether the taxon is absent at a rank."""
        return self.strata <= rank

    def scored(self, rank: int) -> NDArray[np.bool_]:
        """(q,) whether a query counts at a rank: its truth is known there and a name was voted for."""
        return (self.truth[:, rank] >= 0) & (self.chosen[:, rank] >= 0)


def fit_calibrators(queries: CalibrationSet, seed: int) -> tuple[RankCalibrator, ...]:
    """Fit both calibrators of every rank on all queries given."""
    return tuple(_fit_rank(queries, rank, seed) for rank in range(queries.ranks))


def _fit_rank(queries: CalibrationSet, rank: int, seed: int) -> RankCalibrator:
    scored = queries.scored(rank)
    absent = queries.absent(rank)
    right = queries.chosen[:, rank] == queries.truth[:, rank]
    evidence = queries.evidence[:, rank]
    present = scored & ~absent
    return RankCalibrator(
        _fit(evidence[scored], absent[scored], seed, rising_means_true=False),
        _fit(evidence[present], right[present], seed, rising_means_true=True),
        float(np.clip(absent[scored].mean() if scored.any() else 0.5, EDGE, 1.0 - EDGE)),
    )


def _fit(
    evidence: NDArray[np.float64], outcome: NDArray[np.bool_], seed: int, *, rising_means_true: bool
) -> TreeEnsemble:
    if min(outcome.sum(), (~outcome).sum()) < _FEWEST:
        share = (float(outcome.sum()) + 0.5) / (outcome.size + 1.0)
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
        model.fit(usable, outcome.astype(np.int8))
    return from_scikit(model)


def cross_fitted(
    queries: CalibrationSet, stated: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return P(right) and P(absent), (q, R) each, of queries judged by calibrators that never saw their group.

    Args:
        queries: all calibration queries.
        stated: (R,) stated shares of absent taxa.
        seed: of the fits.
    """
    right = np.zeros(queries.chosen.shape)
    absent = np.zeros(queries.chosen.shape)
    fold = queries.groups % FOLDS
    for part in range(FOLDS):
        inside = fold == part
        calibrators = fit_calibrators(queries.subset(~inside), seed)
        right[inside], absent[inside] = probabilities(
            calibrators, queries.chosen[inside], queries.evidence[inside], stated
        )
    return right, absent

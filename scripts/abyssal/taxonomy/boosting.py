"""Fitting of the calibrators: monotone gradient boosting on leave-out queries. Needed in training only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from abyssal.taxonomy.calibration import EDGE, RankCalibrator, probabilities
from abyssal.taxonomy.evidence import FALLING, FEATURES, RISING
from abyssal.taxonomy.threads import usable_threads
from abyssal.taxonomy.trees import TreeEnsemble, constant, from_scikit

_FEWEST = 40
"""Fewest queries of each outcome that trees are fitted on; below it the calibrator is a constant."""

FOLDS = 2

_WEAK_PENALTY = 1e4
"""Inverse penalty of two numbers fitted on thousands of queries: only there so that separable ones have a solution."""

_LARGEST_SHIFT = 3.0
"""Bound on what a stratum may add to log-odds."""


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


def fit_calibrators(
    queries: CalibrationSet, stated: NDArray[np.float64], seed: int
) -> tuple[tuple[RankCalibrator, ...], NDArray[np.float64]]:
    """Fit the calibrators of every rank, and judge the same queries by calibrators that never saw their group.

    Args:
        queries: all calibration queries.
        stated: (R,) stated shares of absent taxa.
        seed: of the fits.

    Returns:
        Calibrators fitted on all queries with the shifts of their strata, and the cross-fitted P(right), (q, R).
    """
    fold = queries.groups % FOLDS
    jobs = [fold != part for part in range(FOLDS)] + [np.ones(len(fold), dtype=np.bool_)]
    fitted = _fit_all([queries.subset(keep) for keep in jobs], seed)
    lines = [_line(queries, rank, [part[rank] for part in fitted[:-1]], fold) for rank in range(queries.ranks)]
    *parts, whole = [
        [replace(judge, absent=judge.absent.stretched(*line)) for judge, line in zip(row, lines, strict=True)]
        for row in fitted
    ]
    shifts = [_shifts(queries, rank, [part[rank] for part in parts], fold) for rank in range(queries.ranks)]
    right = np.zeros(queries.chosen.shape)
    for number, part in enumerate(parts):
        inside = fold == number
        judges = tuple(replace(judge, shifts=found) for judge, found in zip(part, shifts, strict=True))
        right[inside] = probabilities(judges, queries.chosen[inside], queries.evidence[inside], stated)[0]
    return tuple(replace(judge, shifts=found) for judge, found in zip(whole, shifts, strict=True)), right


def _fit_all(sets: list[CalibrationSet], seed: int) -> list[list[RankCalibrator]]:
    """Fit every rank of every set; jobs share the cores, and each is fitted by one thread."""
    # One thread: sums of gradients are added in one order, so the same queries give the same trees on any machine.
    with threadpool_limits(limits=1), ThreadPoolExecutor(usable_threads()) as pool:
        jobs = [[pool.submit(_fit_rank, part, rank, seed) for rank in range(part.ranks)] for part in sets]
        return [[job.result() for job in row] for row in jobs]


def _line(
    queries: CalibrationSet, rank: int, judges: list[RankCalibrator], fold: NDArray[np.int64]
) -> tuple[float, float]:
    """Return slope and offset that make the log-odds of P(absent) right for groups that were not fitted on.

    Trees learn the few taxa of a small reference by heart and are too sure of others (Platt 1999). With the thousands
    of 18S V4 the slope is 1; with the 68 genera of COI of annelids it is .6, and the calibration error fell by a fifth
    at genus and by half at species.
    """
    scored, absent = queries.scored(rank), queries.absent(rank)
    # Constants say nothing of how far to believe trees: with two of them the slope would be chance.
    if _too_few(absent[scored]) or not any(judge.absent.roots.size for judge in judges):
        return 1.0, 0.0
    odds = np.zeros(len(fold))
    for number, judge in enumerate(judges):
        odds[fold == number] = judge.absent.log_odds(queries.evidence[fold == number, rank])
    line = LogisticRegression(C=_WEAK_PENALTY).fit(odds[scored, None], absent[scored])
    if line.coef_[0, 0] > 0:
        return float(line.coef_[0, 0]), float(line.intercept_[0])
    # Evidence that says less than nothing is not turned round: what is left is the share.
    share = float(absent[scored].mean())
    return 0.0, float(np.log(share / (1.0 - share)))


def _shifts(
    queries: CalibrationSet, rank: int, judges: list[RankCalibrator], fold: NDArray[np.int64]
) -> tuple[float, ...]:
    """Return per stratum what makes the mean cross-fitted P(right | present) the share that is right."""
    odds = np.zeros(len(fold))
    for number, judge in enumerate(judges):
        odds[fold == number] = judge.right.log_odds(queries.evidence[fold == number, rank])
    right = queries.chosen[:, rank] == queries.truth[:, rank]
    shifts = np.zeros(queries.ranks + 1)
    for stratum in range(rank + 1, queries.ranks + 1):
        inside = queries.scored(rank) & (queries.strata == stratum)
        if min(right[inside].sum(), (~right[inside]).sum()) >= _FEWEST:
            shifts[stratum] = _shift(odds[inside], float(right[inside].mean()))
    return tuple(shifts.tolist())


def _shift(odds: NDArray[np.float64], wanted: float) -> float:
    """Return what added to the log-odds gives a mean probability, by bisection to 1e-6."""
    low, high = -_LARGEST_SHIFT, _LARGEST_SHIFT
    while high - low > 1e-6:
        middle = (low + high) / 2
        if float((1.0 / (1.0 + np.exp(-(odds + middle)))).mean()) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _fit_rank(queries: CalibrationSet, rank: int, seed: int) -> RankCalibrator:
    scored = queries.scored(rank)
    absent = queries.absent(rank)
    right = queries.chosen[:, rank] == queries.truth[:, rank]
    evidence = queries.evidence[:, rank]
    present = scored & ~absent
    return RankCalibrator(
        _fit(evidence[scored], absent[scored], seed, rising_means_true=False),
        _fit(evidence[present], right[present], seed, rising_means_true=True),
        _prior(absent[scored], stated=rank >= queries.ranks - 2),
    )


def _too_few(outcome: NDArray[np.bool_]) -> bool:
    return bool(min(outcome.sum(), (~outcome).sum()) < _FEWEST)


def _smoothed(outcome: NDArray[np.bool_]) -> float:
    return float(np.clip((float(outcome.sum()) + 0.5) / (outcome.size + 1.0), EDGE, 1.0 - EDGE))


def _prior(outcome: NDArray[np.bool_], *, stated: bool) -> float:
    """Return the share that P(absent) is moved from to the stated one.

    New genera and species are ``stated`` even where none was drawn. A constant is moved from what it says itself, then:
    without evidence the stated share holds. Were it moved from 0, a reference of one taxon could never be named.
    """
    if stated and _too_few(outcome):
        return _smoothed(outcome)
    return float(np.clip(outcome.mean() if outcome.size else 0.5, EDGE, 1.0 - EDGE))


def _fit(
    evidence: NDArray[np.float64], outcome: NDArray[np.bool_], seed: int, *, rising_means_true: bool
) -> TreeEnsemble:
    if _too_few(outcome):
        return constant(_smoothed(outcome))
    # scikit-learn cannot bin a column without any number; as a constant it is never split on.
    usable = np.where(np.isnan(evidence).all(axis=0), 0.0, evidence)
    sign = 1 if rising_means_true else -1
    monotone = [sign if name in RISING else -sign if name in FALLING else 0 for name in FEATURES]
    model = HistGradientBoostingClassifier(
        learning_rate=0.08, max_iter=120, max_leaf_nodes=12, min_samples_leaf=30, l2_regularization=5.0,
        max_features=0.3, monotonic_cst=monotone, early_stopping=False, random_state=seed,
    )  # fmt: skip
    model.fit(usable, outcome.astype(np.int8))
    return from_scikit(model)

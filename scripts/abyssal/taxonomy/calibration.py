"""From evidence to probabilities: is the taxon in the reference at all, and if so, is the name right?

One pair of calibrators a rank, fitted on leave-out passes over the reference: P(right) = P(present) P(right | present).
The passes hold more new taxa than most samples do, so P(absent) is moved from their share to the stated one by the
prior odds (Saerens et al. 2002, doi:10.1162/089976602753284446); a request may state another. P(right | present)
depends on the mix too, between known and new species of a known genus, say: each stratum has a shift, fitted on
cross-fitted log-odds, and the strata are weighed by what the P(absent) of the ranks below make of the stated mix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.config.models import NoveltyConfig
from abyssal.taxonomy.trees import TreeEnsemble

EDGE = 1e-4
"""No prior or constant is nearer to 0 or 1 than this."""


@dataclass(frozen=True)
class RankCalibrator:
    """The two calibrators of one rank.

    Attributes:
        absent: P(absent from the reference).
        right: P(the name is right, given that the taxon is present).
        prior: share of absent taxa among the queries ``absent`` was fitted on.
        shifts: (R + 1,) what stratum s adds to the log-odds of ``right``: a name for a known species is right more
            often than the same evidence would say for a new one. Empty: nothing.
    """

    absent: TreeEnsemble
    right: TreeEnsemble
    prior: float
    shifts: tuple[float, ...] = ()


def stratum_priors(novelty: NoveltyConfig, strata: NDArray[np.int64], ranks: int) -> NDArray[np.float64]:
    """Return the stated share of each stratum, 0..R; the rest is of known taxa.

    The last rank is the species' place, the one above the genus', and so on. "New family or beyond" is shared out over
    the strata there are as the drawn queries are.
    """
    shares = np.zeros(ranks + 1)
    stated = (novelty.species, novelty.genus)
    for step, share in enumerate(stated):
        if ranks - 1 - step >= 0:
            shares[ranks - 1 - step] = share
    beyond = np.array([(strata == rank).sum() for rank in range(max(ranks - 2, 0))], dtype=np.float64)
    if beyond.sum() > 0:
        shares[: beyond.size] = novelty.family * beyond / beyond.sum()
    shares[ranks] = max(0.0, 1.0 - shares[:ranks].sum())
    return shares


def absent_priors(priors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (R,) stated shares of reads whose taxon is absent at each rank, kept off 0 and 1."""
    return np.clip(np.cumsum(priors)[:-1], EDGE, 1.0 - EDGE)


def shift_prior(probability: NDArray[np.float64], fitted: float, stated: float) -> NDArray[np.float64]:
    """Return P(absent) under another share of absent taxa; the identity when both shares are equal."""
    if fitted == stated:
        return probability
    factor = (stated / (1.0 - stated)) / (fitted / (1.0 - fitted))
    return factor * probability / (factor * probability + (1.0 - probability))


def probabilities(
    calibrators: tuple[RankCalibrator, ...],
    chosen: NDArray[np.int32],
    evidence: NDArray[np.float64],
    stated: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return P(right) and P(absent), both (q, R), for a stated share of absent taxa per rank.

    P(absent) never falls and P(right) never rises down the ranks, because a right name proves all names above it: what
    a lower rank knows lifts the ranks above. (Cutting the lower ranks down to what the upper ones allow lets every
    rank's noise through: AUROC at species fell from .94 to .92 on V4.) Where no name was voted for, P(right) is 0 and
    P(absent) that of the named rank above.
    """
    rows, ranks = chosen.shape
    right = np.zeros((rows, ranks))
    absent = np.ones((rows, ranks))
    for rank, calibrator in enumerate(calibrators):
        named = chosen[:, rank] >= 0
        fitted = calibrator.absent.probability(evidence[named, rank])
        absent[named, rank] = shift_prior(fitted, calibrator.prior, float(stated[rank]))
    strata = _strata(absent, chosen >= 0)
    for rank, calibrator in enumerate(calibrators):
        named = chosen[:, rank] >= 0
        present = _right_if_present(calibrator, evidence[named, rank], strata[named, rank + 1 :])
        right[named, rank] = (1.0 - absent[named, rank]) * present
    right = np.maximum.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    absent = np.minimum.accumulate(absent[:, ::-1], axis=1)[:, ::-1]
    right[chosen < 0] = 0.0
    return right, _filled_down(absent, chosen >= 0)


def _strata(absent: NDArray[np.float64], named: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (q, R + 1) how probable each stratum is: absent at that rank and present above it; the last is known."""
    rising = np.maximum.accumulate(np.where(named, absent, 0.0), axis=1)
    bounds = np.hstack([np.zeros((absent.shape[0], 1)), rising, np.ones((absent.shape[0], 1))])
    return np.diff(bounds, axis=1)


def _right_if_present(
    calibrator: RankCalibrator, evidence: NDArray[np.float64], strata: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return P(right | present) as the mean over the strata in which the taxon is present, each with its shift."""
    odds = calibrator.right.log_odds(evidence)
    shifts = np.array(calibrator.shifts[-strata.shape[1] :] or (0.0,) * strata.shape[1])
    each = 1.0 / (1.0 + np.exp(-(odds[:, None] + shifts)))
    if not shifts.any():
        plain: NDArray[np.float64] = each[:, -1]
        return plain
    weights = strata + EDGE
    mean: NDArray[np.float64] = (each * weights).sum(axis=1) / weights.sum(axis=1)
    return mean


def _filled_down(absent: NDArray[np.float64], named: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give ranks without a name the value of the named rank above; 0 above the first."""
    filled = absent.copy()
    above = np.zeros(absent.shape[0])
    for rank in range(absent.shape[1]):
        filled[:, rank] = above = np.where(named[:, rank], absent[:, rank], above)
    return filled

"""From evidence to probabilities: is the taxon in the reference at all, and if so, is the name right?

One pair of calibrators a rank, fitted on leave-out passes over the reference with weights that give the stated mix of
known and new taxa. P(right) = P(present) * P(right | present). A request that states another mix moves P(absent) by
its prior odds (Saerens et al. 2002, doi:10.1162/089976602753284446).
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
    """The two calibrators of one rank and the share of absent taxa they were fitted for."""

    absent: TreeEnsemble
    right: TreeEnsemble
    prior: float


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


def stratum_weights(strata: NDArray[np.int64], priors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (q,) weights, mean 1, under which the drawn strata have the stated shares."""
    counts = np.bincount(strata, minlength=priors.size).astype(np.float64)
    per_query = np.divide(priors, counts, out=np.zeros_like(priors), where=counts > 0)[strata]
    total = per_query.sum()
    return per_query * (strata.size / total) if total > 0 else np.ones(strata.size)


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

    P(absent) never falls and P(right) never rises down the ranks. Where no name was voted for, P(right) is 0 and
    P(absent) is that of the rank above.
    """
    rows, ranks = chosen.shape
    right = np.zeros((rows, ranks))
    absent = np.zeros((rows, ranks))
    above_right, above_absent = np.ones(rows), np.zeros(rows)
    for rank, calibrator in enumerate(calibrators):
        named = chosen[:, rank] >= 0
        missing = above_absent.copy()
        fitted = calibrator.absent.probability(evidence[named, rank])
        shifted = shift_prior(fitted, calibrator.prior, float(stated[rank]))
        missing[named] = np.maximum(shifted, above_absent[named])
        good = np.zeros(rows)
        given = calibrator.right.probability(evidence[named, rank])
        good[named] = np.minimum((1.0 - missing[named]) * given, above_right[named])
        right[:, rank], absent[:, rank] = good, missing
        above_right = np.where(named, good, above_right)
        above_absent = missing
    return right, absent

"""Fitting: a reference and its vectors in, a model with calibrated confidences and acceptance thresholds out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.config.models import TrainConfig
from abyssal.encoder.interface import Encoder
from abyssal.encoder.strand import StrandProfile
from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.boosting import CalibrationSet, fit_calibrators
from abyssal.taxonomy.calibration import absent_priors, stratum_priors
from abyssal.taxonomy.conformal import NEVER, risk_threshold
from abyssal.taxonomy.decision import accepted_rank, balanced_thresholds
from abyssal.taxonomy.decoys import OffTargetFloors, decoy_sequences, fit_floors
from abyssal.taxonomy.evidence import gather
from abyssal.taxonomy.index import ReferenceIndex, build_index
from abyssal.taxonomy.leave_out import LeaveOut, draw_queries
from abyssal.taxonomy.model import Model
from abyssal.taxonomy.neighbourhood import (
    all_local_similarities,
    local_similarities,
    neighbour_lists,
    surroundings,
)
from abyssal.taxonomy.retrieval import neighbours_of

logger = logging.getLogger(__name__)

ALPHAS = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Bounds whose thresholds are stored beside the configured one."""

MIN_STRATUM = 30
"""Fewest queries of a stratum that a threshold of its own is made from."""

SINGLE_RANKS = 2
"""At this many of the lowest ranks queries stand for themselves; above, each absent taxon counts once, too.

Most queries of new families are of a few large ones, easily told; most new families are small and stand near others.
"""


def fit_model(
    reference: AmpliconReference, vectors: NDArray[np.float32], encoder: Encoder, *, settings: TrainConfig, seed: int
) -> Model:
    """Fit a model on a checked reference.

    Args:
        reference: amplicons and lineages; none at all gives a model that names nothing.
        vectors: (n, d) float32 vectors of the amplicons, from ``encoder``.
        encoder: embeds the decoys.
        settings: neighbours, alpha, stated novelty, number of calibration queries.
        seed: of every draw.
    """
    rng = np.random.default_rng(seed)
    index = build_index(reference, vectors)
    lists = neighbour_lists(index)
    local = all_local_similarities(index.taxa, lists)
    drawn = draw_queries(index, settings.calibration_queries, rng)
    logger.info("looking up %d calibration queries", len(drawn))
    queries = _look_up(index, lists, drawn, settings.neighbours)
    priors = stratum_priors(settings.novelty, drawn.strata, len(reference.ranks))
    calibrators, right = fit_calibrators(queries, absent_priors(priors), seed)
    bounds = {f"{alpha:g}": _thresholds(queries, right, alpha) for alpha in sorted({*ALPHAS, settings.alpha})}
    return Model(
        index=index,
        local=local,
        calibrators=calibrators,
        thresholds=_accepting(settings, bounds, len(reference.ranks)),
        novelty=settings.novelty,
        drawn_strata=np.bincount(drawn.strata, minlength=len(reference.ranks) + 1),
        floors=off_target_floors(index, encoder, settings.neighbours, rng),
        strand=StrandProfile.fit(reference.sequences),
        neighbours=settings.neighbours,
        summary=_summary(queries, right, priors, settings, bounds),
    )


def _look_up(
    index: ReferenceIndex, lists: tuple[NDArray[np.int64], NDArray[np.float32]], drawn: LeaveOut, count: int
) -> CalibrationSet:
    """Gather the evidence of calibration queries, each blind to what it may not see."""
    banned = drawn.banned
    hidden = (banned.own, banned.rank, banned.code)
    amplicons = index.taxa.pair_amplicons[drawn.pairs]
    sequences = [index.reference.sequences[amplicon] for amplicon in amplicons]
    neighbours, _ = neighbours_of(
        index, sequences, index.vectors[amplicons], count,
        local_of=lambda places: local_similarities(index.taxa, lists, places, hidden), banned=drawn.hidden,
    )  # fmt: skip
    chosen, evidence = gather(index.taxa, neighbours, banned)
    return CalibrationSet(chosen, banned.lineage, drawn.strata, evidence, _groups(banned.lineage, amplicons))


def _groups(lineage: NDArray[np.int32], alone: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number queries by the taxon one above the lowest rank; a query without one stands alone."""
    column = lineage[:, max(lineage.shape[1] - 2, 0)].astype(np.int64) if lineage.size else np.zeros(0, dtype=np.int64)
    return np.where(column >= 0, column, alone)


def _accepting(settings: TrainConfig, bounds: dict[str, list[float]], ranks: int) -> NDArray[np.float64]:
    if settings.acceptance == "balanced":
        return balanced_thresholds(ranks)
    return np.array(bounds[f"{settings.alpha:g}"])


def _thresholds(queries: CalibrationSet, right: NDArray[np.float64], alpha: float) -> list[float]:
    """Return per rank the threshold that keeps over-classification within alpha in every stratum big enough.

    From the lowest rank up: what is accepted at a rank is accepted at all above it, and counts there.
    """
    accepted = np.zeros(len(queries.strata), dtype=np.bool_)
    found = np.zeros(queries.ranks)
    for rank in reversed(range(queries.ranks)):
        sure = np.where(accepted & (queries.chosen[:, rank] >= 0), 1.0, right[:, rank])
        found[rank] = _threshold(queries, sure, rank, alpha)
        accepted = accepted_rank(queries.chosen[:, rank:], right[:, rank:], found[rank:]) >= 0
    return found.tolist()


def _threshold(queries: CalibrationSet, sure: NDArray[np.float64], rank: int, alpha: float) -> float:
    absent = queries.absent(rank) & (queries.truth[:, rank] >= 0)
    parts = [absent & (queries.strata == stratum) for stratum in range(rank + 1)]
    bounds = [risk_threshold(sure[part], alpha) for part in parts if part.sum() >= MIN_STRATUM]
    if rank < queries.ranks - SINGLE_RANKS:
        bounds += [
            risk_threshold(sure[part], alpha, queries.truth[part, stratum].astype(np.int64))
            for stratum, part in enumerate(parts)
            if part.sum() >= MIN_STRATUM
        ]
    # A small stratum cannot have a bound of its own, and must not veto every name: the pooled bound covers it.
    return max([risk_threshold(sure[absent], alpha), *(bound for bound in bounds if bound < NEVER)])


def off_target_floors(index: ReferenceIndex, encoder: Encoder, count: int, rng: np.random.Generator) -> OffTargetFloors:
    """Return the floors that decoys made from the reference stay below; zeros for an empty reference."""
    decoys = decoy_sequences(index.reference.sequences, rng)
    if not decoys:
        return OffTargetFloors(0.0, 0.0)
    nowhere = np.zeros((0, len(index.taxa.ranks), 2), dtype=np.float32)
    neighbours, _ = neighbours_of(
        index, decoys, encoder.embed(decoys), count, local_of=lambda places: surroundings(nowhere, places)
    )
    return fit_floors(neighbours.kmer.max(axis=1), np.fmax.reduce(neighbours.identity, axis=1))


def _summary(
    queries: CalibrationSet, right: NDArray[np.float64], priors: NDArray[np.float64], settings: TrainConfig,
    bounds: dict[str, list[float]],
) -> dict[str, Any]:  # fmt: skip
    weights = _stated_weights(queries.strata, priors)
    ranks = range(queries.ranks)
    return {
        "acceptance": settings.acceptance,
        "alpha": settings.alpha,
        "thresholds_by_alpha": bounds,
        "queries": len(queries.strata),
        "absent_queries": [int((queries.absent(rank) & queries.scored(rank)).sum()) for rank in ranks],
        "present_queries": [int((~queries.absent(rank) & queries.scored(rank)).sum()) for rank in ranks],
        "stated_absent_shares": absent_priors(priors).tolist(),
        "cross_fitted_ece": [_ece(queries, right, weights, rank) for rank in ranks],
        "calibration_names": "all reference names: the evidence is label-free, whatever the encoder was trained on",
    }


def _stated_weights(strata: NDArray[np.int64], priors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (q,) weights under which the drawn strata have the stated shares."""
    counts = np.bincount(strata, minlength=priors.size).astype(np.float64)
    each: NDArray[np.float64] = np.divide(priors, counts, out=np.zeros_like(priors), where=counts > 0)[strata]
    return each


def _ece(queries: CalibrationSet, right: NDArray[np.float64], weights: NDArray[np.float64], rank: int) -> float | None:
    """Expected calibration error under the stated mix, in 15 bins of equal mass."""
    counted = (queries.truth[:, rank] >= 0) & (weights > 0)
    if not counted.any():
        return None
    said, weight = right[counted, rank], weights[counted]
    good = (queries.chosen[counted, rank] == queries.truth[counted, rank]) & ~queries.absent(rank)[counted]
    order = np.argsort(said, kind="stable")
    parts: Sequence[NDArray[np.int64]] = np.array_split(order, min(15, order.size))
    gaps = [abs(float((weight[part] * (said[part] - good[part])).sum())) for part in parts]
    return float(sum(gaps) / weight.sum())

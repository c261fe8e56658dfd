"""``evaluate/metrics.json`` as the report needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OURS = "abyssal"


@dataclass(frozen=True)
class RankScore:
    """One method at one rank; None where nothing could be measured.

    Attributes:
        present: queries whose taxon is in the reference.
        absent: queries whose taxon is not.
        top1: share of ``present`` that got the right first name, 0..1.
        interval: its 95 % bootstrap interval.
        recall_at_bound: share of ``present`` named rightly at the best threshold within the bound.
        recall: share of ``present`` with an accepted and right name, at the method's own threshold.
        precision: share of its accepted names that are right.
        named: number of accepted names.
        overclassified: share of ``absent`` that got an accepted name.
        calibration_error: expected calibration error over all queries, 0..1.
        auroc: probability that a right answer is surer than a name for an absent taxon.
    """

    method: str
    rank: str
    present: int
    absent: int
    top1: float | None
    interval: tuple[float, float] | None
    recall_at_bound: float | None
    recall: float | None
    precision: float | None
    named: int
    overclassified: float | None
    calibration_error: float | None
    auroc: float | None


@dataclass(frozen=True)
class ReliabilityBin:
    """Queries of similar confidence: their mean confidence, the share that is right, how many."""

    confidence: float
    right: float
    queries: int


@dataclass(frozen=True)
class BaselineWin:
    """A figure at which another method is better than ours."""

    method: str
    rank: str
    figure: str
    theirs: float
    ours: float


@dataclass(frozen=True)
class Evaluation:
    """Held-out measurement.

    Attributes:
        ranks: highest first.
        queries: held-out sequences.
        fitted: reference amplicons the model was fitted on.
        strata: queries by how much of their lineage was held out.
        bound: bound on over-classification that recall is compared at, 0..1.
        scores: every method at every rank.
        reliability: bins of our confidences by rank.
        curves: (method, rank) to (coverage, risk) points.
        wins: figures at which a baseline is better.
        encoder_note: what is known of the encoder's training.
        encoder_seen: queries that the encoder was trained on; None when not known.
    """

    ranks: Sequence[str]
    queries: int
    fitted: int
    strata: Mapping[str, int]
    bound: float
    scores: Sequence[RankScore]
    reliability: Mapping[str, Sequence[ReliabilityBin]]
    curves: Mapping[tuple[str, str], Sequence[tuple[float, float]]]
    wins: Sequence[BaselineWin]
    encoder_note: str
    encoder_seen: int | None

    def at(self, rank: str) -> list[RankScore]:
        """Return the scores of all methods at a rank, ours first."""
        return sorted(
            (score for score in self.scores if score.rank == rank),
            key=lambda score: (score.method != OURS, score.method),
        )

    def ours(self, rank: str) -> RankScore:
        """Return our score at a rank."""
        return self.at(rank)[0]

    def peers(self, rank: str) -> list[RankScore]:
        """Return the scores of the baselines at a rank."""
        return self.at(rank)[1:]


def read_evaluation(metrics: Mapping[str, Any] | None) -> Evaluation | None:
    """Return the evaluation, or None when nothing could be measured (``metrics`` then gives the reason)."""
    if not metrics or not metrics["methods"]:
        return None
    methods, ranks = metrics["methods"], metrics["ranks"]
    bound = _bound(metrics)
    seen = metrics["encoder_saw_queries"]
    return Evaluation(
        ranks=ranks,
        queries=metrics["split"]["queries"],
        fitted=metrics["split"]["fitted_amplicons"],
        strata=metrics["split"]["strata"],
        bound=float(bound),
        scores=[_score(name, rank, method["ranks"][rank], bound) for rank in ranks for name, method in methods.items()],
        reliability={rank: _bins(methods[OURS]["ranks"][rank]) for rank in ranks},
        curves={
            (name, rank): _curve(method["ranks"][rank]) for name, method in methods.items() for rank in ranks
        },
        wins=[BaselineWin(**win) for win in metrics["baseline_wins"]],
        encoder_note=seen["note"],
        encoder_seen=seen["queries"] if seen["known"] else None,
    )  # fmt: skip


def _bound(metrics: Mapping[str, Any]) -> str:
    """Return the measured bound nearest to the alpha of the configuration, as it is written in the file."""
    first = next(iter(metrics["methods"][OURS]["ranks"].values()))
    bounds = first["recall_at_over_classification"]
    return str(min(sorted(bounds), key=lambda bound: abs(float(bound) - metrics["alpha"])))


def _score(method: str, rank: str, found: Mapping[str, Any], bound: str) -> RankScore:
    own, first = found["operating_point"], found["top1"]["all"]
    return RankScore(
        method=method,
        rank=rank,
        present=found["present"],
        absent=found["absent"],
        top1=first["value"],
        interval=tuple(first["interval"]) if first["interval"] else None,
        recall_at_bound=found["recall_at_over_classification"][bound]["recall"],
        recall=own["recall"],
        precision=own["precision"],
        named=own["named"],
        overclassified=own["over_classified"],
        calibration_error=found["calibration"]["all"]["ece"],
        auroc=found["auroc_right_against_absent"]["value"],
    )


def _bins(found: Mapping[str, Any]) -> list[ReliabilityBin]:
    return [ReliabilityBin(**item) for item in found["reliability"]]


def _curve(found: Mapping[str, Any]) -> list[tuple[float, float]]:
    curve = found["risk_coverage"]
    return list(zip(curve["coverage"], curve["risk"], strict=True))

"""Grading of one method: per rank and stratum, with bootstrap intervals, at its own operating point and swept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.evaluation.answers import Answers, Truth, named, right
from abyssal.evaluation.metrics import (
    OVER_CLASSIFICATION,
    auroc,
    calibration_error,
    interval,
    recall_at,
    reliability,
    risk_coverage,
    share,
)

RESAMPLES = 200


def grade(answers: Answers, truth: Truth, *, seed: int) -> dict[str, Any]:
    """Return the grades of one method: ``commands`` and, per rank, everything measured there."""
    good, given = right(answers, truth), named(answers)
    confidence = np.where(given, answers.confidence, 0.0)
    strata = np.array(truth.strata, dtype=object)
    per_rank = {
        rank: _grade_rank(
            confidence[:, place], good[:, place], truth.present[:, place], answers.accepted[:, place], strata,
            np.random.default_rng(seed),
        )
        for place, rank in enumerate(truth.ranks)
    }  # fmt: skip
    return {"commands": list(answers.commands), "ranks": per_rank}


def _grade_rank(
    confidence: NDArray[np.float64], good: NDArray[np.bool_], present: NDArray[np.int8],
    accepted: NDArray[np.bool_], strata: NDArray[np.object_], rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    here, gone, graded = present == 1, present == 0, present >= 0
    resamples = [rng.integers(good.size, size=good.size) for _ in range(RESAMPLES)] if good.size else []
    return {
        "present": int(here.sum()),
        "absent": int(gone.sum()),
        "top1": _top1(good, here, strata, resamples),
        "recall_at_over_classification": _swept(confidence, good, here, gone, resamples),
        "auroc_right_against_absent": {
            "value": auroc(confidence, good, gone),
            "interval": interval([auroc(confidence[pick], good[pick], gone[pick]) for pick in resamples]),
        },
        "operating_point": _operating_point(good, here, gone, accepted),
        "calibration": _calibration(confidence, good, graded, strata),
        "reliability": reliability(confidence[graded], good[graded]),
        "risk_coverage": risk_coverage(confidence[graded], good[graded]),
    }


def _top1(
    good: NDArray[np.bool_], here: NDArray[np.bool_], strata: NDArray[np.object_], resamples: list[NDArray[np.int64]]
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "all": {
            "value": share(good[here]),
            "queries": int(here.sum()),
            "interval": interval([share(good[pick][here[pick]]) for pick in resamples]),
        }
    }
    for name in sorted(set(strata.tolist())):
        inside = here & (strata == name)
        if inside.any():
            result[name] = {"value": share(good[inside]), "queries": int(inside.sum())}
    return result


def _swept(
    confidence: NDArray[np.float64], good: NDArray[np.bool_], here: NDArray[np.bool_], gone: NDArray[np.bool_],
    resamples: list[NDArray[np.int64]],
) -> dict[str, Any]:  # fmt: skip
    result: dict[str, Any] = {}
    for bound in OVER_CLASSIFICATION:
        found = recall_at(confidence, good, here, gone, bound)
        again = [recall_at(confidence[pick], good[pick], here[pick], gone[pick], bound) for pick in resamples]
        result[f"{bound:g}"] = {
            "recall": None if found is None else found[0],
            "realised": None if found is None else found[1],
            "interval": interval([None if value is None else value[0] for value in again]),
        }
    return result


def _operating_point(
    good: NDArray[np.bool_], here: NDArray[np.bool_], gone: NDArray[np.bool_], accepted: NDArray[np.bool_]
) -> dict[str, Any]:
    """Over-, mis- and under-classification as TAXXI defines them, at the method's own threshold."""
    return {
        "over_classified": share(accepted[gone]),
        "misclassified": share((accepted & ~good)[here]),
        "under_classified": share(~accepted[here]),
        "recall": share((accepted & good)[here]),
        "precision": share(good[accepted & (here | gone)]),
        "coverage": share(accepted[here | gone]),
        "named": int((accepted & (here | gone)).sum()),
    }


def _calibration(
    confidence: NDArray[np.float64], good: NDArray[np.bool_], graded: NDArray[np.bool_], strata: NDArray[np.object_]
) -> dict[str, Any]:
    result = {"all": calibration_error(confidence[graded], good[graded])}
    for name in sorted(set(strata.tolist())):
        inside = graded & (strata == name)
        if inside.any():
            result[name] = calibration_error(confidence[inside], good[inside])
    return result


def baseline_wins(methods: dict[str, Any], ours: str) -> list[dict[str, Any]]:
    """List every figure at which another method is better than ours."""
    wins: list[dict[str, Any]] = []
    for name, found in methods.items():
        if name == ours:
            continue
        for rank, theirs in found["ranks"].items():
            mine = methods[ours]["ranks"][rank]
            for label, value, own in _comparable(theirs, mine):
                if value is not None and own is not None and value > own + 1e-12:
                    wins.append({"method": name, "rank": rank, "figure": label, "theirs": value, "ours": own})
    return wins


def _comparable(theirs: dict[str, Any], mine: dict[str, Any]) -> list[tuple[str, float | None, float | None]]:
    figures = [
        (f"top-1, {stratum}", found["value"], mine["top1"].get(stratum, {}).get("value"))
        for stratum, found in theirs["top1"].items()
    ]
    figures += [
        (
            f"recall at over-classification <= {bound}",
            found["recall"],
            mine["recall_at_over_classification"][bound]["recall"],
        )
        for bound, found in theirs["recall_at_over_classification"].items()
    ]
    key = "auroc_right_against_absent"
    return [*figures, ("AUROC, right against absent", theirs[key]["value"], mine[key]["value"])]

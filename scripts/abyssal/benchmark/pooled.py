"""Many splits as one: figures over all queries, and paired bootstrap intervals of Abyssal minus each peer.

Resampled are the species of the queries, not single queries: amplicons of one species, and one amplicon asked in
several splits, stand or fall together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.evaluation.answers import Answers, Truth, named, right
from abyssal.evaluation.metrics import OVER_CLASSIFICATION, auroc, calibration_error, interval, recall_at, share

RANKS = 3
"""How many of the lowest ranks are compared."""


@dataclass(frozen=True)
class Method:
    """One method's answers to all queries: arrays of shape (q, R)."""

    confidence: NDArray[np.float64]
    good: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    command: str


@dataclass(frozen=True)
class Pool:
    """Queries of several splits.

    Attributes:
        ranks: rank names, highest first.
        present: (q, R) int8 as in ``Truth``.
        strata: (q,) "known", "new species" ...
        species: (q,) number of the species, or of the whole lineage where it has none.
        methods: by name.
        stated: Abyssal's (q, R) confidence for a stated mix, by "all" and "group".
        splits: number of splits.
    """

    ranks: tuple[str, ...]
    present: NDArray[np.int8]
    strata: NDArray[np.object_]
    species: NDArray[np.int64]
    methods: dict[str, Method]
    stated: dict[str, NDArray[np.float64]]
    splits: int


Split = tuple[Truth, Sequence[Answers], dict[str, NDArray[np.float64]]]


def pool(splits: Sequence[Split]) -> Pool:
    """Put splits of one dataset under each other; only methods that answered every split are kept."""
    truths = [truth for truth, _, _ in splits]
    numbers: dict[tuple[str | None, ...], int] = {}
    species = [
        numbers.setdefault(line if line[-1] is None else line[-1:], len(numbers))
        for truth in truths
        for line in truth.lineages
    ]
    by_name = [{found.method: found for found in answers} for _, answers, _ in splits]
    methods = {
        name: _method([found[name] for found in by_name], truths)
        for name in by_name[0]
        if all(name in found for found in by_name)
    }
    return Pool(
        ranks=truths[0].ranks,
        present=np.concatenate([truth.present for truth in truths]),
        strata=np.array([name for truth in truths for name in truth.strata], dtype=object),
        species=np.array(species, dtype=np.int64),
        methods=methods,
        stated={key: np.concatenate([stated[key] for _, _, stated in splits]) for key in splits[0][2]},
        splits=len(splits),
    )


def _method(answers: Sequence[Answers], truths: Sequence[Truth]) -> Method:
    confidence = [np.where(named(found), found.confidence, 0.0) for found in answers]
    return Method(
        np.concatenate(confidence),
        np.concatenate([right(found, truth) for found, truth in zip(answers, truths, strict=True)]),
        np.concatenate([found.accepted & named(found) for found in answers]),
        answers[0].commands[0],
    )


def figures(
    confidence: NDArray[np.float64], good: NDArray[np.bool_], present: NDArray[np.int8], strata: NDArray[np.object_]
) -> dict[str, float | None]:
    """Return the figures that methods are compared by, at one rank; all 0..1, higher is better."""
    here, gone = present == 1, present == 0
    found: dict[str, float | None] = {"top-1": share(good[here])}
    for name in ("known", "new species", "new genus"):
        inside = here & (strata == name)
        if inside.any():
            found[f"top-1, {name}"] = share(good[inside])
    for bound in OVER_CLASSIFICATION:
        at = recall_at(confidence, good, here, gone, bound)
        found[f"recall at over-classification <= {100 * bound:g} %"] = None if at is None else at[0]
    found["AUROC"] = auroc(confidence, good, gone)
    return found


def compare(pooled: Pool, ours: str, *, resamples: int, seed: int) -> list[dict[str, Any]]:
    """Return a row for each rank, figure and method: value, interval, and the interval of ours minus it."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(pooled.species == number) for number in np.unique(pooled.species)]
    picks = [
        np.concatenate([members[place] for place in rng.integers(len(members), size=len(members))])
        for _ in range(resamples)
    ]
    rows: list[dict[str, Any]] = []
    for rank in range(max(len(pooled.ranks) - RANKS, 0), len(pooled.ranks)):
        rows += _compare_rank(pooled, rank, ours, picks)
    return rows


def _compare_rank(pooled: Pool, rank: int, ours: str, picks: Sequence[NDArray[np.int64]]) -> list[dict[str, Any]]:
    present = pooled.present[:, rank]
    values: dict[str, dict[str, float | None]] = {}
    again: dict[str, list[dict[str, float | None]]] = {}
    for name, method in pooled.methods.items():
        confidence, good = method.confidence[:, rank], method.good[:, rank]
        values[name] = figures(confidence, good, present, pooled.strata)
        again[name] = [figures(confidence[pick], good[pick], present[pick], pooled.strata[pick]) for pick in picks]
    rows = []
    for name, found in values.items():
        for figure, value in found.items():
            difference = [
                None if mine.get(figure) is None or theirs.get(figure) is None else mine[figure] - theirs[figure]  # type: ignore[operator]
                for mine, theirs in zip(again[ours], again[name], strict=True)
            ]
            rows.append(
                {
                    "rank": pooled.ranks[rank], "figure": figure, "method": name, "value": value,
                    "interval": interval([one.get(figure) for one in again[name]]),
                    "ours_minus": _minus(values[ours].get(figure), value),
                    "ours_minus_interval": None if name == ours else interval(difference),
                    "present": int((present == 1).sum()), "absent": int((present == 0).sum()),
                }
            )  # fmt: skip
    return rows


def _minus(mine: float | None, theirs: float | None) -> float | None:
    return None if mine is None or theirs is None else mine - theirs


def operating_points(pooled: Pool) -> list[dict[str, Any]]:
    """Return what each method does at its own threshold, with denominators."""
    rows = []
    for rank in range(max(len(pooled.ranks) - RANKS, 0), len(pooled.ranks)):
        here, gone = pooled.present[:, rank] == 1, pooled.present[:, rank] == 0
        for name, method in pooled.methods.items():
            accepted, good = method.accepted[:, rank], method.good[:, rank]
            rows.append(
                {
                    "rank": pooled.ranks[rank], "method": name,
                    "over_classified": share(accepted[gone]), "absent": int(gone.sum()),
                    "recall": share((accepted & good)[here]), "misclassified": share((accepted & ~good)[here]),
                    "under_classified": share(~accepted[here]), "present": int(here.sum()),
                    "coverage": share(accepted[here | gone]),
                    "precision": share(good[accepted & (here | gone)]), "named": int((accepted & (here | gone)).sum()),
                }
            )  # fmt: skip
    return rows


def calibration(pooled: Pool, ours: str) -> list[dict[str, Any]]:
    """Return calibration over all queries and inside each group, by method; a request can state a mix to Abyssal only.

    ``novel_share`` is the share of the graded queries whose taxon is absent at the rank. Abyssal's rows with ``stated``
    come from requests that state that mix; its other row from the bundle's own mix.
    """
    rows: list[dict[str, Any]] = []
    for rank in range(max(len(pooled.ranks) - RANKS, 0), len(pooled.ranks)):
        graded = pooled.present[:, rank] >= 0
        groups = {"all": graded}
        groups |= {str(name): graded & (pooled.strata == name) for name in sorted(set(pooled.strata.tolist()))}
        for name, method in pooled.methods.items():
            if name.startswith(f"{ours}-"):
                continue
            sources = {"": method.confidence}
            if name == ours:
                sources["stated"] = pooled.stated["all"]
            for mode, confidence in sources.items():
                part = [
                    _calibration_row(pooled, rank, name, mode, group, inside, method.good[:, rank], chosen[:, rank])
                    for group, inside in groups.items()
                    if inside.any()
                    for chosen in [pooled.stated["group"] if mode and group != "all" else confidence]
                ]
                rows += [*part, _macro(part)]
    return rows


def _calibration_row(
    pooled: Pool, rank: int, name: str, mode: str, group: str, inside: NDArray[np.bool_], good: NDArray[np.bool_],
    confidence: NDArray[np.float64],
) -> dict[str, Any]:  # fmt: skip
    found = calibration_error(confidence[inside], good[inside])
    novel = share((pooled.present[:, rank] == 0)[inside])
    return {
        "rank": pooled.ranks[rank], "method": name, "mix": mode, "group": group, "novel_share": novel, **found,
    }  # fmt: skip


def _macro(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean over the groups of one method and rank."""
    groups = [row for row in rows if row["group"] != "all"]

    def mean(key: str) -> float | None:
        values = [row[key] for row in groups if row[key] is not None]
        return float(np.mean(values)) if values else None

    return {
        **rows[0], "group": "macro over groups", "queries": sum(row["queries"] for row in groups),
        "novel_share": None, "ece": mean("ece"), "ece_debiased": mean("ece_debiased"), "brier": mean("brier"),
    }  # fmt: skip

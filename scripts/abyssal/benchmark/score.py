"""From the answers of all cases to the rows of each part's table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.benchmark.answer_files import read_answers
from abyssal.benchmark.cases import Case, CaseKey, read_case
from abyssal.benchmark.identity import IDENTITIES
from abyssal.benchmark.ours import NAME
from abyssal.benchmark.pooled import calibration, compare, operating_points, pool
from abyssal.benchmark.tax_credit import THRESHOLDS, above, score, taken
from abyssal.benchmark.taxxi import best_accuracy, count, mean
from abyssal.evaluation.answers import Answers, Truth, judge, right
from abyssal.evaluation.metrics import auroc, share

MOST_OVER = 0.12
"""Bound on the mean OCR of the further threshold at which AvgAcc is given."""

Row = dict[str, Any]


def load(folder: Path, key: CaseKey) -> tuple[Case, list[Answers], dict[str, NDArray[np.float64]]]:
    """Return a case with the answers of Abyssal (first) and of all peers."""
    case = read_case(folder / key.path)
    ranks = len(case.fitted.ranks)
    ours, stated = read_answers(folder / key.path / "ours.json", ranks)
    peers, _ = read_answers(folder / key.path / "peers.json", ranks)
    return case, [*ours, *peers], stated


def truth_of(case: Case) -> Truth:
    """Return what the queries of a case are."""
    return judge([query.lineage for query in case.queries], case.fitted)


def by_dataset(keys: Iterable[CaseKey]) -> dict[str, list[CaseKey]]:
    """Group keys by dataset, in their order."""
    found: dict[str, list[CaseKey]] = {}
    for key in keys:
        found.setdefault(key.dataset, []).append(key)
    return found


def score_taxa_out(folder: Path, keys: Sequence[CaseKey], resamples: int, seed: int) -> list[Row]:
    """Return one entry a dataset: comparison, operating points and calibration over its pooled splits."""
    found = []
    for dataset, splits in by_dataset(keys).items():
        parts = []
        for key in splits:
            case, answers, stated = load(folder, key)
            parts.append((truth_of(case), answers, stated))
        pooled = pool(parts)
        strata, amounts = np.unique(pooled.strata.astype(str), return_counts=True)
        found.append(
            {
                "dataset": dataset, "splits": pooled.splits, "queries": int(pooled.present.shape[0]),
                "strata": dict(zip(strata.tolist(), amounts.tolist(), strict=True)),
                "compare": compare(pooled, NAME, resamples=resamples, seed=seed),
                "operating_points": operating_points(pooled), "calibration": calibration(pooled, NAME),
                "commands": {name: method.command for name, method in pooled.methods.items()},
            }
        )  # fmt: skip
    return found


def score_tax_credit(folder: Path, keys: Sequence[CaseKey]) -> list[Row]:
    """Return precision, recall and F of each published split and method, as run and at its best threshold there."""
    rows = []
    for key in keys:
        case, answers, _ = load(folder, key)
        expected = [query.lineage for query in case.queries]
        for found in answers:
            as_run = score(expected, taken(found, found.accepted))
            swept = {at: score(expected, taken(found, above(found, at))).f for at in THRESHOLDS}
            best = max(swept, key=lambda at: swept[at])
            rows.append(
                {
                    "dataset": key.dataset.removeprefix("tax-credit-"), "references": key.split, "method": found.method,
                    "kind": "novel taxa" if "-L" in key.dataset else "cross-validation",
                    "queries": len(expected), "amplicons": len(case.fitted), "precision": as_run.precision,
                    "recall": as_run.recall, "f": as_run.f, "best_f": swept[best], "best_threshold": best,
                }
            )  # fmt: skip
    return rows


def score_identity(folder: Path, keys: Sequence[CaseKey]) -> list[Row]:
    """Return TAXXI's figures by dataset, rank, method and top identity, and their mean over identities (AvgAcc ...)."""
    rows: list[Row] = []
    for dataset, splits in by_dataset(keys).items():
        loaded = [(key, *load(folder, key)[:2]) for key in splits]
        ranks = loaded[0][1].fitted.ranks
        truths = [truth_of(case) for _, case, _ in loaded]
        for place in (len(ranks) - 2, len(ranks) - 1):
            for method in [found.method for found in loaded[0][2]]:
                told = [next(found for found in answers if found.method == method) for _, _, answers in loaded]
                rows += _identity_rows(dataset, ranks[place], place, [key for key, _, _ in loaded], told, truths)
    return rows


def _identity_rows(
    dataset: str, rank: str, place: int, keys: Sequence[CaseKey], told: Sequence[Answers], truths: Sequence[Truth]
) -> list[Row]:
    rows: list[Row] = []
    sets = []
    for percent in IDENTITIES:
        chosen = [row for row, key in enumerate(keys) if key.split.startswith(f"{percent}-")]
        if not chosen:
            continue
        good = np.concatenate([right(told[row], truths[row])[:, place] for row in chosen])
        accepted = np.concatenate([told[row].accepted[:, place] for row in chosen])
        present = np.concatenate([truths[row].present[:, place] for row in chosen])
        sets.append((np.concatenate([told[row].confidence[:, place] for row in chosen]), good, present))
        counts = count(good, accepted, present)
        rows.append(
            {
                "dataset": dataset, "rank": rank, "method": told[0].method, "identity": str(percent),
                "known": counts.known, "novel": counts.novel, **counts.rates,
            }
        )  # fmt: skip
    best, bounded = best_accuracy(sets), best_accuracy(sets, MOST_OVER)
    average = {name: mean([row[name] for row in rows]) for name in ("TPR", "UCR", "MCR", "OCR", "Acc")}
    return [
        *rows,
        {
            "dataset": dataset, "rank": rank, "method": told[0].method, "identity": "mean",
            "known": sum(row["known"] for row in rows), "novel": sum(row["novel"] for row in rows), **average,
            "best_threshold": best[0] if best else None, "best_Acc": best[1] if best else None,
            "OCR_at_best": best[2] if best else None, "bounded_Acc": bounded[1] if bounded else None,
        },
    ]  # fmt: skip


def score_robustness(folder: Path, keys: Sequence[CaseKey]) -> list[Row]:
    """Return top-1, AUROC and over-classification by what was done to the queries or to the reference."""
    rows: list[Row] = []
    for key in keys:
        case, answers, _ = load(folder, key)
        truth = truth_of(case)
        groups = np.array(case.groups, dtype=object)
        for group in dict.fromkeys(case.groups):
            inside = groups == group
            for found in answers:
                good = right(found, truth)
                for place in range(len(truth.ranks) - 2, len(truth.ranks)):
                    here = inside & (truth.present[:, place] == 1)
                    gone = inside & (truth.present[:, place] == 0)
                    rows.append(
                        {
                            "dataset": key.dataset, "variant": group, "rank": truth.ranks[place],
                            "method": found.method, "present": int(here.sum()), "absent": int(gone.sum()),
                            "top1": share(good[here, place]),
                            "recall": share((good & found.accepted)[here, place]),
                            "over_classified": share(found.accepted[gone, place]),
                            "AUROC": auroc(found.confidence[inside, place], good[inside, place], gone[inside]),
                        }
                    )  # fmt: skip
    return rows

"""Precision, recall and F1 of accepted names, over all queries (micro) and averaged over taxa (macro)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.evaluation.answers import Answers, Truth
from abyssal.evaluation.metrics import share


def averages(answers: Answers, truth: Truth, rank: int) -> dict[str, Any]:
    """Return micro and macro figures at one rank, at the method's own threshold.

    A name for an absent taxon is a false positive of the taxon that it names. Macro figures are means over the taxa
    that have queries here and are in the reference; one that was never named has a precision of 0.
    """
    present = truth.present[:, rank]
    graded = np.flatnonzero(present >= 0).tolist()
    true = [truth.lineages[row][rank] if present[row] == 1 else None for row in graded]
    said = [answers.labels[row][rank] if answers.accepted[row, rank] else None for row in graded]
    taxa = sorted({name for name in true if name is not None})
    place = {name: number for number, name in enumerate(taxa)}
    right, named, wanted = (np.zeros(len(taxa)) for _ in range(3))
    other = 0
    for name, given in zip(true, said, strict=True):
        if name is not None:
            wanted[place[name]] += 1
        if given in place:
            named[place[given]] += 1
            right[place[given]] += name == given
        elif given is not None:
            other += 1
    micro = (_over(right.sum(), named.sum() + other), _over(right.sum(), wanted.sum()))
    precision, recall = _each(right, named), _each(right, wanted)
    return {
        "taxa": len(taxa),
        "precision_micro": micro[0], "recall_micro": micro[1], "f1_micro": _f1(*micro),
        "precision_macro": _mean(precision), "recall_macro": _mean(recall),
        "f1_macro": _mean(np.array([_f1(one, two) or 0.0 for one, two in zip(precision, recall, strict=True)])),
    }  # fmt: skip


def _over(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _each(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _f1(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None


def by_group(
    good: NDArray[np.bool_], accepted: NDArray[np.bool_], present: NDArray[np.int8], groups: NDArray[np.object_]
) -> dict[str, dict[str, Any]]:
    """Return for each group of queries, at one rank, the figures of the per-group table; "" is no group."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted({str(group) for group in groups if group}):
        inside = groups == name
        here, gone = inside & (present == 1), inside & (present == 0)
        found[name] = {
            "present": int(here.sum()), "absent": int(gone.sum()), "top1": share(good[here]),
            "recall": share((accepted & good)[here]), "misclassified": share((accepted & ~good)[here]),
            "over_classified": share(accepted[gone]),
            "precision": share(good[accepted & (here | gone)]), "named": int((accepted & (here | gone)).sum()),
        }  # fmt: skip
    return found

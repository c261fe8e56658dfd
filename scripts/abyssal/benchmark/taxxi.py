"""TAXXI's figures (Edgar 2018, doi:10.7717/peerj.4652) from answers and truth, rank by rank.

Known: the true taxon is in the reference; novel: it is not. TPR = right names / known, UCR = no name / known, MCR =
wrong names / known, OCR = any name / novel, Acc = right names / (known + novel queries that got a name).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Counts:
    """Queries of one rank: known and novel ones, and what became of them."""

    known: int
    novel: int
    right: int
    wrong: int
    over: int

    @property
    def rates(self) -> dict[str, float | None]:
        """TPR, UCR, MCR, OCR and Acc; None over nothing."""
        return {
            "TPR": _share(self.right, self.known),
            "UCR": _share(self.known - self.right - self.wrong, self.known),
            "MCR": _share(self.wrong, self.known),
            "OCR": _share(self.over, self.novel),
            "Acc": _share(self.right, self.known + self.over),
        }


def count(good: NDArray[np.bool_], accepted: NDArray[np.bool_], present: NDArray[np.int8]) -> Counts:
    """Count the (q,) answers at one rank; queries whose taxon is not known there are left out."""
    known, novel = present == 1, present == 0
    return Counts(
        int(known.sum()), int(novel.sum()), int((accepted & good & known).sum()),
        int((accepted & ~good & known).sum()), int((accepted & novel).sum()),
    )  # fmt: skip


def best_accuracy(
    sets: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int8]]], most_over: float = 1.0
) -> tuple[float, float, float] | None:
    """Return (threshold, mean Acc, mean OCR) at the one threshold with the best mean Acc over sets of queries.

    Args:
        sets: confidence of the best name (0 for none), whether it is right, and where its taxon is, one a set.
        most_over: only thresholds whose mean OCR is at most this count.

    Returns:
        None when no threshold does.
    """
    steps = np.unique(np.concatenate([confidence for confidence, _, _ in sets]).round(3))
    best: tuple[float, float, float] | None = None
    for threshold in np.r_[0.0, steps]:
        rates = [
            count(good, (confidence > 0) & (confidence >= threshold), present).rates
            for confidence, good, present in sets
        ]
        accuracy = mean([found["Acc"] for found in rates])
        over = mean([found["OCR"] for found in rates])
        if accuracy is None or (over or 0.0) > most_over:
            continue
        if best is None or accuracy > best[1]:
            best = (float(threshold), accuracy, over or 0.0)
    return best


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of what is known; None when nothing is."""
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None

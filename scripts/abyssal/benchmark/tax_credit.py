"""The published benchmark's scoring (q2-feature-classifier; Bokulich et al. 2018, doi:10.1186/s40168-018-0470-z).

An answer equal to the expected lineage is right; one that stops above it (or says nothing) is under-classified: it
costs recall only; everything else, deeper names included, costs precision and recall. For novel taxa the expected
lineage ends one rank above the one that was taken out of the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.evaluation.answers import Answers
from abyssal.references.model import Lineage

THRESHOLDS = tuple(np.round(np.linspace(0.0, 1.0, 51), 2).tolist())

PUBLISHED = {
    "cross-validation": {
        "uclust (best)": 0.846, "naive Bayes, [7,7]:0.92": 0.831, "naive Bayes, class weights": 0.827,
        "naive Bayes, default": 0.819, "RDP 0.7": 0.812,
    },
    "novel taxa": {
        "naive Bayes, class weights (best)": 0.165, "uclust": 0.154, "naive Bayes, [7,7]:0.92": 0.151, "RDP 0.7": 0.124,
        "naive Bayes, default": 0.115,
    },
}  # fmt: skip
"""F at the species level, 16S rRNA gene, table 2 of the publication."""


@dataclass(frozen=True)
class Score:
    """Precision, recall and their harmonic mean, 0..1, with what they were counted from."""

    right: int
    wrong: int
    short: int

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right else 0.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.wrong + self.short) if self.right else 0.0

    @property
    def f(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def score(expected: Sequence[Lineage], observed: Sequence[Lineage]) -> Score:
    """Score answers; lineages end at their last known name."""
    right = wrong = short = 0
    for true, said in zip(map(cut, expected), map(cut, observed), strict=True):
        if said == true:
            right += 1
        elif true[: len(said)] == said:
            short += 1
        else:
            wrong += 1
    return Score(right, wrong, short)


def cut(lineage: Lineage) -> Lineage:
    """Return a lineage without the unknown ranks at its end."""
    depth = max((place + 1 for place, name in enumerate(lineage) if name is not None), default=0)
    return lineage[:depth]


def taken(answers: Answers, accepted: NDArray[np.bool_]) -> list[Lineage]:
    """Return the lineage of each answer down to its lowest accepted name."""
    depth = np.arange(1, accepted.shape[1] + 1)
    lowest = (accepted * depth).max(axis=1, initial=0)
    return [tuple(row[:down]) for row, down in zip(answers.labels, lowest.tolist(), strict=True)]


def above(answers: Answers, threshold: float) -> NDArray[np.bool_]:
    """Return (q, R): names at or above a threshold, as long as all names above them are."""
    named = np.array([[name is not None for name in row] for row in answers.labels], dtype=np.bool_)
    enough = (answers.confidence >= threshold) | ~named.reshape(answers.confidence.shape)
    held: NDArray[np.bool_] = np.logical_and.accumulate(enough, axis=1) & named.reshape(answers.confidence.shape)
    return held

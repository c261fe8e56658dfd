"""Which group each query belongs to: novelty, size of its taxon in the reference, length, sequencing errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abyssal.evaluation.answers import Answers, Truth
from abyssal.evaluation.split import HeldOutQuery
from abyssal.references.model import AmpliconReference

SIZES = ((1, "1 amplicon"), (4, "2 to 4 amplicons"), (19, "5 to 19 amplicons"))
LARGE = "20 or more amplicons"
ERROR_RATES = (0.005, 0.01, 0.02)
"""Substitutions per base that some queries are asked with once more."""
MOST_WITH_ERRORS = 200

Groups = NDArray[np.object_]


def size_groups(truth: Truth, fitted: AmpliconReference, rank: int) -> Groups:
    """Return how many reference amplicons each query's true taxon has at a rank; "" where it is absent or unknown."""
    counts: dict[str, int] = {}
    for pairs in fitted.members:
        for name in {lineage[rank] for _, lineage in pairs if lineage[rank] is not None}:
            counts[str(name)] = counts.get(str(name), 0) + 1
    found = ["" if not counts.get(str(line[rank])) else _size(counts[str(line[rank])]) for line in truth.lineages]
    return np.array(found, dtype=object)


def _size(count: int) -> str:
    return next((name for most, name in SIZES if count <= most), LARGE)


def length_groups(queries: Sequence[HeldOutQuery]) -> Groups:
    """Return the third that each query's length falls into, named by its bounds (bp)."""
    lengths = np.array([len(query.sequence) for query in queries])
    if not lengths.size:
        return np.array([], dtype=object)
    low, high = np.quantile(lengths, [1 / 3, 2 / 3]).astype(int)
    names = (f"up to {low} bp", f"{low + 1} to {high} bp", f"over {high} bp")
    return np.array([names[int(length > low) + int(length > high)] for length in lengths], dtype=object)


@dataclass(frozen=True)
class Asked:
    """All queries that methods answer: the held-out ones, then some of them with errors.

    Attributes:
        queries: held-out sequences, then the same with errors, rate by rate.
        held_out: how many of them are as they were.
        again: positions of those that are asked with errors, too.
    """

    queries: tuple[HeldOutQuery, ...]
    held_out: int
    again: NDArray[np.int64]

    @property
    def plain(self) -> NDArray[np.int64]:
        """Positions of the held-out queries as they were."""
        return np.arange(self.held_out)

    def at_rate(self, number: int) -> NDArray[np.int64]:
        """Return the positions of the queries with the error rate of this number; -1 is none."""
        start = self.held_out + number * self.again.size
        return self.again if number < 0 else np.arange(start, start + self.again.size)


def with_errors(queries: Sequence[HeldOutQuery], seed: int) -> Asked:
    """Return what is asked: all queries, and up to ``MOST_WITH_ERRORS`` of them at each of ``ERROR_RATES``."""
    rng = np.random.default_rng(seed)
    again = np.sort(rng.permutation(len(queries))[:MOST_WITH_ERRORS])
    asked = list(queries)
    for rate in ERROR_RATES:
        asked += [
            replace(queries[row], sequence=substituted(queries[row].sequence, rate, rng)) for row in again.tolist()
        ]
    return Asked(tuple(asked), len(queries), again)


def substituted(sequence: str, rate: float, rng: np.random.Generator) -> str:
    """Replace letters by one of the three others at a rate per base."""
    letters = np.frombuffer(sequence.encode("ascii"), dtype=np.uint8).copy()
    for place in np.flatnonzero(rng.random(letters.size) < rate):
        letters[place] = rng.choice([code for code in b"ACGT" if code != letters[place]])
    return letters.tobytes().decode("ascii")


def rows_of(answers: Answers, rows: NDArray[np.int64]) -> Answers:
    """Return the answers to some of the queries."""
    labels = [answers.labels[row] for row in rows.tolist()]
    return replace(answers, labels=labels, confidence=answers.confidence[rows], accepted=answers.accepted[rows])


def truth_rows(truth: Truth, rows: NDArray[np.int64]) -> Truth:
    """Return the truth of some of the queries."""
    places = rows.tolist()
    lineages, strata = tuple(truth.lineages[row] for row in places), tuple(truth.strata[row] for row in places)
    return Truth(truth.ranks, lineages, truth.present[rows], strata)

"""From probabilities to an answer: how deep a name is accepted, where a taxon is new, what cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from abyssal.taxonomy.index import UNKNOWN, TaxonTable

MOST_LIKELY = 0.5
"""A taxon is called new where it is more likely absent than present, and no name is accepted that is more likely wrong
than right under the model's own mix."""


@dataclass(frozen=True)
class Decision:
    """Answers for q distinct reads, as positions and codes.

    Attributes:
        chosen: (q, R) int32 codes, -1 for none.
        confidence: (q, R) float32.
        accepted: (q,) int16 deepest accepted rank, -1 for none.
        novel: (q,) int16 highest rank judged absent, -1 for none.
        nearest: (q,) int64 position of the nearest amplicon, -1 for none.
        identity, coverage: (q,) float32 of the nearest amplicon, NaN when not aligned.
        rejected: (q,) whether the read is off target.
        putative: (q,) ids of putative taxa, or "".
    """

    chosen: NDArray[np.int32]
    confidence: NDArray[np.float32]
    accepted: NDArray[np.int16]
    novel: NDArray[np.int16]
    nearest: NDArray[np.int64]
    identity: NDArray[np.float32]
    coverage: NDArray[np.float32]
    rejected: NDArray[np.bool_]
    putative: NDArray[np.object_]

    @classmethod
    def blank(cls, ranks: int) -> Decision:
        """One row without any answer."""
        return cls(
            np.full((1, ranks), UNKNOWN, dtype=np.int32), np.zeros((1, ranks), dtype=np.float32),
            np.full(1, -1, dtype=np.int16), np.full(1, -1, dtype=np.int16), np.full(1, UNKNOWN, dtype=np.int64),
            np.full(1, np.nan, dtype=np.float32), np.full(1, np.nan, dtype=np.float32), np.zeros(1, dtype=np.bool_),
            np.array([""], dtype=object),
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Decision], ranks: int) -> Decision:
        """Put decisions under each other; none gives zero rows."""
        rows = [*parts, cls.blank(ranks)]
        together = {field.name: np.concatenate([getattr(part, field.name) for part in rows]) for field in fields(cls)}
        return cls(**{name: array[:-1] for name, array in together.items()})

    def with_blank(self, ranks: int) -> Decision:
        """Add a last row without any answer, so that row -1 is a faulty read's."""
        last = Decision.blank(ranks)
        return Decision(
            **{
                field.name: np.concatenate([getattr(self, field.name), getattr(last, field.name)])
                for field in fields(self)
            }
        )


def accepted_rank(
    chosen: NDArray[np.int32], right: NDArray[np.float64], thresholds: NDArray[np.float64], *, stepwise: bool = False
) -> NDArray[np.int16]:
    """Return the deepest rank whose name is above its threshold; -1 for none.

    All names above it are accepted too, whatever their thresholds: a name that is right proves them. ``stepwise`` stops
    at the first name that is not above its own, as the thresholds of older models suppose.
    """
    named = chosen >= 0
    above = named & (right > np.maximum(thresholds, MOST_LIKELY))
    if stepwise:
        above &= np.logical_and.accumulate(above | ~named, axis=1)
    depth = np.arange(1, chosen.shape[1] + 1)
    deepest: NDArray[np.int16] = (np.where(above, depth, 0).max(axis=1, initial=0) - 1).astype(np.int16)
    return deepest


def balanced_thresholds(ranks: int) -> NDArray[np.float64]:
    """Return (R,) thresholds for names that are more likely right than wrong, without a bound on over-classification.

    They make right minus wrong names as many as the confidences allow (Chow 1970, doi:10.1109/TIT.1970.1054406).
    """
    return np.full(ranks, MOST_LIKELY)


def novel_rank(absent: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return the highest rank at which P(absent) is above one half; -1 for none."""
    over = absent > MOST_LIKELY
    if absent.shape[1] == 0:
        return np.full(absent.shape[0], -1, dtype=np.int16)
    return np.where(over.any(axis=1), over.argmax(axis=1), -1).astype(np.int16)


def alternatives_of(taxa: TaxonTable, amplicon: int, *, rejected: bool) -> tuple[str, ...]:
    """Return the names at the lowest rank that share an amplicon, sorted; empty when there are fewer than two."""
    if amplicon < 0 or rejected or not taxa.ranks:
        return ()
    lowest = len(taxa.ranks) - 1
    rows = slice(int(taxa.pair_offsets[amplicon]), int(taxa.pair_offsets[amplicon + 1]))
    names = {taxa.names[lowest][code] for code in taxa.pair_codes[rows, lowest] if code >= 0}
    return tuple(sorted(names)) if len(names) > 1 else ()

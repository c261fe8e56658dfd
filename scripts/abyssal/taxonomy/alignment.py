"""Edit-distance identity of a read with its best candidates (edlib, exact)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import edlib
import numpy as np
from numpy.typing import NDArray

IUPAC_EQUAL = [
    *[("N", base) for base in "ACGT"],
    *[("R", base) for base in "AG"], *[("Y", base) for base in "CT"], *[("S", base) for base in "CG"],
    *[("W", base) for base in "AT"], *[("K", base) for base in "GT"], *[("M", base) for base in "AC"],
    *[("B", base) for base in "CGT"], *[("D", base) for base in "AGT"], *[("H", base) for base in "ACT"],
    *[("V", base) for base in "ACG"],
]  # fmt: skip
"""Letters that count as a match beside equal ones."""

_PLAIN = "ACGT"

_WORST_IDENTITY = 0.55
"""Below this identity two amplicons of one marker are unrelated; edlib may stop there, which keeps noise cheap."""


@lru_cache(maxsize=65_536)
def _is_plain(sequence: str) -> bool:
    """Whether a sequence has no ambiguity codes; one read meets ten references, which meet many reads."""
    return not sequence.strip(_PLAIN)


def identity(query: str, reference: str) -> tuple[float, float]:
    """Return identity and the covered share of the query, both 0..1.

    The shorter sequence is laid inside the longer one, whose ends are free, as aligners do not count terminal gaps.
    Identity is 1 - edits / length of the shorter; it is floored at the bound below which edlib gives up. Coverage is
    the share of the query inside the alignment.
    """
    swap = len(query) > len(reference)
    short, long = (reference, query) if swap else (query, reference)
    if not short:
        return 0.0, 0.0
    bound = max(1, int(len(short) * (1.0 - _WORST_IDENTITY)))
    # Ambiguity codes double edlib's time, so they are only declared where there are any.
    equal = None if _is_plain(short) and _is_plain(long) else IUPAC_EQUAL
    edits = edlib.align(short, long, mode="HW", task="distance", k=bound, additionalEqualities=equal)["editDistance"]
    coverage = len(reference) / len(query) if swap else 1.0
    return (1.0 - edits / len(short) if edits >= 0 else _WORST_IDENTITY), coverage


def identities(
    queries: Sequence[str], references: Sequence[str], candidates: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return identities and coverages of each query with each candidate; NaN at empty places (-1).

    Args:
        queries: q upper-case sequences.
        references: n upper-case sequences.
        candidates: (q, c) int64 positions in ``references``.
    """
    shape = candidates.shape
    found = np.full(shape, np.nan, dtype=np.float32)
    covered = np.full(shape, np.nan, dtype=np.float32)
    for row, query in enumerate(queries):
        for column, place in enumerate(candidates[row]):
            if place >= 0:
                found[row, column], covered[row, column] = identity(query, references[place])
    return found, covered

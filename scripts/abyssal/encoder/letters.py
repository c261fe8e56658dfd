"""Letters as numbers for the deep branch: one id an IUPAC letter, 0 for padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abyssal.sequences.alphabet import IUPAC_BASES

PADDING = 0
LETTER_IDS = {letter: number for number, letter in enumerate(IUPAC_BASES, start=1)}
"""A 1, C 2, G 3, T 4, then the ambiguous letters; N is the last."""

BASE_SHARES = [[0.0] * 4] + [
    [1 / len(bases) if base in bases else 0.0 for base in "ACGT"] for bases in IUPAC_BASES.values()
]
"""For each id the share of A, C, G and T: an ambiguous letter is an even mix of its bases, padding is nothing."""

_IDS = np.zeros(256, dtype=np.uint8)
for _letter, _number in LETTER_IDS.items():
    _IDS[ord(_letter)] = _number


def letter_ids(sequences: Sequence[str], *, rows: int, columns: int) -> NDArray[np.uint8]:
    """Return a (rows, columns) array of ids, padded with 0 to the right and below; longer sequences are cut."""
    ids = np.zeros((rows, columns), dtype=np.uint8)
    for row, sequence in enumerate(sequences):
        cut = sequence[:columns]
        ids[row, : len(cut)] = _IDS[np.frombuffer(cut.encode("ascii"), dtype=np.uint8)]
    return ids

"""Profiles that see both near and far relatives: k-mers of bases, and longer k-mers of purines and pyrimidines.

Transitions (A with G, C with T) saturate first: between families of fish every third codon position of COI has changed,
and few 6-mers survive. In the two-letter alphabet they are invisible, and what is left still tells families apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from abyssal.encoder.kmers import encode_letters, profiles_of_codes

_WEIGHT = 2 / 3
"""Share of the two-letter profile in the cosine of two sequences."""
_PURINE = np.array([0, 1, 0, 1, 2], dtype=np.uint8)
"""Class of each letter code: A and G, C and T, anything else."""


def composition_profiles(sequences: Sequence[str], *, k: int) -> NDArray[np.float32]:
    """Return (n, 2 * 4**k) float32 unit rows: profiles of k-mers of bases and of 2k-mers of two letters, joined.

    The cosine of two rows is the weighted mean of the cosines of their parts.
    """
    codes, offsets = encode_letters(sequences)
    joined = np.empty((len(sequences), 2 * 4**k), dtype=np.float32)
    joined[:, : 4**k] = profiles_of_codes(codes, offsets, k=k)
    joined[:, : 4**k] *= np.float32(np.sqrt(1 - _WEIGHT))
    _two_letter_profiles(_PURINE[codes], offsets, 2 * k, np.float32(_WEIGHT), joined[:, 4**k :])
    return joined


@njit(cache=True, nogil=True)
def _two_letter_profiles(classes, offsets, k, weight, profiles):  # type: ignore[no-untyped-def]
    """Fill each row with the roots of its k-mers' shares times ``weight``."""
    size = 2**k
    profiles[:] = 0.0
    for row in range(offsets.size - 1):
        index = valid = 0
        for position in range(offsets[row], offsets[row + 1]):
            if classes[position] > 1:
                index = valid = 0
                continue
            index = (index * 2 + classes[position]) % size
            valid += 1
            if valid >= k:
                profiles[row, index] += 1.0
        windows = profiles[row].sum()
        for column in range(size):
            if profiles[row, column] > 0:
                profiles[row, column] = np.sqrt(weight * profiles[row, column] / windows)

"""k-mer profiles: the wide branch's input, the label-free gate's measure and the baseline every encoder must beat.

A profile is the square root of the k-mer counts, scaled to unit length, so that a dot product is the Bhattacharyya
cosine of two composition vectors. Windows with a letter other than A, C, G or T are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

DEFAULT_K = 6
_CODES = np.full(256, 4, dtype=np.uint8)
for _code, _letter in enumerate(b"ACGT"):
    _CODES[_letter] = _code


def profile_size(k: int = DEFAULT_K) -> int:
    """Return the number of k-mers over four letters."""
    return int(4**k)


def encode_letters(sequences: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return all letters as one array of codes (A 0, C 1, G 2, T 3, other 4) and the n + 1 offsets of the sequences."""
    offsets = np.zeros(len(sequences) + 1, dtype=np.int64)
    np.cumsum([len(sequence) for sequence in sequences], out=offsets[1:])
    letters = np.frombuffer("".join(sequences).encode("ascii"), dtype=np.uint8)
    return _CODES[letters], offsets


def kmer_profiles(sequences: Sequence[str], *, k: int = DEFAULT_K) -> NDArray[np.float32]:
    """Return (n, 4**k) float32 unit rows; an all-zero row for a sequence without any whole window."""
    return profiles_of_codes(*encode_letters(sequences), k=k)


def profiles_of_codes(
    codes: NDArray[np.uint8], offsets: NDArray[np.int64], *, k: int = DEFAULT_K
) -> NDArray[np.float32]:
    """Return the profiles of sequences that already are letter codes, as ``encode_letters`` gives them."""
    return _profiles(codes, offsets, k)  # type: ignore[no-any-return,unused-ignore]


@njit(cache=True, nogil=True)
def _profiles(codes, offsets, k):  # type: ignore[no-untyped-def]
    count = offsets.size - 1
    size = 4**k
    profiles = np.zeros((count, size), dtype=np.float32)
    for row in range(count):
        index = 0
        valid = 0
        for position in range(offsets[row], offsets[row + 1]):
            code = codes[position]
            if code > 3:
                valid = 0
                index = 0
                continue
            index = (index * 4 + code) % size
            valid += 1
            if valid >= k:
                profiles[row, index] += 1.0
        windows = profiles[row].sum()
        if windows > 0:
            for column in range(size):
                if profiles[row, column] > 0:
                    # The squares of the roots add up to the number of windows, so this gives unit length.
                    profiles[row, column] = np.sqrt(profiles[row, column] / windows)
    return profiles

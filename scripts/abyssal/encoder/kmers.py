"""k-mer profiles: the wide branch's input, the label-free gate's measure and the baseline every encoder must beat.

A profile is the square root of the k-mer counts, scaled to unit length, so that a dot product is the Bhattacharyya
cosine of two composition vectors. Windows with a letter other than A, C, G or T are left out.

A spaced window (Ma, Tromp and Li 2002, PatternHunter) skips letters: with ``skip`` 3, six letters of eight, 11011011.
One substitution then spoils fewer windows, and in a coding marker a third of the windows passes over all third codon
positions, which change first.
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


def window_places(k: int, skip: int = 0) -> NDArray[np.int64]:
    """Return the k places of a window whose letters count; every ``skip``-th is passed over (2 or more; 0: none is)."""
    places = np.arange(k, dtype=np.int64)
    return places + places // (skip - 1) if skip else places


def kmer_profiles(sequences: Sequence[str], *, k: int = DEFAULT_K, skip: int = 0) -> NDArray[np.float32]:
    """Return (n, 4**k) float32 unit rows; an all-zero row for a sequence without any whole window."""
    return profiles_of_codes(*encode_letters(sequences), k=k, skip=skip)


def profiles_of_codes(
    codes: NDArray[np.uint8], offsets: NDArray[np.int64], *, k: int = DEFAULT_K, skip: int = 0
) -> NDArray[np.float32]:
    """Return the profiles of sequences that already are letter codes, as ``encode_letters`` gives them."""
    if skip:
        return _spaced_profiles(codes, offsets, window_places(k, skip))  # type: ignore[no-any-return,unused-ignore]
    return _profiles(codes, offsets, k)  # type: ignore[no-any-return,unused-ignore]


@njit(cache=True, nogil=True)
def _scale(counts):  # type: ignore[no-untyped-def]
    windows = counts.sum()
    if windows > 0:
        for column in range(counts.size):
            if counts[column] > 0:
                # The squares of the roots add up to the number of windows, so this gives unit length.
                counts[column] = np.sqrt(counts[column] / windows)


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
        _scale(profiles[row])
    return profiles


@njit(cache=True, nogil=True)
def _spaced_profiles(codes, offsets, places):  # type: ignore[no-untyped-def]
    count = offsets.size - 1
    profiles = np.zeros((count, 4**places.size), dtype=np.float32)
    for row in range(count):
        for start in range(offsets[row], offsets[row + 1] - places[-1]):
            index = 0
            whole = True
            for place in places:
                code = codes[start + place]
                if code > 3:
                    whole = False
                    break
                index = index * 4 + code
            if whole:
                profiles[row, index] += 1.0
        _scale(profiles[row])
    return profiles

"""Exact k-mer cosine of a read with a short list of references, from sparse profiles.

The profiles are those of ``abyssal.encoder.kmers`` (square roots of k-mer counts, unit length), stored sparsely: an
amplicon has a few hundred distinct 6-mers out of 4,096, and twenty thousand of them fit in 60 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from abyssal.encoder.kmers import DEFAULT_K, encode_letters, profile_size


@dataclass(frozen=True)
class SparseProfiles:
    """n sparse k-mer profiles.

    Attributes:
        offsets: (n + 1,) int64, where each profile starts.
        kmers: int32 k-mer codes, rising inside a profile.
        values: float32, unit length per profile; nothing is stored for a sequence without a whole window.
        k: length of the k-mers (bases).
    """

    offsets: NDArray[np.int64]
    kmers: NDArray[np.int32]
    values: NDArray[np.float32]
    k: int = DEFAULT_K

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def tail(self, first: int) -> SparseProfiles:
        """Return the profiles from position ``first`` on."""
        start = self.offsets[first]
        return SparseProfiles(self.offsets[first:] - start, self.kmers[start:], self.values[start:], self.k)


def sparse_profiles(sequences: Sequence[str], *, k: int = DEFAULT_K) -> SparseProfiles:
    """Return the sparse profiles of upper-case sequences."""
    codes, letters = encode_letters(sequences)
    offsets, kmers, values = _count(codes, letters, k)
    return SparseProfiles(offsets, kmers, values, k)


def cosines(queries: SparseProfiles, references: SparseProfiles, candidates: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the cosine of each query with each of its candidates.

    Args:
        queries: q profiles.
        references: n profiles.
        candidates: (q, c) int64 positions in ``references``; -1 is an empty place.

    Returns:
        (q, c) float32, 0..1; -1 where the place is empty.
    """
    size = profile_size(references.k)
    found: NDArray[np.float32] = _cosines(
        queries.offsets, queries.kmers, queries.values,
        references.offsets, references.kmers, references.values, candidates, size,
    )  # fmt: skip
    return found


@njit(cache=True, nogil=True)
def _count(codes, letters, k):  # type: ignore[no-untyped-def]
    count = letters.size - 1
    size = 4**k
    offsets = np.zeros(count + 1, dtype=np.int64)
    kmers = np.empty(codes.size, dtype=np.int32)
    values = np.empty(codes.size, dtype=np.float32)
    tally = np.zeros(size, dtype=np.int32)
    # A bit a k-mer: read in order, they give rising codes without sorting.
    seen = np.zeros(size // 64 + 1, dtype=np.uint64)
    one = np.uint64(1)
    filled = 0
    for row in range(count):
        index, valid, windows = 0, 0, 0
        for position in range(letters[row], letters[row + 1]):
            code = codes[position]
            if code > 3:
                valid = 0
                index = 0
                continue
            index = (index * 4 + code) % size
            valid += 1
            if valid >= k:
                tally[index] += 1
                seen[index >> 6] |= one << np.uint64(index & 63)
                windows += 1
        for word in range(seen.size):
            bits = seen[word]
            seen[word] = 0
            code = word * 64
            while bits:
                if bits & one:
                    kmers[filled] = code
                    values[filled] = np.sqrt(tally[code] / windows)
                    tally[code] = 0
                    filled += 1
                bits >>= one
                code += 1
        offsets[row + 1] = filled
    return offsets, kmers[:filled].copy(), values[:filled].copy()


@njit(cache=True, nogil=True)
def _cosines(query_offsets, query_kmers, query_values, offsets, kmers, values, candidates, size):  # type: ignore[no-untyped-def]
    rows, columns = candidates.shape
    result = np.full((rows, columns), -1.0, dtype=np.float32)
    dense = np.zeros(size, dtype=np.float32)
    for row in range(rows):
        for place in range(query_offsets[row], query_offsets[row + 1]):
            dense[query_kmers[place]] = query_values[place]
        for column in range(columns):
            reference = candidates[row, column]
            if reference >= 0:
                total = 0.0
                for place in range(offsets[reference], offsets[reference + 1]):
                    total += dense[kmers[place]] * values[place]
                result[row, column] = min(total, 1.0)
        for place in range(query_offsets[row], query_offsets[row + 1]):
            dense[query_kmers[place]] = 0.0
    return result

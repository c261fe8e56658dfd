"""Which way round a read is, told from k-mers before anything is embedded.

Averaging both strands would halve the encoder's speed. Instead each read's k-mers are compared with the average profile
of the reference in primer orientation, and with the same profile read backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from abyssal.encoder.kmers import DEFAULT_K, encode_letters, profile_size
from abyssal.sequences.alphabet import reverse_complement


@dataclass(frozen=True)
class StrandProfile:
    """How much each k-mer speaks for the forward strand.

    Attributes:
        weights: (4**k,) float32; log of the k-mer's frequency on the forward strand over that on the reverse one, so
            that a k-mer and its reverse complement have opposite signs. Store this array to keep the profile.
    """

    weights: NDArray[np.float32]

    @property
    def k(self) -> int:
        """Letters of a k-mer."""
        return (self.weights.size.bit_length() - 1) // 2

    @classmethod
    def fit(cls, sequences: Sequence[str], *, k: int = DEFAULT_K) -> StrandProfile:
        """Learn from normalised sequences in primer orientation; from none, every read counts as forward."""
        codes, offsets = encode_letters(sequences)
        # Add-one counts: a k-mer never seen on either strand says nothing.
        frequencies = np.log(_kmer_counts(codes, offsets, k) + 1.0)
        return cls((frequencies - frequencies[_reverse_complements(k)]).astype(np.float32))

    def scores(self, sequences: Sequence[str]) -> NDArray[np.float64]:
        """Return (n,) mean weights of the k-mers of normalised sequences; above 0 speaks for forward."""
        codes, offsets = encode_letters(sequences)
        return _mean_weights(codes, offsets, self.k, self.weights)  # type: ignore[no-any-return,unused-ignore]

    def orient(self, sequences: Sequence[str]) -> tuple[list[str], NDArray[np.bool_]]:
        """Return the sequences in primer orientation and an (n,) mask of those turned; ties stay as they are."""
        flipped = self.scores(sequences) < 0
        oriented = [
            reverse_complement(sequence) if turn else sequence
            for sequence, turn in zip(sequences, flipped, strict=True)
        ]
        return oriented, flipped


def _reverse_complements(k: int) -> NDArray[np.int64]:
    """Return for each k-mer's number the number of its reverse complement."""
    numbers = np.arange(profile_size(k), dtype=np.int64)
    reversed_numbers = np.zeros_like(numbers)
    for _ in range(k):
        reversed_numbers = reversed_numbers * 4 + (3 - numbers % 4)
        numbers //= 4
    return reversed_numbers


@njit(cache=True, nogil=True)
def _kmer_counts(codes, offsets, k):  # type: ignore[no-untyped-def]
    size = 4**k
    counts = np.zeros(size, dtype=np.float64)
    for row in range(offsets.size - 1):
        index = 0
        valid = 0
        for position in range(offsets[row], offsets[row + 1]):
            code = codes[position]
            valid = valid + 1 if code < 4 else 0
            index = (index * 4 + code) % size if code < 4 else 0
            if valid >= k:
                counts[index] += 1.0
    return counts


@njit(cache=True, nogil=True)
def _mean_weights(codes, offsets, k, weights):  # type: ignore[no-untyped-def]
    size = 4**k
    scores = np.zeros(offsets.size - 1, dtype=np.float64)
    for row in range(offsets.size - 1):
        index = 0
        valid = 0
        windows = 0
        for position in range(offsets[row], offsets[row + 1]):
            code = codes[position]
            valid = valid + 1 if code < 4 else 0
            index = (index * 4 + code) % size if code < 4 else 0
            if valid >= k:
                scores[row] += weights[index]
                windows += 1
        if windows > 0:
            scores[row] /= windows
    return scores

"""The strand of sequences without primer sites: they are turned to the strand that most of them have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from abyssal.encoder.kmers import kmer_profiles
from abyssal.sequences.alphabet import reverse_complement

_BLOCK = 2000
_CLEARLY = 1.5
"""How many times more alike the other strand must be: unrelated sequences are about equally unlike on both."""


def on_the_other_strand(sequences: Sequence[str]) -> list[bool]:
    """Return which sequences are clearly more like the average of all (cosine of 6-mer profiles) when turned."""
    average = np.zeros(4**6, dtype=np.float64)
    for first in range(0, len(sequences), _BLOCK):
        average += kmer_profiles(sequences[first : first + _BLOCK]).sum(axis=0, dtype=np.float64)
    turned: list[bool] = []
    for first in range(0, len(sequences), _BLOCK):
        block = sequences[first : first + _BLOCK]
        plus = kmer_profiles(block) @ average
        minus = kmer_profiles([reverse_complement(sequence) for sequence in block]) @ average
        turned.extend((minus > _CLEARLY * plus).tolist())
    return turned

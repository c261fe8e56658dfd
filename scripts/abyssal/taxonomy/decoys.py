"""What is not this marker at all: floors of similarity, from sequences that cannot be any taxon.

Decoys have the composition of real amplicons but no common descent with them: shuffled, reversed without complement,
and random. A read below the floors of both k-mer cosine and identity is off target, which is not the same as new.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DECOYS_OF_A_KIND = 150
_QUANTILE = 0.99
_IDENTITY_SLACK = 0.02
"""Unrelated real genes align slightly better than decoys: they share composition in runs."""


@dataclass(frozen=True)
class OffTargetFloors:
    """A read is off target when its best k-mer cosine and its best identity are both below these."""

    kmer: float
    identity: float

    def rejects(self, kmer: NDArray[np.float32], identity: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return (q,) whether reads with these best similarities are off target."""
        rejected: NDArray[np.bool_] = (kmer < self.kmer) & (np.nan_to_num(identity, nan=0.0) < self.identity)
        return rejected


def decoy_sequences(sequences: tuple[str, ...], rng: np.random.Generator) -> list[str]:
    """Return decoys made from amplicons; none from none."""
    if not sequences:
        return []
    picked = [sequences[i] for i in rng.integers(len(sequences), size=DECOYS_OF_A_KIND)]
    shuffled = ["".join(rng.permutation(list(sequence))) for sequence in picked]
    random = ["".join(rng.choice(list("ACGT"), size=len(sequence))) for sequence in picked]
    return shuffled + [sequence[::-1] for sequence in picked] + random


def fit_floors(kmer: NDArray[np.float32], identity: NDArray[np.float32]) -> OffTargetFloors:
    """Return the floors that 99 % of decoys with these best similarities stay below."""
    if kmer.size == 0:
        return OffTargetFloors(0.0, 0.0)
    return OffTargetFloors(
        float(np.quantile(kmer, _QUANTILE)),
        float(np.quantile(np.nan_to_num(identity, nan=0.0), _QUANTILE)) + _IDENTITY_SLACK,
    )

"""Plain k-mer profiles behind the encoder interface: the baseline and the ablation every model is compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abyssal.encoder.engine import round_vectors
from abyssal.encoder.identity import KMER_MODEL_TYPE
from abyssal.encoder.kmers import DEFAULT_K, kmer_profiles, profile_size
from abyssal.sequences.alphabet import normalise


class KmerEncoder:
    """An ``Encoder`` whose vectors are the k-mer profiles themselves; nothing is learnt."""

    def __init__(self, *, k: int = DEFAULT_K, digest: str | None = None) -> None:
        self._k = k
        self._digest = digest or hashlib.sha256(f"{KMER_MODEL_TYPE}-{k}".encode()).hexdigest()

    @property
    def dimension(self) -> int:
        return profile_size(self._k)

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def engine(self) -> str:
        return "numba-fp32"

    def embed(self, sequences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, 4**k) rounded unit rows; zeros for a sequence without one whole k-mer."""
        return round_vectors(kmer_profiles([normalise(sequence) for sequence in sequences], k=self._k))

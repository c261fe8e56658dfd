"""The wide branch's starting point: the directions that keep most of the cosines between reference profiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from abyssal.encoder.kmers import kmer_profiles, profile_size
from abyssal.encoder.training.corpus import MarkerCorpus

_BLOCK = 2048


def principal_directions(corpora: Sequence[MarkerCorpus], *, k: int, dimension: int) -> NDArray[np.float32]:
    """Return (dimension, 4**k) float32 orthonormal rows, the most important first.

    The profiles are not centred: the dot product of two projections then approximates that of the profiles themselves,
    which is the cosine that k-mer search uses. A marker counts with the square root of its size, so that a small one
    keeps directions of its own. Each direction's largest entry is positive, which makes the result unique.
    """
    size = profile_size(k)
    moment = np.zeros((size, size), dtype=np.float32)
    for corpus in corpora:
        own = np.zeros_like(moment)
        for start in range(0, len(corpus.sequences), _BLOCK):
            profiles = kmer_profiles(corpus.sequences[start : start + _BLOCK], k=k)
            own += profiles.T @ profiles
        moment += own / np.float32(max(1, len(corpus.sequences)) ** 0.5)
    _, vectors = eigh(moment, subset_by_index=[size - dimension, size - 1])
    directions = vectors[:, ::-1].T
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(dimension), largest])
    return np.ascontiguousarray(directions * signs[:, None], dtype=np.float32)

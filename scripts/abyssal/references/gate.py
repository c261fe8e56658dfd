"""The label-free gate: how far a sequence may be from the reference before it counts as unexplained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from abyssal.encoder.kmers import DEFAULT_K, kmer_profiles
from abyssal.errors import UsageError

_BLOCK = 512
_MAX_QUERIES = 5000


class Gate(TypedDict):
    """A cosine distance, the quantile it is, and the length of the k-mers it was measured with."""

    distance: float
    quantile: float
    k: int


def fit_gate(
    sequences: Sequence[str], *, quantile: float, k: int = DEFAULT_K, rng: np.random.Generator | None = None
) -> Gate:
    """Return the quantile of the leave-one-out nearest-neighbour distances of a reference's amplicons.

    References of more than 5,000 amplicons are sampled: that many are looked up among all others.

    Raises:
        UsageError: fewer than two amplicons, or a quantile outside 0 to 1.
    """
    if not 0.0 <= quantile <= 1.0:
        message = f"cluster.gate_quantile is {quantile}; expected a share between 0 and 1"
        raise UsageError(message)
    if len(sequences) < 2:
        message = f"the gate needs a reference of at least two amplicons, this one has {len(sequences)}"
        raise UsageError(message)
    queries = np.arange(len(sequences))
    if queries.size > _MAX_QUERIES:
        generator = rng if rng is not None else np.random.default_rng(0)
        queries = np.sort(generator.choice(queries, size=_MAX_QUERIES, replace=False))
    nearest = nearest_similarity(sequences, queries, k=k)
    distance = float(np.quantile(1.0 - nearest, quantile))
    # Rounded, so that the last bits of a matrix product do not change files downstream.
    return Gate(distance=round(max(distance, 0.0), 6), quantile=quantile, k=k)


def nearest_similarity(sequences: Sequence[str], queries: NDArray[np.int64], *, k: int) -> NDArray[np.float32]:
    """Return each query's largest cosine to another sequence; positions in ``queries``, float32 in 0 to 1."""
    looked_up = kmer_profiles([sequences[position] for position in queries], k=k)
    nearest = np.full(queries.size, -1.0, dtype=np.float32)
    for first in range(0, len(sequences), _BLOCK):
        block = np.arange(first, min(first + _BLOCK, len(sequences)))
        similarity = np.matmul(looked_up, kmer_profiles(sequences[first : first + _BLOCK], k=k).T)
        similarity[queries[:, None] == block[None, :]] = -1.0
        np.maximum(nearest, similarity.max(axis=1), out=nearest)
    return np.clip(nearest, 0.0, 1.0)

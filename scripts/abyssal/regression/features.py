"""Compositions as numbers: moments in embedding space, and the ASV table's own geometry for the peers.

A sample's reads become weights of its ASVs (shares, or square roots of shares), and the weighted mean and standard
deviation of the ASVs' vectors describe it: 2 d numbers whatever the ASVs are, so that samples without a common ASV can
be compared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def weights(counts: NDArray[np.int64], power: float) -> Matrix:
    """Return (samples, ASVs) weights that sum to one a sample: shares raised to a power (1, or 0.5 for roots).

    Args:
        counts: (ASVs, samples) reads; every sample has some.
        power: below 1, common ASVs count for less.
    """
    shares = counts.T / counts.sum(axis=0)[:, None]
    raised: Matrix = shares**power
    scaled: Matrix = raised / raised.sum(axis=1, keepdims=True)
    return scaled


def moments(counts: NDArray[np.int64], vectors: NDArray[np.float32], power: float) -> Matrix:
    """Return (samples, 2 d): weighted mean and standard deviation of the ASVs' vectors in each dimension."""
    weight = weights(counts, power)
    values = vectors.astype(np.float64)
    mean = weight @ values
    variance = np.maximum(weight @ values**2 - mean**2, 0.0)
    return np.hstack([mean, np.sqrt(variance)])


def centred_log_ratios(counts: NDArray[np.int64]) -> Matrix:
    """Return (samples, ASVs) centred log-ratios with half a read added to every count."""
    logs = np.log(counts.T + 0.5)
    ratios: Matrix = logs - logs.mean(axis=1, keepdims=True)
    return ratios


def bray_curtis(counts: NDArray[np.int64]) -> Matrix:
    """Return (samples, samples) Bray-Curtis dissimilarities of shares."""
    shares = weights(counts, 1.0)
    result = np.zeros((len(shares), len(shares)))
    for row, own in enumerate(shares):
        result[row] = 1.0 - np.minimum(own[None, :], shares).sum(axis=1)
    return result


def kernels(counts: NDArray[np.int64], vectors: NDArray[np.float32]) -> dict[str, dict[str, Matrix]]:
    """Return for each method its candidate kernels, (samples, samples) each; inner validation chooses between them.

    ``pcoa`` is the inner product of principal coordinates of Bray-Curtis: minus half the squared dissimilarity, which
    becomes that product once it is centred on the training samples.
    """
    own = {}
    for name, power in (("shares", 1.0), ("roots", 0.5)):
        both = moments(counts, vectors, power)
        mean = np.hsplit(both, 2)[0]
        own[f"{name}, mean"] = mean @ mean.T
        own[f"{name}, mean and deviation"] = both @ both.T
    ratios = centred_log_ratios(counts)
    return {
        "embedding": own,
        "clr-ridge": {"clr": ratios @ ratios.T},
        "pcoa-ridge": {"bray-curtis": -0.5 * bray_curtis(counts) ** 2},
    }

"""Kernel ridge regression with nested leave-site-out validation; nothing of a left-out site is used before it is asked.

A kernel is centred on the training samples only. The inner loop leaves out one further site at a time to choose the
candidate kernel and the penalty; then all training samples are fitted once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

PENALTIES = tuple(float(value) for value in np.logspace(-6, 3, 19))
"""Relative to the mean squared length of the training samples."""

_ROUNDING = 1e-13
"""Share of a kernel's largest entry that its own rounding makes; one read of a million would make 1e-12."""


@dataclass(frozen=True)
class Choice:
    """A candidate kernel and a penalty."""

    kernel: str
    penalty: float


def composed_alike(scale: float, kernel: Matrix) -> bool:
    """Return whether centred samples are so short that rounding made them, so that nothing can be learnt from them.

    Args:
        scale: mean squared length of the centred samples.
        kernel: (n, n) inner products before centring.
    """
    return scale <= _ROUNDING * float(np.abs(kernel).max())


def fit_predict(
    kernel: Matrix, target: Matrix, train: NDArray[np.int64], test: NDArray[np.int64], penalty: float
) -> Matrix:
    """Fit on the samples ``train`` and return the predictions of ``test``."""
    inner = kernel[np.ix_(train, train)]
    between = kernel[np.ix_(test, train)]
    columns = inner.mean(axis=0)
    centred = inner - columns[None, :] - columns[:, None] + columns.mean()
    asked = between - between.mean(axis=1, keepdims=True) - columns[None, :] + columns.mean()
    scale = float(np.trace(centred)) / len(train)
    mean = float(target[train].mean())
    if composed_alike(scale, inner):
        return np.full(test.size, mean)
    dual = np.linalg.solve(centred + penalty * scale * np.eye(len(train)), target[train] - mean)
    predicted: Matrix = mean + asked @ dual
    return predicted


def choose(
    candidates: Mapping[str, Matrix], target: Matrix, sites: NDArray[np.int64], train: NDArray[np.int64]
) -> Choice:
    """Return the candidate with the least squared error when sites of ``train`` are left out one at a time."""
    best, least = Choice(next(iter(candidates)), PENALTIES[-1]), np.inf
    for name, kernel in candidates.items():
        for penalty in PENALTIES:
            error = 0.0
            for site in np.unique(sites[train]):
                out, rest = train[sites[train] == site], train[sites[train] != site]
                error += float(((fit_predict(kernel, target, rest, out, penalty) - target[out]) ** 2).sum())
            # Relative, as errors have the target's unit: an absolute hair would be all there is of moles a litre.
            if error < least * (1.0 - 1e-12):
                best, least = Choice(name, penalty), error
    return best


def leave_sites_out(
    candidates: Mapping[str, Matrix], target: Matrix, sites: NDArray[np.int64]
) -> tuple[Matrix, list[Choice]]:
    """Return the prediction of every sample by a model that has seen nothing of its site, and what was chosen."""
    predicted = np.zeros(target.size)
    choices = []
    for site in np.unique(sites):
        test, train = np.flatnonzero(sites == site), np.flatnonzero(sites != site)
        chosen = choose(candidates, target, sites, train)
        predicted[test] = fit_predict(candidates[chosen.kernel], target, train, test, chosen.penalty)
        choices.append(chosen)
    return predicted, choices


def leave_sites_out_mean(target: Matrix, sites: NDArray[np.int64]) -> Matrix:
    """Return for every sample the mean of all samples of other sites: what one says who looks at nothing."""
    predicted = np.zeros(target.size)
    for site in np.unique(sites):
        predicted[sites == site] = target[sites != site].mean()
    return predicted

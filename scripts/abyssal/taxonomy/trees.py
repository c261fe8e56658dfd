"""Gradient-boosted trees as plain arrays: stored as numbers, evaluated here, no pickle and no scikit-learn at serving.

The arrays are those of scikit-learn's HistGradientBoostingClassifier for two classes; a test holds both to 1e-6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FIELDS = ("feature", "threshold", "left", "right", "missing_left", "value", "roots")


@dataclass(frozen=True)
class TreeEnsemble:
    """A sum of trees and its log-odds at the start; leaves have ``left`` -1.

    Attributes:
        baseline: log-odds without any tree.
        feature: (m,) int16, column compared at each node.
        threshold: (m,) float64, values up to it go left.
        left, right: (m,) int32, children as positions in these arrays.
        missing_left: (m,) uint8, whether NaN goes left.
        value: (m,) float64, what a leaf adds to the log-odds.
        roots: (t,) int32, where each tree starts; no trees make a constant.
    """

    baseline: float
    feature: NDArray[np.int16]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.uint8]
    value: NDArray[np.float64]
    roots: NDArray[np.int32]

    def log_odds(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (q,) log-odds for (q, F) evidence."""
        rows = np.ascontiguousarray(evidence, dtype=np.float64)
        total: NDArray[np.float64] = _evaluate(
            rows, self.baseline, self.feature, self.threshold, self.left, self.right, self.missing_left, self.value,
            self.roots,
        )  # fmt: skip
        return total

    def probability(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (q,) probabilities for (q, F) evidence."""
        share: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-self.log_odds(evidence)))
        return share

    def stretched(self, slope: float, offset: float) -> TreeEnsemble:
        """Return the ensemble whose log-odds are ``slope`` times these plus ``offset``."""
        return replace(self, baseline=slope * self.baseline + offset, value=slope * self.value)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, to be stored; ``from_arrays`` is the way back."""
        stored: dict[str, NDArray[Any]] = {f"{prefix}.{name}": getattr(self, name) for name in _FIELDS}
        stored[f"{prefix}.baseline"] = np.array([self.baseline], dtype=np.float64)
        return stored


def from_arrays(arrays: dict[str, NDArray[Any]], prefix: str) -> TreeEnsemble:
    """Rebuild an ensemble from stored arrays."""
    fields = {name: arrays[f"{prefix}.{name}"] for name in _FIELDS}
    return TreeEnsemble(float(arrays[f"{prefix}.baseline"][0]), **fields)


def constant(probability: float) -> TreeEnsemble:
    """Return an ensemble that always says the same."""
    empty = np.zeros(0, dtype=np.int32)
    return TreeEnsemble(
        float(np.log(probability / (1.0 - probability))), np.zeros(0, dtype=np.int16), np.zeros(0), empty, empty,
        np.zeros(0, dtype=np.uint8), np.zeros(0), empty,
    )  # fmt: skip


def from_scikit(model: Any) -> TreeEnsemble:
    """Copy the trees of a fitted two-class HistGradientBoostingClassifier without categorical columns."""
    nodes = [trees[0].nodes for trees in model._predictors]
    starts = np.cumsum([0, *[len(tree) for tree in nodes]])
    together = np.concatenate(nodes)
    offset = np.repeat(starts[:-1], [len(tree) for tree in nodes])
    leaf = together["is_leaf"].astype(bool)
    return TreeEnsemble(
        float(np.ravel(model._baseline_prediction)[0]),
        together["feature_idx"].astype(np.int16),
        np.where(leaf, 0.0, together["num_threshold"]).astype(np.float64),
        np.where(leaf, -1, together["left"] + offset).astype(np.int32),
        np.where(leaf, -1, together["right"] + offset).astype(np.int32),
        together["missing_go_to_left"].astype(np.uint8),
        np.where(leaf, together["value"], 0.0).astype(np.float64),
        starts[:-1].astype(np.int32),
    )


@njit(cache=True, nogil=True)
def _evaluate(rows, baseline, feature, threshold, left, right, missing_left, value, roots):  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    result = np.full(rows.shape[0], baseline)
    for row in range(rows.shape[0]):
        for root in roots:
            node = root
            while left[node] >= 0:
                number = rows[row, feature[node]]
                if np.isnan(number):
                    node = left[node] if missing_left[node] else right[node]
                elif number <= threshold[node]:
                    node = left[node]
                else:
                    node = right[node]
            result[row] += value[node]
    return result

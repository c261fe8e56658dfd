"""How new a whole study is: the shares of new species, genera and families among its reads, by maximum likelihood.

Each read has, under the model's stated mix, a probability of every kind of novelty. Expectation maximisation finds the
mix under which the mean of these probabilities is the mix itself (Saerens et al. 2002, doi:10.1162/089976602753284446).
It is a step of a study, whose value is written out: no answer depends on it, so that a read is told the same wherever
it stands. Who wants confidences for the estimated mix states it in the config or the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.config.models import NoveltyConfig
from abyssal.taxonomy.calibration import EDGE

KINDS = ("family", "genus", "species", "known")
"""New family or beyond, new genus, new species, known species: the order of all arrays here."""

_STEPS = 500
_SETTLED = 1e-7
_RESAMPLES = 200
_FEWEST = 20
"""Fewest reads that say anything about a mix."""


@dataclass(frozen=True)
class Mixture:
    """An estimated mix.

    Attributes:
        reads: distinct reads it was estimated from; off-target and faulty ones are left out.
        shares: (4,) of each of ``KINDS``; None with too few reads.
        low, high: (4,) bootstrap interval of 95 % over reads.
    """

    reads: int
    shares: NDArray[np.float64] | None
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None

    def as_json(self, stated: NoveltyConfig) -> dict[str, Any]:
        """Return what is written out, beside the mix that the confidences of the study hold for."""
        found: dict[str, Any] = {"format": "abyssal-novelty", "format_version": 1, "distinct_reads": self.reads,
                                 "stated": stated.model_dump(), "estimated": None, "interval": None}  # fmt: skip
        if self.shares is not None and self.low is not None and self.high is not None:
            columns = list(zip(KINDS, self.shares, self.low, self.high, strict=True))
            found["estimated"] = {kind: round(float(share), 4) for kind, share, _, _ in columns}
            found["interval"] = {kind: [round(float(low), 4), round(float(high), 4)] for kind, _, low, high in columns}
        return found


def kinds_of(absent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (q, 4) P(kind) from (q, R) P(absent), which never falls down the ranks."""
    rows, ranks = absent.shape
    bounds = np.zeros((rows, 5))
    for place in range(3):
        rank = ranks - 3 + place
        bounds[:, place + 1] = absent[:, rank] if rank >= 0 else 0.0
    bounds[:, 4] = 1.0
    return np.diff(bounds, axis=1)


def estimate_mixture(kinds: NDArray[np.float64], stated: NoveltyConfig, rng: np.random.Generator) -> Mixture:
    """Return the mix of reads whose (q, 4) probabilities hold for the stated one."""
    count = len(kinds)
    if count < _FEWEST:
        return Mixture(count, None, None, None)
    prior = np.maximum([stated.family, stated.genus, stated.species, 0.0], EDGE)
    prior[3] = max(1.0 - prior[:3].sum(), EDGE)
    likelihood = np.maximum(kinds, 0.0) / prior
    shares = _settle(likelihood, np.full(count, 1.0 / count), prior)
    weights = rng.multinomial(count, np.full(count, 1.0 / count), size=_RESAMPLES) / count
    resampled = np.array([_settle(likelihood, row, shares) for row in weights])
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    return Mixture(count, shares, low, high)


def _settle(
    likelihood: NDArray[np.float64], weights: NDArray[np.float64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Run expectation maximisation until no share moves."""
    shares: NDArray[np.float64] = np.maximum(start / start.sum(), EDGE)
    for _ in range(_STEPS):
        joint = likelihood * shares
        joint /= np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)
        after: NDArray[np.float64] = weights @ joint
        moved = float(np.abs(after - shares).max())
        shares = after
        if moved < _SETTLED:
            break
    return shares

"""Alpha diversity, rarefaction curves and ordinations of a count table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from abyssal.reads.table import CountTable

METRICS = ("braycurtis", "jaccard")
FEWEST_SAMPLES = 3
"""Two samples lie on a line whatever they hold."""
_CURVE_POINTS = 24


@dataclass(frozen=True)
class Alpha:
    """Diversity of one sample.

    Attributes:
        sample: its name.
        reads: reads in the table.
        asvs: ASVs with reads.
        taxa: distinct taxa among them: accepted lineages and putative taxa; unnamed ASVs are one.
        rarefied: expected ASVs in as many reads as the smallest sample that has any; None without reads.
        chao1: estimated ASVs, seen and unseen (bias-corrected Chao1); None without reads.
        shannon: Shannon entropy (natural logarithm); None without reads.
        simpson: Simpson's index 1 - D, 0..1; None without reads.
        evenness: Pielou's evenness, 0..1; None with fewer than two ASVs.
        coverage: Good's coverage, 0..1: share of reads that are no singletons; None without reads.
    """

    sample: str
    reads: int
    asvs: int
    taxa: int
    rarefied: float | None = None
    chao1: float | None = None
    shannon: float | None = None
    simpson: float | None = None
    evenness: float | None = None
    coverage: float | None = None


@dataclass(frozen=True)
class Ordination:
    """Principal coordinates of the samples that have reads.

    Attributes:
        metric: one of ``METRICS``.
        samples: names, in the order of rows.
        coordinates: (samples, 2); the largest of each axis is positive.
        explained: share of the variance of each axis, 0..1.
        distances: (samples, samples), 0..1.
    """

    metric: str
    samples: tuple[str, ...]
    coordinates: NDArray[np.float64]
    explained: tuple[float, float]
    distances: NDArray[np.float64]


def expected_richness(counts: NDArray[np.int64], depth: int) -> float:
    """Return the expected number of features in ``depth`` reads drawn without replacement (Hurlbert 1971).

    Args:
        counts: reads by feature.
        depth: reads drawn, 0 to the sum of counts.
    """
    present = counts[counts > 0].astype(np.float64)
    total = present.sum()
    rest = total - present
    # log C(rest, depth) - log C(total, depth); a feature is surely found when fewer reads are left than are drawn.
    with np.errstate(invalid="ignore"):
        missing = gammaln(rest + 1) - gammaln(rest - depth + 1) - gammaln(total + 1) + gammaln(total - depth + 1)
    return float(np.where(rest >= depth, 1.0 - np.exp(missing), 1.0).sum()) if depth else 0.0


def rarefaction_curves(table: CountTable) -> dict[str, list[tuple[int, float]]]:
    """Return (reads, expected ASVs) from none to all reads, for each sample that has reads."""
    curves = {}
    for column, (sample, reads) in enumerate(table.totals().items()):
        if reads:
            depths = sorted({int(depth) for depth in np.linspace(0, reads, min(_CURVE_POINTS, reads) + 1)})
            curves[sample] = [(depth, expected_richness(table.counts[:, column], depth)) for depth in depths]
    return curves


def alpha_diversity(table: CountTable, taxa: Mapping[str, str]) -> list[Alpha]:
    """Return the diversity of every sample; ``taxa`` says what each ASV counts as."""
    totals = table.totals()
    smallest = min((reads for reads in totals.values() if reads), default=0)
    return [
        _alpha(sample, table.counts[:, column], table.features, taxa, smallest) for column, sample in enumerate(totals)
    ]


def _alpha(
    sample: str, counts: NDArray[np.int64], features: Sequence[str], taxa: Mapping[str, str], smallest: int
) -> Alpha:
    from skbio.diversity import alpha

    found = np.flatnonzero(counts)
    reads = int(counts.sum())
    names = len({taxa[features[place]] for place in found.tolist()})
    if not reads:
        return Alpha(sample, 0, 0, 0)
    return Alpha(
        sample, reads, len(found), names,
        expected_richness(counts, smallest),
        float(alpha.chao1(counts)),
        float(alpha.shannon(counts, base=np.e)),
        float(alpha.simpson(counts)),
        float(alpha.pielou_e(counts)) if len(found) > 1 else None,
        float(alpha.goods_coverage(counts)),
    )  # fmt: skip


def ordinate(table: CountTable) -> list[Ordination]:
    """Return one ordination a metric, or none when fewer than three samples have reads.

    Bray–Curtis compares shares of reads, Jaccard presence.
    """
    kept = [place for place, reads in enumerate(table.totals().values()) if reads]
    if len(kept) < FEWEST_SAMPLES:
        return []
    counts = table.counts[:, kept].T.astype(np.float64)
    names = tuple(table.columns[place] for place in kept)
    given = {"braycurtis": counts / counts.sum(axis=1, keepdims=True), "jaccard": counts > 0}
    return [_ordination(metric, names, given[metric]) for metric in METRICS]


def _ordination(metric: str, names: tuple[str, ...], values: NDArray[np.generic]) -> Ordination:
    from skbio.diversity import beta_diversity
    from skbio.stats.ordination import pcoa

    with warnings.catch_warnings():
        # Presence is no count and Bray–Curtis no Euclidean distance; scikit-bio says so each time.
        warnings.simplefilter("ignore")
        distances = beta_diversity(metric, values, names, validate=False)
        result = pcoa(distances, method="eigh")
    axes = np.zeros((len(names), 2))
    found = np.nan_to_num(result.samples.to_numpy()[:, :2])
    axes[:, : found.shape[1]] = found
    # An eigenvector's sign is arbitrary; a fixed one keeps the figure the same everywhere.
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    explained = [*np.nan_to_num(result.proportion_explained.to_numpy())[:2].tolist(), 0.0, 0.0]
    return Ordination(metric, names, axes, (explained[0], explained[1]), np.asarray(distances.data))

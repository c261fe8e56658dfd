"""The cheap calibrated peer: 6-mer cosine, 60 nearest records, a weighted vote, one monotone calibrator a rank.

It is the floor that a learned model has to clear. Calibrators see eight figures (best similarity, best of another
taxon, their margin, purity among 5 and 15, share of the vote, size of the taxon, tenth similarity), fitted on records
looked up with themselves, their species, their genus or their family banned (30, 30, 25 and 15 %).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from abyssal.evaluation.answers import Answers
from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.index import TaxonTable, taxon_table
from abyssal.taxonomy.profiles import SparseProfiles, sparse_profiles

NAME = "kmer-pilot"
NEAREST = 60
CALIBRATION = 6000
BANS = (0.30, 0.30, 0.25, 0.15)
"""Shares that are blind to themselves, their species, their genus, their family."""
POWERS = (1, 8, 32, 128)
"""Similarities are raised to one of these before they vote; calibration records choose."""
MONOTONE = (1, -1, 1, 1, 1, 1, 0, 0)
CONFIDENCE = 0.5
COMMAND = (
    "abyssal.benchmark.kmer_pilot: 6-mer cosine, 60 nearest, weighted vote, monotone boosted calibrators on 6,000 "
    "left-out records, confidence 0.5"
)


def kmer_pilot(reference: AmpliconReference, queries: Sequence[str], seed: int) -> Answers:
    """Fit on a reference and answer queries."""
    rng = np.random.default_rng(seed)
    taxa = taxon_table(reference)
    profiles = sparse_profiles(reference.sequences)
    places = np.sort(rng.permutation(taxa.pair_amplicons.size)[:CALIBRATION])
    levels = rng.choice(len(BANS), size=places.size, p=BANS)
    blind = _blind_codes(taxa, places, levels)
    calibration = _profiles_of(reference, taxa, places)
    own = taxa.pair_amplicons[places]
    nearest = _nearest_records(taxa, profiles, calibration, own, blind)
    asked = _nearest_records(taxa, profiles, sparse_profiles(queries), *_nothing(len(queries)))
    labels: list[list[str | None]] = [[None] * len(reference.ranks) for _ in queries]
    confidence = np.zeros((len(queries), len(reference.ranks)))
    for rank in range(len(reference.ranks)):
        truth = taxa.pair_codes[places, rank]
        voted = {power: _vote(taxa, rank, *nearest, power) for power in POWERS}
        power = max(POWERS, key=lambda power: int(((voted[power][0] == truth) & (truth >= 0)).sum()))
        chosen, figures = voted[power]
        right = _calibrated(figures, chosen == truth, (truth >= 0) & (chosen >= 0), seed)
        named, said = _vote(taxa, rank, *asked, power)
        confidence[:, rank] = np.where(named >= 0, right(said), 0.0)
        for row, code in enumerate(named.tolist()):
            labels[row][rank] = taxa.name(rank, code)
    return Answers(NAME, (COMMAND,), labels, confidence, confidence > CONFIDENCE)


def _profiles_of(reference: AmpliconReference, taxa: TaxonTable, places: NDArray[np.int64]) -> SparseProfiles:
    return sparse_profiles([reference.sequences[amplicon] for amplicon in taxa.pair_amplicons[places]])


def _nothing(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.full(count, -1, dtype=np.int64), np.full((count, 2), -1, dtype=np.int64)


def _blind_codes(taxa: TaxonTable, places: NDArray[np.int64], levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (q, 2): rank and code of the taxon each may not see; -1 for none."""
    ranks = len(taxa.ranks)
    rank = np.where(levels == 0, -1, np.maximum(ranks - levels, 0))
    code = np.where(levels == 0, -1, taxa.pair_codes[places, np.maximum(rank, 0)])
    return np.stack([np.where(code < 0, -1, rank), code], axis=1).astype(np.int64)


def _nearest_records(
    taxa: TaxonTable, profiles: SparseProfiles, queries: SparseProfiles, own: NDArray[np.int64],
    blind: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """Return (q, NEAREST) nearest records and their similarities, -1 and 0 where there are none left."""
    order = np.argsort(profiles.kmers, kind="stable")
    amplicons = np.repeat(np.arange(len(profiles), dtype=np.int32), np.diff(profiles.offsets))[order]
    starts = np.zeros(4**profiles.k + 1, dtype=np.int64)
    np.cumsum(np.bincount(profiles.kmers, minlength=4**profiles.k), out=starts[1:])
    found = np.full((len(queries), NEAREST), -1, dtype=np.int64)
    similarity = np.zeros((len(queries), NEAREST))
    values = profiles.values[order]
    for row in range(len(queries)):
        window = slice(int(queries.offsets[row]), int(queries.offsets[row + 1]))
        all_of_them = _similarities(
            queries.kmers[window], queries.values[window], starts, amplicons, values, len(profiles)
        )[taxa.pair_amplicons]
        if own[row] >= 0:
            all_of_them[taxa.pair_amplicons == own[row]] = -1.0
        if blind[row, 0] >= 0:
            all_of_them[taxa.pair_codes[:, blind[row, 0]] == blind[row, 1]] = -1.0
        best = np.argpartition(-all_of_them, min(NEAREST, all_of_them.size) - 1)[:NEAREST]
        best = best[np.argsort(-all_of_them[best], kind="stable")]
        best = best[all_of_them[best] > 0.0]
        found[row, : best.size], similarity[row, : best.size] = best, all_of_them[best]
    return found, similarity


@njit(cache=True, nogil=True)
def _similarities(kmers, weights, starts, amplicons, values, count):  # type: ignore[no-untyped-def]
    total = np.zeros(count)
    for place in range(kmers.size):
        weight = np.float64(weights[place])
        for posting in range(starts[kmers[place]], starts[kmers[place] + 1]):
            total[amplicons[posting]] += weight * values[posting]
    return total


def _vote(
    taxa: TaxonTable, rank: int, found: NDArray[np.int64], similarity: NDArray[np.float64], power: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (q,) the code with the largest vote at a rank and (q, 8) the figures that speak for it."""
    codes = np.where(found >= 0, taxa.pair_codes[np.maximum(found, 0), rank], -1).astype(np.int64)
    chosen, figures = _count_votes(codes, similarity, taxa.sizes[rank].astype(np.float64), float(power))
    return chosen, figures


@njit(cache=True, nogil=True)
def _count_votes(codes, similarity, sizes, power):  # type: ignore[no-untyped-def]
    rows, width = codes.shape
    chosen = np.full(rows, -1, dtype=np.int64)
    figures = np.zeros((rows, 8))
    for row in range(rows):
        weights = similarity[row] ** power
        winner, most, total = -1, 0.0, 0.0
        for place in range(width):
            code = codes[row, place]
            if code < 0:
                continue
            total += weights[place]
            votes = 0.0
            for other in range(width):
                if codes[row, other] == code:
                    votes += weights[other]
            if votes > most:
                winner, most = code, votes
        if winner < 0:
            continue
        best, second, of_five, of_fifteen = 0.0, 0.0, 0.0, 0.0
        for place in range(width):
            same = codes[row, place] == winner
            if same:
                best = max(best, similarity[row, place])
                of_five += 0.2 * (place < 5)
                of_fifteen += (place < 15) / 15.0
            elif codes[row, place] >= 0:
                second = max(second, similarity[row, place])
        chosen[row] = winner
        figures[row, 0], figures[row, 1], figures[row, 2] = best, second, best - second
        figures[row, 3], figures[row, 4], figures[row, 5] = of_five, of_fifteen, most / total
        figures[row, 6], figures[row, 7] = np.log1p(sizes[winner]), similarity[row, 9]
    return chosen, figures


class _Constant:
    """Says the same of everything, where all calibration records agree."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __call__(self, figures: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(figures.shape[0], self._value)


class _Boosted:
    def __init__(self, model: HistGradientBoostingClassifier) -> None:
        self._model = model

    def __call__(self, figures: NDArray[np.float64]) -> NDArray[np.float64]:
        said: NDArray[np.float64] = self._model.predict_proba(figures)[:, 1]
        return said


def _calibrated(
    figures: NDArray[np.float64], right: NDArray[np.bool_], counted: NDArray[np.bool_], seed: int
) -> _Constant | _Boosted:
    good = right[counted]
    if good.size == 0 or good.all() or not good.any():
        return _Constant(float(good.mean()) if good.size else 0.0)
    model = HistGradientBoostingClassifier(monotonic_cst=list(MONOTONE), random_state=seed)
    return _Boosted(model.fit(figures[counted], good))

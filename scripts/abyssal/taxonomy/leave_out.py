"""Calibration queries: reference amplicons looked up as if they, or a whole taxon of theirs, were unknown.

A query of stratum r is one whose taxon is absent at rank r and present above it; stratum R is a known taxon. Most known
queries have their own amplicon hidden: the taxon is known, the sequence new. The others keep it, as most reads of a
known species are exact copies of a reference. A new taxon hides what carries nothing else; an amplicon that it shares
with another taxon stays, for that is what a new taxon with an old sequence looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.taxonomy.evidence import Banned
from abyssal.taxonomy.index import UNKNOWN, ReferenceIndex, TaxonTable

STRATUM_SHARES = (0.28, 0.26, 0.24, 0.11, 0.05)
"""Shares drawn: known taxon with an unseen sequence, then absent from the lowest rank, the one above it, ..."""

EXACT_SHARE = 0.06
"""Share drawn of known taxa that keep their own amplicon."""


@dataclass(frozen=True)
class LeaveOut:
    """Calibration queries.

    Attributes:
        pairs: (q,) int64, the (amplicon, lineage) pair that is looked up.
        banned: what each may not see.
        hidden: for each the positions of the amplicons that are banned as a whole.
    """

    pairs: NDArray[np.int64]
    banned: Banned
    hidden: list[NDArray[np.int64]]

    @property
    def strata(self) -> NDArray[np.int64]:
        """(q,) int64, the highest rank at which the taxon is absent; R when all are present."""
        return self.banned.gone

    def __len__(self) -> int:
        return int(self.pairs.size)


def draw_queries(
    index: ReferenceIndex, count: int, rng: np.random.Generator, *, eligible: NDArray[np.bool_] | None = None
) -> LeaveOut:
    """Draw calibration queries over the strata.

    Args:
        index: the reference.
        count: queries wanted; fewer come back when a stratum has too few candidates.
        rng: source of randomness.
        eligible: (p,) pairs that may be drawn; None allows all.
    """
    taxa = index.taxa
    ranks = len(taxa.ranks)
    allowed = np.ones(taxa.pair_codes.shape[0], dtype=np.bool_) if eligible is None else eligible
    drawn: list[NDArray[np.int64]] = []
    levels: list[NDArray[np.int64]] = []
    for step, share in enumerate(STRATUM_SHARES[: ranks + 1]):
        stratum = ranks - step
        if stratum >= 1:
            drawn.append(_draw(allowed & _candidates(taxa, stratum), round(count * share), rng))
            levels.append(np.full(drawn[-1].size, stratum, dtype=np.int64))
    # Code R + 1 marks known taxa that keep their amplicon until the bans are made.
    known = taxa.pair_codes[:, -1] >= 0 if ranks else np.zeros(0, dtype=np.bool_)
    drawn.append(_draw(allowed & known, round(count * EXACT_SHARE), rng))
    levels.append(np.full(drawn[-1].size, ranks + 1, dtype=np.int64))
    return _ban(taxa, np.concatenate(drawn), np.concatenate(levels))


def _draw(pool: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    positions = np.flatnonzero(pool)
    return np.sort(rng.choice(positions, size=min(positions.size, count), replace=False)).astype(np.int64)


def _candidates(taxa: TaxonTable, stratum: int) -> NDArray[np.bool_]:
    """Pairs that can stand for a stratum: their taxon is known there, and something is left of the one above."""
    sizes, _, starts = taxa.facts
    codes = taxa.pair_codes
    if stratum == len(taxa.ranks):
        repeated: NDArray[np.bool_] = _sizes(sizes, int(starts[-2]), codes[:, -1]) >= 2
        return repeated
    below = codes[:, stratum]
    ancestor = np.zeros(below.size, dtype=sizes.dtype)
    for rank in range(stratum):
        above = codes[:, rank]
        ancestor = np.where(above >= 0, _sizes(sizes, int(starts[rank]), above), ancestor)
    left: NDArray[np.bool_] = (below >= 0) & (ancestor > _sizes(sizes, int(starts[stratum]), below))
    return left


def _sizes(sizes: NDArray[np.int64], start: int, codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the amplicons of each taxon of a rank, 0 where it is unknown; a rank may have no names at all."""
    found = np.zeros(codes.size, dtype=sizes.dtype)
    known = codes >= 0
    found[known] = sizes[start + codes[known]]
    return found


def _ban(taxa: TaxonTable, pairs: NDArray[np.int64], levels: NDArray[np.int64]) -> LeaveOut:
    ranks = len(taxa.ranks)
    own = np.where(levels == ranks, taxa.pair_amplicons[pairs], UNKNOWN)
    rank = np.where(levels < ranks, levels, UNKNOWN)
    codes = taxa.pair_codes[pairs, np.minimum(levels, ranks - 1)] if ranks else np.zeros(0, dtype=np.int32)
    code = np.where(levels < ranks, codes, UNKNOWN).astype(np.int64)
    whole = _whole_amplicons(taxa)
    nothing = np.zeros(0, dtype=np.int64)
    hidden = [
        whole[int(level)].get(int(name), nothing) if level >= 0 else np.array([amplicon])[[amplicon >= 0]]
        for amplicon, level, name in zip(own, rank, code, strict=True)
    ]
    removed = np.array([positions.size for positions in hidden], dtype=np.int64)
    strata = np.minimum(levels, ranks)
    return LeaveOut(pairs, Banned(own, rank, code, strata, removed, taxa.pair_codes[pairs]), hidden)


def _whole_amplicons(taxa: TaxonTable) -> list[dict[int, NDArray[np.int64]]]:
    """Per rank and code the amplicons that carry nothing else, so that a ban hides them altogether."""
    result: list[dict[int, NDArray[np.int64]]] = []
    starts = taxa.pair_offsets[:-1]
    for rank in range(len(taxa.ranks)):
        codes = taxa.pair_codes[:, rank]
        if codes.size == 0:
            result.append({})
            continue
        low, high = np.minimum.reduceat(codes, starts), np.maximum.reduceat(codes, starts)
        alone = np.flatnonzero((low == high) & (low >= 0))
        order = alone[np.argsort(low[alone], kind="stable")]
        names, first = np.unique(low[order], return_index=True)
        result.append(dict(zip(names.tolist(), np.split(order, first[1:]), strict=True)) if names.size else {})
    return result

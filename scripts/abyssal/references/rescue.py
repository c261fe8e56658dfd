"""Records whose primer sites were stripped or cut off: found again by alignment to amplicons already in hand.

Databases often end where the primers did: a COI barcode holds the inner forward primer but not HCO2198. Such a record
is kept when an aligned amplicon is covered from its first to its last base (up to three), and cut to that stretch; a
record that covers only part of it would make a shorter, different amplicon, and is dropped as ``partial``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import edlib
import numpy as np
from numpy.typing import NDArray

from abyssal.encoder.kmers import kmer_profiles
from abyssal.references.markers import ResolvedMarker
from abyssal.references.pcr import Amplification, Site
from abyssal.sequences.alphabet import IUPAC_BASES, reverse_complement

MAX_SEEDS = 4000
_MIN_SEEDS = 20
_IDENTITY = 0.7
_NEAREST = 8
_BLOCK = 500
_SLACK = 3
_SITE_SLACK = 12
_MODE_WIDTH = 3
_EDGE = 15
_PROBE = 50
_PROBE_ERRORS = 0.2
_CIGAR = re.compile(r"(\d+)([=XID])")
_EQUAL = [(letter, base) for letter, bases in IUPAC_BASES.items() if len(bases) > 1 for base in bases]


def anchored_seeds(candidates: Iterable[Amplification], marker: ResolvedMarker) -> list[str]:
    """Return amplicons that begin (or end) at one primer site and run to the sequence's other end at the usual length.

    The usual length is the most frequent one inside the marker's window, give or take three bases: where a database cut
    the second primer off, complete records pile up there and truncated ones do not.
    """
    inserts = [found for candidate in candidates if (found := anchored_insert(candidate))]
    inside = [insert for insert in inserts if marker.min_length <= len(insert) <= marker.max_length]
    if not inside:
        return []
    frequent = Counter(map(len, inside))
    mode = min(frequent, key=lambda length: (-frequent[length], length))
    return sorted({insert for insert in inside if abs(len(insert) - mode) <= _MODE_WIDTH})


def anchored_insert(candidate: Amplification) -> str:
    """Return what lies behind the forward site or before the reverse site; empty when neither was found."""
    if candidate.site is Site.FORWARD_ONLY:
        return candidate.sequence[candidate.start :]
    if candidate.site is Site.REVERSE_ONLY:
        return candidate.sequence[: candidate.end]
    return ""


def enough_seeds(amplified: int) -> bool:
    """Return whether the PCR alone found enough amplicons to align the rest to."""
    return amplified >= _MIN_SEEDS


def spread(sequences: Sequence[str], limit: int = MAX_SEEDS) -> list[str]:
    """Return at most ``limit`` sequences, evenly spread over the given order."""
    if len(sequences) <= limit:
        return list(sequences)
    return [sequences[position * len(sequences) // limit] for position in range(limit)]


class Aligner:
    """Aligns left-over sequences to seed amplicons.

    The eight seeds that share most 6-mers with a sequence are aligned inside it by edit distance (edlib, bit-parallel:
    fifty times faster here than vsearch's --usearch_global of whole genes), and the nearest one decides.
    """

    def __init__(self, seeds: Sequence[str]) -> None:
        self._seeds = list(seeds)
        self._profiles = kmer_profiles(self._seeds)

    def align(self, candidates: Sequence[Amplification]) -> list[tuple[str, str]]:
        """Return (outcome, amplicon) for each candidate: outcome ``kept``, ``partial`` or ``not_target``."""
        outcomes: list[tuple[str, str]] = []
        for first in range(0, len(candidates), _BLOCK):
            block = candidates[first : first + _BLOCK]
            plus = [candidate.sequence for candidate in block]
            minus = [reverse_complement(sequence) for sequence in plus]
            plus_scores, minus_scores = self._shared(plus), self._shared(minus)
            turned = minus_scores.max(axis=1) > plus_scores.max(axis=1)
            for row, candidate in enumerate(block):
                # Where a primer site was found the strand is known.
                is_minus = bool(turned[row]) and candidate.site is Site.NONE
                scores = minus_scores[row] if is_minus else plus_scores[row]
                nearest = np.argsort(-scores, kind="stable")[:_NEAREST]
                seeds = [self._seeds[position] for position in nearest]
                outcomes.append(_decide(candidate, minus[row] if is_minus else plus[row], seeds))
        return outcomes

    def _shared(self, sequences: Sequence[str]) -> NDArray[np.float32]:
        """Return how much of each seed's profile occurs in each sequence, (sequences, seeds)."""
        present = (kmer_profiles(sequences) > 0).astype(np.float32)
        return np.asarray(present @ np.square(self._profiles).T, dtype=np.float32)


def _decide(candidate: Amplification, sequence: str, seeds: Sequence[str]) -> tuple[str, str]:
    best: dict[str, Any] | None = None
    best_seed = ""
    for seed in seeds:
        limit = int((1 - _IDENTITY) * len(seed))
        if best is not None:
            limit = min(limit, best["editDistance"] - 1)
        if limit < 0:
            break
        found = edlib.align(seed, sequence, mode="HW", task="locations", k=limit, additionalEqualities=_EQUAL)
        if found["editDistance"] >= 0:
            best, best_seed = found, seed
    if best is None:
        return ("partial" if _begins_or_ends_inside(sequence, seeds) else "not_target"), ""
    start, last = best["locations"][0]
    end = last + 1
    sites = _snap(candidate, start, end)
    if _edge_missing(best_seed, sequence, start, end, sites):
        return "partial", ""
    start, end = sites
    return "kept", sequence[start:end]


def _snap(candidate: Amplification, start: int, end: int) -> tuple[int, int]:
    """A primer site that was found says better than an alignment where the amplicon begins or ends."""
    if candidate.site is Site.FORWARD_ONLY and abs(candidate.start - start) <= _SITE_SLACK:
        start = candidate.start
    if candidate.site is Site.REVERSE_ONLY and abs(candidate.end - end) <= _SITE_SLACK:
        end = candidate.end
    return start, end


def _edge_missing(seed: str, sequence: str, start: int, end: int, sites: tuple[int, int]) -> bool:
    """Return whether the sequence stops inside the seed: more than three of the seed's outer bases have no partner."""
    if start > _SLACK and len(sequence) - end > _SLACK:
        return False
    path = edlib.align(seed, sequence[start:end], mode="NW", task="path", additionalEqualities=_EQUAL)["cigar"]
    operations = [operation for count, operation in _CIGAR.findall(path) for _ in range(int(count)) if operation != "D"]
    left = operations[:_EDGE].count("I") if start <= _SLACK and sites[0] == start else 0
    right = operations[-_EDGE:].count("I") if len(sequence) - end <= _SLACK and sites[1] == end else 0
    return left > _SLACK or right > _SLACK


def _begins_or_ends_inside(sequence: str, seeds: Sequence[str]) -> bool:
    """Return whether one end of the sequence lies in an amplicon: then it was cut off inside the marker."""
    for end in (sequence[:_PROBE], sequence[-_PROBE:]):
        limit = int(_PROBE_ERRORS * len(end))
        for seed in seeds:
            if edlib.align(end, seed, mode="HW", task="distance", k=limit)["editDistance"] >= 0:
                return True
    return False

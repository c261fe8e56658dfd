"""In-silico PCR: find both primer sites, allow mismatches, cut the amplicon out, turn it into primer orientation.

A primer letter accepts the bases it stands for; an ambiguous base of the sequence fits only where the primer accepts
everything it might be, so a run of N never looks like a primer site. Insertions and deletions inside a primer site are
not searched; such records are left to the alignment against amplicons already found (``rescue``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

from abyssal.references.markers import ResolvedMarker
from abyssal.sequences.alphabet import IUPAC_BASES, reverse_complement

_BITS = {"A": 1, "C": 2, "G": 4, "T": 8}
_MASKS = np.zeros(256, dtype=np.uint8)
for _letter, _bases in IUPAC_BASES.items():
    _MASKS[ord(_letter)] = sum(_BITS[base] for base in _bases)


class Site(IntEnum):
    """What was found on a sequence."""

    AMPLIFIED = 0
    NONE = 1
    FORWARD_ONLY = 2
    REVERSE_ONLY = 3
    TOO_SHORT = 4
    TOO_LONG = 5


@dataclass(frozen=True, slots=True)
class Amplification:
    """One sequence's result, in primer orientation.

    Attributes:
        site: what was found.
        sequence: the amplicon without primers when amplified; else the whole sequence, turned where a site tells how.
        start: for FORWARD_ONLY the position after the forward site in ``sequence``, else -1.
        end: for REVERSE_ONLY the position where the reverse site begins in ``sequence``, else -1.
        length: distance between the sites (bp) where both were found, else 0.
    """

    site: Site
    sequence: str
    start: int = -1
    end: int = -1
    length: int = 0


def letter_masks(text: str) -> NDArray[np.uint8]:
    """Return one bit mask a letter (A 1, C 2, G 4, T 8, ambiguous letters their sum)."""
    return _MASKS[np.frombuffer(text.encode("ascii"), dtype=np.uint8)]


def amplify(sequences: Sequence[str], marker: ResolvedMarker, *, max_mismatches: int) -> list[Amplification]:
    """Run the PCR on upper-case IUPAC sequences of either strand.

    Of several pairs of sites the one with the fewest mismatches inside the length window is taken, then the leftmost.
    """
    offsets = np.zeros(len(sequences) + 1, dtype=np.int64)
    np.cumsum([len(sequence) for sequence in sequences], out=offsets[1:])
    forward, reverse = marker.forward_primer, marker.reverse_primer
    found = _amplify_all(
        letter_masks("".join(sequences)),
        offsets,
        letter_masks(forward),
        letter_masks(reverse_complement(reverse)),
        letter_masks(reverse),
        letter_masks(reverse_complement(forward)),
        max_mismatches,
        marker.min_length,
        marker.max_length,
    )
    return [_result(sequence, row) for sequence, row in zip(sequences, found.tolist(), strict=True)]


def _result(sequence: str, row: list[int]) -> Amplification:
    site, minus, left, right = Site(row[0]), bool(row[1]), row[2], row[3]
    length = right - left if site in (Site.TOO_SHORT, Site.TOO_LONG) else 0
    if site is Site.AMPLIFIED:
        insert = sequence[left:right]
        return Amplification(site, reverse_complement(insert) if minus else insert, length=right - left)
    if not minus:
        return Amplification(site, sequence, left if site is Site.FORWARD_ONLY else -1,
                             right if site is Site.REVERSE_ONLY else -1, length)  # fmt: skip
    # On the minus strand the left site is the reverse primer's, so positions are counted from the other end.
    turned = reverse_complement(sequence)
    start = len(sequence) - right if site is Site.FORWARD_ONLY else -1
    end = len(sequence) - left if site is Site.REVERSE_ONLY else -1
    return Amplification(site, turned, start, end, length)


@njit(cache=True, nogil=True)
def _sites(masks, first, last, primer, limit, positions, mismatches):  # type: ignore[no-untyped-def]
    """Write each start in [first, last) where the primer fits with at most ``limit`` mismatches; return a count."""
    size = primer.size
    count = 0
    for position in range(first, last - size + 1):
        wrong = 0
        for step in range(size):
            letter = masks[position + step]
            if letter & ~primer[step] or letter == 0:
                wrong += 1
                if wrong > limit:
                    break
        if wrong <= limit:
            positions[count] = position - first
            mismatches[count] = wrong
            count += 1
    return count


@njit(cache=True, nogil=True)
def _pair(lefts, left_wrong, left_count, left_size, rights, right_wrong, right_count, low, high):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Return (status, insert start, end, mismatches) of the best pair; status 0 pair, 1 none, 4 short, 5 long."""
    best_wrong = 1 << 30
    best_start, best_end = -1, -1
    outside, outside_start, outside_end = 1, -1, -1
    for i in range(left_count):
        start = lefts[i] + left_size
        for j in range(right_count):
            end = rights[j]
            length = end - start
            if length <= 0:
                continue
            if length < low or length > high:
                if outside == 1:
                    outside = 4 if length < low else 5
                    outside_start, outside_end = start, end
                continue
            wrong = left_wrong[i] + right_wrong[j]
            if wrong < best_wrong:
                best_wrong, best_start, best_end = wrong, start, end
    if best_start >= 0:
        return 0, best_start, best_end, best_wrong
    return outside, outside_start, outside_end, 0


@njit(cache=True, nogil=True)
def _fewest(positions, mismatches, count):  # type: ignore[no-untyped-def]
    best = 0
    for index in range(1, count):
        if mismatches[index] < mismatches[best]:
            best = index
    return positions[best], mismatches[best]


@njit(cache=True, nogil=True)
def _note_single(result, minus, left_size, positions, mismatches, count, is_left, best):  # type: ignore[no-untyped-def]
    """Write the best of these sites into ``result`` if it has fewer mismatches than ``best``; return the fewer."""
    if count == 0:
        return best
    position, wrong = _fewest(positions, mismatches, count)
    if wrong >= best:
        return best
    # The left site is the forward primer's on the plus strand, the reverse primer's on the minus.
    result[0] = 2 if is_left != minus else 3
    result[1] = minus
    result[2] = position + left_size if is_left else -1
    result[3] = -1 if is_left else position
    return wrong


@njit(cache=True, nogil=True)
def _amplify_all(masks, offsets, forward, reverse_rc, reverse, forward_rc, limit, low, high):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Return an (n, 4) int64 array: status, minus strand, left position, right position."""
    count = offsets.size - 1
    longest = max(1, (offsets[1:] - offsets[:-1]).max()) if count else 1
    left_positions = np.empty(longest, dtype=np.int64)
    left_wrong = np.empty(longest, dtype=np.int64)
    right_positions = np.empty(longest, dtype=np.int64)
    right_wrong = np.empty(longest, dtype=np.int64)
    results = np.full((count, 4), -1, dtype=np.int64)
    for row in range(count):
        results[row, 0] = 1
        results[row, 1] = 0
        best_single = limit + 1
        best_pair = 1 << 30
        for minus in range(2):
            left = reverse if minus else forward
            right = forward_rc if minus else reverse_rc
            lefts = _sites(masks, offsets[row], offsets[row + 1], left, limit, left_positions, left_wrong)
            rights = _sites(masks, offsets[row], offsets[row + 1], right, limit, right_positions, right_wrong)
            if lefts > 0 and rights > 0:
                status, start, end, wrong = _pair(
                    left_positions, left_wrong, lefts, left.size, right_positions, right_wrong, rights, low, high
                )
                if status == 0 and wrong < best_pair:
                    best_pair = wrong
                    results[row, 0], results[row, 1], results[row, 2], results[row, 3] = 0, minus, start, end
                    continue
                if status > 1 and results[row, 0] not in (0, 4, 5):
                    results[row, 0], results[row, 1], results[row, 2], results[row, 3] = status, minus, start, end
                    continue
            if results[row, 0] in (0, 4, 5):
                continue
            best_single = _note_single(
                results[row], minus, left.size, left_positions, left_wrong, lefts, 1, best_single
            )
            best_single = _note_single(
                results[row], minus, left.size, right_positions, right_wrong, rights, 0, best_single
            )
    return results

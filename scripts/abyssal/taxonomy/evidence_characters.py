"""Characters: which k-mers a read shares with the nearest carriers of a name, with the nearest others, or with neither.

Distances say how far a read is from a taxon; characters say whether it stands inside. A read of a new genus lacks what
all of its neighbour's amplicons have in common, and shares k-mers with others that they lack; one of a known genus does
not, however far away it is. This is the argument from shared derived characters, on k-mers instead of columns.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NEAREST = 5
"""Nearest carriers of the name, and nearest others, that are compared."""

# Columns, in the order of ``evidence.FEATURES`` from "shared_any" on.
(
    SHARED_ANY, SHARED_MOST, FOREIGN_ANY, FOREIGN_MOST, PRIVATE, LACKED_ALL, LACKED_OWN, LACKED_ANY,
    CARRIERS, OTHERS, BALANCE,
) = range(11)  # fmt: skip


@njit(cache=True, nogil=True)
def gather_characters(  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    offsets, codes, places, rank_banned, code_banned, chosen,
    read_offsets, read_kmers, reference_offsets, reference_kmers, size, evidence, first,
):  # fmt: skip
    """Fill the columns of ``evidence`` (q, R, F) from ``first`` on; they stay NaN where one side has nobody.

    Numbers are shares of the read's distinct k-mers.
    """
    carriers = np.zeros(size, dtype=np.int16)
    others = np.zeros(size, dtype=np.int16)
    mine = np.zeros(size, dtype=np.bool_)
    sides = np.empty(places.shape[1], dtype=np.int8)
    for row in range(places.shape[0]):
        read = read_kmers[read_offsets[row] : read_offsets[row + 1]]
        if read.size == 0:
            continue
        mine[read] = True
        for rank in range(chosen.shape[1]):
            if chosen[row, rank] < 0:
                continue
            banned = (rank_banned[row], code_banned[row])
            found = _take_sides(offsets, codes, places[row], banned, rank, chosen[row, rank], sides)
            if min(found) == 0:
                continue
            _tally(places[row], sides, reference_offsets, reference_kmers, carriers, others)
            out = evidence[row, rank, first:]
            _of_read(read, found, carriers, others, out)
            _of_carriers(places[row], sides, reference_offsets, reference_kmers, carriers, others, mine, found[0], out)
            _clear(places[row], sides, reference_offsets, reference_kmers, carriers, others)
            out[:CARRIERS] /= read.size
            out[CARRIERS], out[OTHERS] = found
            out[BALANCE] = out[SHARED_MOST] - out[FOREIGN_MOST] - out[LACKED_OWN]
        mine[read] = False


@njit(cache=True, nogil=True)
def _take_sides(offsets, codes, places, banned, rank, name, sides):  # type: ignore[no-untyped-def]
    """Mark the nearest carriers (1) and others (2); return how many of each there are."""
    with_name = 0
    without = 0
    for step in range(places.size):
        sides[step] = 0
        if places[step] < 0:
            continue
        known = 0
        hits = 0
        for pair in range(offsets[places[step]], offsets[places[step] + 1]):
            if banned[0] >= 0 and codes[pair, banned[0]] == banned[1]:
                continue
            known += codes[pair, rank] >= 0
            hits += codes[pair, rank] == name
        if hits > 0 and with_name < NEAREST:
            sides[step] = 1
            with_name += 1
        elif hits == 0 and known > 0 and without < NEAREST:
            sides[step] = 2
            without += 1
    return with_name, without


@njit(cache=True, nogil=True)
def _tally(places, sides, offsets, kmers, carriers, others):  # type: ignore[no-untyped-def]
    for step in range(places.size):
        if sides[step] == 1:
            for place in range(offsets[places[step]], offsets[places[step] + 1]):
                carriers[kmers[place]] += 1
        elif sides[step] == 2:
            for place in range(offsets[places[step]], offsets[places[step] + 1]):
                others[kmers[place]] += 1


@njit(cache=True, nogil=True)
def _clear(places, sides, offsets, kmers, carriers, others):  # type: ignore[no-untyped-def]
    for step in range(places.size):
        if sides[step] > 0:
            for place in range(offsets[places[step]], offsets[places[step] + 1]):
                carriers[kmers[place]] = 0
                others[kmers[place]] = 0


@njit(cache=True, nogil=True)
def _of_read(read, found, carriers, others, out):  # type: ignore[no-untyped-def]
    """Count the read's k-mers that only carriers have, only others have, or nobody has."""
    out[:CARRIERS] = 0.0
    for kmer in read:
        if carriers[kmer] == 0 and others[kmer] == 0:
            out[PRIVATE] += 1
        elif carriers[kmer] == 0:
            out[FOREIGN_ANY] += 1
            out[FOREIGN_MOST] += 2 * others[kmer] >= found[1]
        elif others[kmer] == 0:
            out[SHARED_ANY] += 1
            out[SHARED_MOST] += 2 * carriers[kmer] >= found[0]


@njit(cache=True, nogil=True)
def _of_carriers(places, sides, offsets, kmers, carriers, others, mine, count, out):  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    """Count the carriers' k-mers that the read lacks: those of any, of all, and of all but of no other taxon."""
    for step in range(places.size):
        if sides[step] != 1:
            continue
        for place in range(offsets[places[step]], offsets[places[step] + 1]):
            kmer = kmers[place]
            if mine[kmer] or carriers[kmer] == 0:
                continue
            out[LACKED_ANY] += 1
            if carriers[kmer] == count:
                out[LACKED_ALL] += 1
                out[LACKED_OWN] += others[kmer] == 0
            carriers[kmer] = 0

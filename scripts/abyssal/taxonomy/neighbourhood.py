"""How the reference itself is laid out around each amplicon.

A similarity of 0.9 means one thing where genera differ by 0.02 and another where they differ by 0.3. For each amplicon
and rank two numbers say which: the best similarity to another taxon at that rank (*other*), and the best similarity to
another child of its own taxon (*same*). A query taxon that is banned during calibration is skipped here too; otherwise
its own sequence would betray it through its neighbours.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from abyssal.taxonomy.index import ReferenceIndex, TaxonTable
from abyssal.taxonomy.profiles import cosines

LIST_LENGTH = 64
"""Nearest amplicons kept for each amplicon."""


def neighbour_lists(index: ReferenceIndex, first: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each amplicon from ``first`` on its nearest other amplicons and their k-mer cosines, nearest first.

    Returns:
        (n - first, LIST_LENGTH) int64 positions, -1 where there are no more, and as many float32 cosines.
    """
    places = index.neighbours_within(LIST_LENGTH, first)
    similar = cosines(index.profiles.tail(first), index.profiles, places)
    order = np.argsort(-similar, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(similar, order, axis=1)


def local_similarities(
    taxa: TaxonTable,
    lists: tuple[NDArray[np.int64], NDArray[np.float32]],
    amplicons: NDArray[np.int64],
    banned: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.float32]:
    """Return *other* and *same* for the amplicons beside each query, blind to what the query may not see.

    Args:
        taxa: codes of the index.
        lists: what ``neighbour_lists`` returned.
        amplicons: (q, t) int64 positions; -1 gives zeros.
        banned: three (q,) int64 arrays: the query's own amplicon, the banned rank and the banned code (-1: none).

    Returns:
        (q, t, R, 2) float32 cosines; 0 where the list holds no such amplicon.
    """
    found: NDArray[np.float32] = _local(taxa.pair_offsets, taxa.pair_codes, lists[0], lists[1], amplicons, *banned)
    return found


def all_local_similarities(
    taxa: TaxonTable, lists: tuple[NDArray[np.int64], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return (n, R, 2) float32 *other* and *same* of every amplicon, with nothing banned: what inference uses."""
    count = lists[0].shape[0]
    nothing = np.full(count, -1, dtype=np.int64)
    every = np.arange(count, dtype=np.int64)[:, None]
    return local_similarities(taxa, lists, every, (nothing, nothing, nothing))[:, 0]


def surroundings(local: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Look up what ``all_local_similarities`` returned for (q, t) positions; zeros at empty places."""
    if local.shape[0] == 0:
        return np.zeros((*places.shape, *local.shape[1:]), dtype=np.float32)
    found: NDArray[np.float32] = np.where((places >= 0)[..., None, None], local[places], np.float32(0.0))
    return found


@njit(cache=True, nogil=True)
def _is_banned(pair_codes, pair, rank, code):  # type: ignore[no-untyped-def]
    return rank >= 0 and pair_codes[pair, rank] == code


@njit(cache=True, nogil=True)
def _local(offsets, codes, places, similar, amplicons, own, rank_banned, code_banned):  # type: ignore[no-untyped-def]
    rows, columns = amplicons.shape
    ranks = codes.shape[1]
    result = np.zeros((rows, columns, ranks, 2), dtype=np.float32)
    for row in range(rows):
        for column in range(columns):
            amplicon = amplicons[row, column]
            if amplicon < 0:
                continue
            for step in range(places.shape[1]):
                neighbour = places[amplicon, step]
                if neighbour < 0:
                    break
                if neighbour == own[row]:
                    continue
                _compare(
                    offsets, codes, amplicon, neighbour, similar[amplicon, step], rank_banned[row], code_banned[row],
                    result[row, column],
                )  # fmt: skip
    return result


@njit(cache=True, nogil=True)
def _compare(offsets, codes, amplicon, neighbour, value, rank_banned, code_banned, result):  # type: ignore[no-untyped-def]
    ranks = codes.shape[1]
    for rank in range(ranks):
        known = False
        shared = False
        other_child = False
        for second in range(offsets[neighbour], offsets[neighbour + 1]):
            code = codes[second, rank]
            if code < 0 or _is_banned(codes, second, rank_banned, code_banned):
                continue
            known = True
            for first in range(offsets[amplicon], offsets[amplicon + 1]):
                if _is_banned(codes, first, rank_banned, code_banned) or codes[first, rank] != code:
                    continue
                shared = True
                if rank + 1 == ranks or codes[first, rank + 1] != codes[second, rank + 1]:
                    other_child = True
        if known and not shared and value > result[rank, 0]:
            result[rank, 0] = value
        if other_child and value > result[rank, 1]:
            result[rank, 1] = value

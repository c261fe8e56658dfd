"""Average linkage of many items of which few pairs are alike at all.

All pairs that are not listed have similarity 0, so that no matrix is needed and memory follows the listed pairs. Groups
are merged along chains of nearest neighbours (Murtagh 1983, doi:10.1093/comjnl/26.4.354); the answer is that of average
linkage on the whole matrix, cut at the same height.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_TOLERANCE = 1e-9
"""Sums of the same values in another order differ by less."""


def average_linkage(
    count: int, places: NDArray[np.int32], similarity: NDArray[np.float64], least: float
) -> NDArray[np.int64]:
    """Return (count,) labels of groups that merge while their mean similarity is at least ``least``.

    Args:
        places: (p, 2) int32 distinct pairs of items.
        similarity: (p,) float64 above 0.
        least: above 0.
    """
    lists = _entries(count, places[:, 0], places[:, 1], similarity)
    labels: NDArray[np.int64] = _merge(count, lists, least - _TOLERANCE)
    return labels


@njit(cache=True, nogil=True)
def _entries(count, low, high, similarity):  # type: ignore[no-untyped-def]
    """Lay both directions of every pair out as linked lists, one an item.

    Returns target and weight of each entry, the entry that follows it (-1: none), and the first and last entry of each
    item; the last is filled in when a list is gathered.
    """
    starts = np.zeros(count + 1, dtype=np.int64)
    for pair in range(low.size):
        starts[low[pair] + 1] += 1
        starts[high[pair] + 1] += 1
    for item in range(count):
        starts[item + 1] += starts[item]
    filled = starts[:-1].copy()
    targets = np.empty(2 * low.size, dtype=np.int32)
    weights = np.empty(2 * low.size, dtype=np.float64)
    for pair in range(low.size):
        for item, other in ((low[pair], high[pair]), (high[pair], low[pair])):
            targets[filled[item]] = other
            weights[filled[item]] = similarity[pair]
            filled[item] += 1
    following = np.arange(1, 2 * low.size + 1)
    first = np.full(count, -1, dtype=np.int64)
    for item in range(count):
        if starts[item] < starts[item + 1]:
            first[item] = starts[item]
            following[starts[item + 1] - 1] = -1
    return targets, weights, following, first, np.full(count, -1, dtype=np.int64)


@njit(cache=True, nogil=True)
def _root(parents, item):  # type: ignore[no-untyped-def]
    while parents[item] != item:
        parents[item] = parents[parents[item]]
        item = parents[item]
    return item


@njit(cache=True, nogil=True)
def _gather(group, parents, lists, total, seen):  # type: ignore[no-untyped-def]
    """Sum up a group's list by today's groups, shorten it to one entry each, and return how many there are."""
    targets, weights, following, first, last = lists
    found = 0
    entry = first[group]
    while entry >= 0:
        other = _root(parents, targets[entry])
        if other != group:
            if total[other] == 0.0:
                seen[found] = other
                found += 1
            total[other] += weights[entry]
        entry = following[entry]
    entry = first[group]
    for place in range(found):
        targets[entry] = seen[place]
        weights[entry] = total[seen[place]]
        last[group] = entry
        entry = following[entry]
    if found:
        following[last[group]] = -1
    else:
        first[group] = -1
    return found


@njit(cache=True, nogil=True)
def _nearest(group, before, found, sizes, total, seen):  # type: ignore[no-untyped-def]
    """Return the most similar group, the first of equals, and its mean similarity; forget the sums.

    The group before in the chain wins unless another is clearly more similar, so that a chain cannot run in a circle.
    """
    best, highest, back = -1, 0.0, 0.0
    for place in range(found):
        other = seen[place]
        mean = total[other] / (sizes[group] * sizes[other])
        total[other] = 0.0
        if other == before:
            back = mean
        if mean > highest or (mean == highest and other < best):
            best, highest = other, mean
    if back > 0.0 and back >= highest - _TOLERANCE:
        return before, back
    return best, highest


@njit(cache=True, nogil=True)
def _merge(count, lists, least):  # type: ignore[no-untyped-def]
    _, _, following, first, last = lists
    parents, sizes, seen = np.arange(count), np.ones(count), np.empty(count, dtype=np.int64)
    total, finished = np.zeros(count), np.zeros(count, dtype=np.bool_)
    chain = np.empty(count + 1, dtype=np.int64)
    for start in range(count):
        if finished[start] or parents[start] != start:
            continue
        chain[0], length = start, 1
        while length > 0:
            group = chain[length - 1]
            before = chain[length - 2] if length > 1 else -1
            found = _gather(group, parents, lists, total, seen)
            best, mean = _nearest(group, before, found, sizes, total, seen)
            if best < 0 or mean < least:
                # Nothing that merges later is more similar to it than its nearest is now.
                finished[group] = True
                length -= 1
            elif best != before:
                chain[length] = best
                length += 1
            else:
                # Neither list is empty: each group is in the other's. The end of the second was seen one step ago.
                kept, gone = min(group, best), max(group, best)
                following[last[kept]] = first[gone]
                last[kept] = last[gone]
                parents[gone] = kept
                sizes[kept] += sizes[gone]
                length -= 2
                if length == 0:
                    chain[0], length = kept, 1
    labels = np.empty(count, dtype=np.int64)
    for item in range(count):
        labels[item] = _root(parents, item)
    return labels

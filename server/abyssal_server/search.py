"""The alignment search for reads that the model leaves open: in a bounded pool, within the caller's deadline.

It never takes the worker thread's time, and its failure never takes an answer away: reads that could not be searched
keep the model's answer.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from abyssal.config.models import NoveltyConfig
from abyssal.errors import AbyssalError
from abyssal.inference.batches import concatenate, distinct, select
from abyssal.inference.v1.classification_pb2 import FallbackMode
from abyssal.taxonomy.classifications import Classifications, Source
from abyssal_server.breaker import Breaker
from abyssal_server.errors import InvalidRequest, NotPossible, Overloaded
from abyssal_server.models import LoadedModel

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0


@dataclass(frozen=True)
class SearchTask:
    """What is searched for.

    Attributes:
        model: whose reference is searched, and whose calibrators judge what is found.
        novelty: the novelty mix, None for the model's own.
        sequences: distinct reads.
        answers: the model's answers to them.
        end: when to give up, on the monotonic clock.
        cancelled: set when nobody waits any more; the search then ends early.
    """

    model: LoadedModel
    novelty: NoveltyConfig | None
    sequences: Sequence[str]
    answers: Classifications
    end: float
    cancelled: threading.Event

    @property
    def seconds_left(self) -> float:
        """Seconds until the search gives up."""
        return self.end - time.monotonic()


Find = Callable[[SearchTask], Classifications]
"""Searches; blocks. Returns an answer a read, and raises AbyssalError when it cannot."""


@dataclass(frozen=True)
class Searched:
    """Answers after the search, and how long it took (nanoseconds)."""

    answers: Classifications
    nanoseconds: int


class SearchPool:
    """Searches for all calls; used from one event loop.

    Args:
        find: what searches; None when this service cannot.
        workers: searches at once.
        room: most searches that wait or run.
        seconds: longest time for one search.
    """

    def __init__(self, find: Find | None, *, workers: int, room: int, seconds: float) -> None:
        self._find = find
        self._room = asyncio.Semaphore(room)
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="search")
        self._running: set[threading.Event] = set()
        self.breaker = Breaker("the alignment search")

    @property
    def on(self) -> bool:
        """Whether this service can search."""
        return self._find is not None

    def of(self, model: LoadedModel, mode: FallbackMode, novelty: NoveltyConfig | None) -> ModelSearch | None:
        """Return the search that a request asks for, None when it asks for none.

        Raises:
            InvalidRequest: it asks for something that this version does not know.
            NotPossible: it asks for one and this service cannot search.
        """
        if mode not in FallbackMode.values():
            message = f"there is no fallback mode {mode}; was the client made from a newer proto?"
            raise InvalidRequest(message, field="config.fallback")
        if mode != FallbackMode.FALLBACK_MODE_OPEN_READS:
            return None
        if self._find is None or model.directory is None:
            message = "this service cannot search for open reads; leave `fallback` out"
            raise NotPossible(message)
        return ModelSearch(self, model, novelty)

    async def run(self, task: SearchTask, *, wait: bool) -> Classifications:
        """Search, or return the model's answers when that fails.

        Raises:
            Overloaded: too many searches wait and this one shall not.
        """
        if not wait and self._room.locked():
            message = "too many searches are waiting; try again later or leave `fallback` out"
            raise Overloaded(message, retry_after=_RETRY_SECONDS)
        async with self._room:
            self._running.add(task.cancelled)
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._search, task)
            finally:
                task.cancelled.set()
                self._running.discard(task.cancelled)

    def stop(self) -> None:
        """End every search."""
        for cancelled in self._running:
            cancelled.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def latest_end(self, deadline: float | None) -> float:
        """Return when a search gives up, on the monotonic clock."""
        end = time.monotonic() + self._seconds
        return end if deadline is None else min(end, deadline)

    def _search(self, task: SearchTask) -> Classifications:
        if self._find is None or task.cancelled.is_set() or time.monotonic() > task.end or not self.breaker.may_try():
            return task.answers
        try:
            found = self._find(task)
        except AbyssalError as error:
            if not task.cancelled.is_set():
                self.breaker.failed(str(error))
            return task.answers
        self.breaker.succeeded()
        return found


class ModelSearch:
    """The search for reads of one call."""

    def __init__(self, pool: SearchPool, model: LoadedModel, novelty: NoveltyConfig | None) -> None:
        self._pool = pool
        self._model = model
        self._novelty = novelty

    def wanted(self, answers: Classifications) -> bool:
        """Return whether the model left reads open."""
        return bool(open_reads(answers).any())

    async def run(self, sequences: Sequence[str], answers: Classifications, deadline: float | None) -> Searched:
        """Search for the open reads among some, each distinct one once; Overloaded when too many searches wait."""
        return await self._run(sequences, answers, deadline, wait=False)

    async def wait_and_run(
        self, sequences: Sequence[str], answers: Classifications, deadline: float | None
    ) -> Searched:
        """Like ``run``, but wait for a turn; for a stream, whose waiting searches are bounded."""
        return await self._run(sequences, answers, deadline, wait=True)

    async def _run(
        self, sequences: Sequence[str], answers: Classifications, deadline: float | None, *, wait: bool
    ) -> Searched:
        started = time.monotonic()
        rows = np.flatnonzero(open_reads(answers))
        reads, positions = distinct([sequences[row] for row in rows.tolist()])
        first = np.zeros(len(reads), dtype=np.int64)
        first[positions[::-1]] = rows[::-1]
        model_answers = select(answers, first)
        task = SearchTask(
            self._model, self._novelty, reads, model_answers, self._pool.latest_end(deadline), threading.Event()
        )
        found = await self._pool.run(task, wait=wait)
        both = concatenate([answers, found])
        chosen = np.arange(len(answers), dtype=np.int64)
        chosen[rows] = len(answers) + positions
        merged = replace(select(both, chosen), engine=answers.engine)
        return Searched(merged, int((time.monotonic() - started) * 1e9))


def open_reads(answers: Classifications) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return (n,) True for reads of the marker without an accepted name at the second lowest rank."""
    sound = np.array([error is None for error in answers.errors], dtype=bool)
    named = (answers.source == Source.MODEL) | (answers.source == Source.CACHE)
    open_ranks: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        sound & named & (answers.accepted < max(len(answers.ranks) - 2, 0))
    )
    return open_ranks

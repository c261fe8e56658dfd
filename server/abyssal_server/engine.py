"""One worker thread owns the classifiers; this module decides what it computes next.

Chunks wait client by client (``fairness``). A window takes the next ones, computes each distinct read once and in the
order of length, step by step: between two steps a call somebody waits for goes first, though never so often that bulk
work stands still. Room for waiting reads is counted in padded letters: unary calls are refused when there is none,
streams wait and so stop reading.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from abyssal.taxonomy.classifications import Classifications
from abyssal_server.cache import AnswerCache
from abyssal_server.errors import DeadlinePassed, Draining, Overloaded
from abyssal_server.fairness import FairQueue, Lane, Room, padded_sum
from abyssal_server.observability import Metrics
from abyssal_server.question import Answered, Question, Work
from abyssal_server.settings import ServerSettings
from abyssal_server.window import Step, Window

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

_FIRST_LETTERS_PER_SECOND = 200_000.0
_SMOOTHING = 0.3
_LINGER_SHARE = 0.05
_INTERACTIVE_LULL_SECONDS = 2.0
_INTERACTIVE_SHARE = 0.8


@dataclass
class _Class:
    """Work of one priority: what waits, and the window at hand."""

    waiting: FairQueue[Work] = field(default_factory=FairQueue)
    window: Window | None = None

    @property
    def busy(self) -> bool:
        return self.window is not None or bool(self.waiting)


class Engine:
    """Computes reads for all calls; used from one event loop."""

    def __init__(
        self, settings: ServerSettings, cache: AnswerCache | None = None, metrics: Metrics | None = None
    ) -> None:
        self._settings = settings
        self._metrics = metrics or Metrics()
        self.queued_reads = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="classifier")
        self.cache = cache or AnswerCache.of(settings)
        self._interactive = _Class()
        self._bulk = _Class()
        # Seconds that bulk work is owed: what interactive work has had beyond its share.
        self._owed_to_bulk = 0.0
        self._last_interactive = -_INTERACTIVE_LULL_SECONDS
        self._arrived = asyncio.Event()
        self._letters_per_second = _FIRST_LETTERS_PER_SECOND
        self._last_step_seconds = 0.0
        self._task: asyncio.Task[None] | None = None
        self.room = Room(settings.queued_letters)

    def start(self) -> None:
        """Start computing."""
        self._task = asyncio.create_task(self._run(), name="engine")

    async def stop(self) -> None:
        """Stop computing; what still waits is refused as Draining."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for kind in (self._interactive, self._bulk):
            works = [] if kind.window is None else kind.window.works
            while kind.waiting:
                works.append(kind.waiting.pop())
            for work in works:
                _refuse(work, Draining("the service shuts down; send these reads again", retry_after=1.0))
        self._thread.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.cache.close)

    async def submit(
        self, lane: Lane, question: Question, sequences: Sequence[str], *, deadline: float | None
    ) -> asyncio.Future[Answered]:
        """Queue a chunk of a stream, waiting for room; the future holds its answers."""
        work = Work(question, sequences, deadline, _future(), time.monotonic())
        cost = work.cost
        await self.room.take(lane, cost)
        work.answer.add_done_callback(lambda _: self.room.give_bulk(cost))
        return self._enqueue(self._bulk, lane, work, cost)

    def submit_now(
        self, lane: Lane, question: Question, sequences: Sequence[str], *, deadline: float | None
    ) -> asyncio.Future[Answered]:
        """Queue the reads of a unary call.

        Raises:
            Overloaded: there is no room.
        """
        work = Work(question, sequences, deadline, _future(), time.monotonic())
        cost = work.cost
        if not self.room.try_take(cost):
            raise self._overloaded()
        work.answer.add_done_callback(lambda _: self.room.give(cost))
        return self._enqueue(self._interactive, lane, work, cost)

    async def compute(self, task: Callable[[], Result], sequences: Sequence[str]) -> Result:
        """Run something else in the worker thread, between steps.

        Raises:
            Overloaded: there is no room.
        """
        cost = padded_sum(sequences)
        if not self.room.try_take(cost):
            raise self._overloaded()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, task)
        finally:
            self.room.give(cost)

    def _overloaded(self) -> Overloaded:
        wait = min(max(self.room.used / self._letters_per_second, 0.1), 30.0)
        message = "the service is full; try again later or use ClassifyStream, which waits"
        return Overloaded(message, retry_after=wait)

    def _enqueue(self, kind: _Class, lane: Lane, work: Work, cost: int) -> asyncio.Future[Answered]:
        self.queued_reads += len(work.sequences)
        work.answer.add_done_callback(lambda _: self._left_queue(len(work.sequences)))
        kind.waiting.push(lane, work, cost)
        self._arrived.set()
        return work.answer

    def _left_queue(self, reads: int) -> None:
        self.queued_reads -= reads

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            await self._linger()
            kind = self._next_class()
            if kind is None:
                self._arrived.clear()
                continue
            if kind.window is None:
                kind.window = self._collect(kind)
            if kind.window.works:
                await self._step(kind, kind.window)
            else:
                kind.window = None

    def _next_class(self) -> _Class | None:
        if self._interactive.busy and not (self._bulk.busy and self._owed_to_bulk > 0.0):
            return self._interactive
        return self._bulk if self._bulk.busy else None

    async def _linger(self) -> None:
        """Give other streams a moment to join a small window; the moment follows what a step costs.

        A call that somebody waits for goes at once: while it is computed the next ones gather anyway.
        """
        if self._interactive.busy or self._bulk.window is not None:
            return
        waiting = self._bulk.waiting.cost / self._letters_per_second
        wait = min(self._settings.longest_wait_seconds, _LINGER_SHARE * self._last_step_seconds)
        if waiting < self._settings.step_seconds and wait > 0.0:
            await asyncio.sleep(wait)

    def _collect(self, kind: _Class) -> Window:
        window = Window()
        most_cost = self._letters_per_second * self._settings.window_seconds
        while kind.waiting and window.reads < self._settings.window_reads and window.cost < most_cost:
            work = kind.waiting.pop()
            if work.wanted:
                window.add(work)
            else:
                _refuse(work, DeadlinePassed("the deadline passed while the reads waited"))
        return window

    async def _step(self, kind: _Class, window: Window) -> None:
        """Compute the next reads of a window and deliver its answers after the last ones."""
        loop = asyncio.get_running_loop()
        started = time.monotonic()
        for work in window.works:
            work.started_at = work.started_at or started
        try:
            done, answers = await loop.run_in_executor(self._thread, self._compute, kind, window)
        except asyncio.CancelledError:
            for work in window.works:
                _refuse(work, Draining("the service shuts down; send these reads again", retry_after=1.0))
            raise
        except Exception as error:
            logger.exception("the classifier failed on a window of %d reads", window.reads)
            for work in window.works:
                _refuse(work, error)
            kind.window = None
            return
        self._account(kind, done, time.monotonic() - started)
        if answers is not None:
            self._metrics.count_window(window.reads)
            kind.window = None
            self._deliver(window, answers)

    def _compute(self, kind: _Class, window: Window) -> tuple[Step, list[Classifications | None] | None]:
        """Run in the worker thread: a short step of bulk work while small calls come in, a long one otherwise.

        Returns:
            What was computed; and all answers after the last step, None before.
        """
        most_cost = float("inf")
        if kind is self._bulk and time.monotonic() - self._last_interactive <= _INTERACTIVE_LULL_SECONDS:
            most_cost = self._letters_per_second * self._settings.step_seconds
        done = window.step(self.cache, most_cost=most_cost, most_reads=self._settings.batch_reads)
        return done, None if done.more else window.finish(self.cache)

    def _account(self, kind: _Class, done: Step, seconds: float) -> None:
        self._last_step_seconds = seconds
        if done.reads:
            self._metrics.count_step(reads=done.reads, letters=done.letters, padded=done.padded, seconds=seconds)
        if done.padded and seconds > 0.0:
            self._letters_per_second += _SMOOTHING * (done.padded / seconds - self._letters_per_second)
        if kind is self._interactive:
            self._last_interactive = time.monotonic()
            self._owed_to_bulk += (1.0 - _INTERACTIVE_SHARE) * seconds if self._bulk.busy else -self._owed_to_bulk
        else:
            self._owed_to_bulk = min(max(self._owed_to_bulk, 0.0) - seconds, 0.0)

    def _deliver(self, window: Window, answers: Sequence[Classifications | None]) -> None:
        now = time.monotonic()
        for work, answer in zip(window.works, answers, strict=True):
            if answer is None:
                _refuse(work, DeadlinePassed("the deadline passed while the reads were computed"))
            elif not work.answer.done():
                waited = int((work.started_at - work.accepted_at) * 1e9)
                work.answer.set_result(Answered(answer, waited, int((now - work.started_at) * 1e9)))


def _refuse(work: Work, error: Exception) -> None:
    if not work.answer.done():
        work.answer.set_exception(error)


def _future() -> asyncio.Future[Answered]:
    return asyncio.get_running_loop().create_future()

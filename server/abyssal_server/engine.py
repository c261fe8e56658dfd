"""One worker thread owns the classifier; this module decides what it computes next.

Reads wait in lanes, one a call. A window takes a chunk from each lane in turn (fair share), computes each distinct read
once in the order of length, and is small enough that a small call never waits long behind a large one. Room for waiting
reads is counted in letters: unary calls are refused when there is none, streams wait and so stop reading.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from abyssal.taxonomy.classifications import Classifications
from abyssal_server.errors import DeadlinePassed, Draining, Overloaded
from abyssal_server.settings import ServerSettings
from abyssal_server.window import Answered, Question, Window, Work, Worker

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

_FIRST_LETTERS_PER_SECOND = 200_000.0
_SMOOTHING = 0.3
_LINGER_SHARE = 0.05


Lane = deque[Work]


class LetterBudget:
    """Room for the letters of waiting reads; whoever waits for room gets it in order of arrival."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def try_take(self, letters: int) -> bool:
        """Take room if there is some and nobody waits."""
        if self._waiting or self.used + letters > self.capacity:
            return False
        self.used += letters
        return True

    async def take(self, letters: int) -> None:
        """Wait for room and take it; ``letters`` must not exceed the capacity."""
        if self.try_take(letters):
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((letters, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give(letters)
            raise

    def give(self, letters: int) -> None:
        """Give room back and hand it to those who wait."""
        self.used -= letters
        while self._waiting:
            wanted, granted = self._waiting[0]
            if granted.done():
                self._waiting.popleft()
            elif self.used + wanted <= self.capacity:
                self.used += wanted
                self._waiting.popleft()
                granted.set_result(None)
            else:
                return


class Engine:
    """Computes reads for all calls; used from one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="classifier")
        self._worker = Worker(
            batch_reads=settings.batch_reads,
            remembered_reads=settings.remembered_reads,
            remembered_letters=settings.remembered_letters,
        )
        self._lanes: deque[Lane] = deque()
        self._arrived = asyncio.Event()
        self._letters_per_second = _FIRST_LETTERS_PER_SECOND
        self._last_window_seconds = 0.0
        self._task: asyncio.Task[None] | None = None
        self.budget = LetterBudget(settings.queued_letters)

    def start(self) -> None:
        """Start computing."""
        self._task = asyncio.create_task(self._run(), name="engine")

    async def stop(self) -> None:
        """Stop computing; what still waits is refused as Draining."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for lane in self._lanes:
            for work in lane:
                _refuse(work, Draining("the service shuts down; send these reads again", retry_after=1.0))
        self._lanes.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def submit(
        self, lane: Lane, question: Question, sequences: Sequence[str], *, deadline: float | None
    ) -> asyncio.Future[Answered]:
        """Queue a chunk of a stream, waiting for room; the future holds its answers."""
        letters = sum(map(len, sequences))
        await self.budget.take(letters)
        return self._enqueue(lane, Work(question, sequences, deadline, _future(), time.monotonic()), letters)

    def submit_now(
        self, question: Question, sequences: Sequence[str], *, deadline: float | None
    ) -> asyncio.Future[Answered]:
        """Queue the reads of a unary call.

        Raises:
            Overloaded: there is no room.
        """
        letters = sum(map(len, sequences))
        if not self.budget.try_take(letters):
            raise self._overloaded()
        return self._enqueue(deque(), Work(question, sequences, deadline, _future(), time.monotonic()), letters)

    async def compute(self, task: Callable[[], Result], letters: int) -> Result:
        """Run something else in the worker thread, between windows.

        Raises:
            Overloaded: there is no room.
        """
        if not self.budget.try_take(letters):
            raise self._overloaded()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, task)
        finally:
            self.budget.give(letters)

    def _overloaded(self) -> Overloaded:
        wait = min(max(self.budget.used / self._letters_per_second, 0.1), 30.0)
        message = "the service is full; try again later or use ClassifyStream, which waits"
        return Overloaded(message, retry_after=wait)

    def _enqueue(self, lane: Lane, work: Work, letters: int) -> asyncio.Future[Answered]:
        work.answer.add_done_callback(lambda _: self.budget.give(letters))
        if not lane:
            self._lanes.append(lane)
        lane.append(work)
        self._arrived.set()
        return work.answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            await self._linger()
            window = self._collect()
            if not self._lanes:
                self._arrived.clear()
            if not window.works:
                continue
            started = time.monotonic()
            try:
                answers = await loop.run_in_executor(self._thread, self._worker.compute, window)
            except asyncio.CancelledError:
                for work in window.works:
                    _refuse(work, Draining("the service shuts down; send these reads again", retry_after=1.0))
                raise
            except Exception as error:
                logger.exception("the classifier failed on a window of %d reads", window.reads)
                for work in window.works:
                    _refuse(work, error)
                continue
            self._deliver(window, answers, started)

    async def _linger(self) -> None:
        """Give other calls a moment to join a small window; the moment follows what a window costs."""
        waiting = sum(len(work.sequences) for lane in self._lanes for work in lane)
        wait = min(self._settings.longest_wait_seconds, _LINGER_SHARE * self._last_window_seconds)
        if waiting < self._settings.batch_reads and wait > 0.0:
            await asyncio.sleep(wait)

    def _collect(self) -> Window:
        window = Window()
        most_letters = self._letters_per_second * self._settings.window_seconds
        while self._lanes and window.reads < self._settings.window_reads and window.letters < most_letters:
            lane = self._lanes.popleft()
            work = lane.popleft()
            if lane:
                self._lanes.append(lane)
            if work.wanted:
                window.add(work)
            else:
                _refuse(work, DeadlinePassed("the deadline passed while the reads waited"))
        return window

    def _deliver(self, window: Window, answers: Sequence[Classifications | None], started: float) -> None:
        seconds = time.monotonic() - started
        self._last_window_seconds = seconds
        if window.letters and seconds > 0.0:
            rate = window.letters / seconds
            self._letters_per_second += _SMOOTHING * (rate - self._letters_per_second)
        for work, answer in zip(window.works, answers, strict=True):
            if answer is None:
                _refuse(work, DeadlinePassed("the deadline passed while the reads were computed"))
            elif not work.answer.done():
                waited = int((started - work.accepted_at) * 1e9)
                work.answer.set_result(Answered(answer, waited, int(seconds * 1e9)))


def _refuse(work: Work, error: Exception) -> None:
    if not work.answer.done():
        work.answer.set_exception(error)


def _future() -> asyncio.Future[Answered]:
    return asyncio.get_running_loop().create_future()

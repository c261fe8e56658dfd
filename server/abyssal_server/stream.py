"""One ClassifyStream call: a reader and a writer with a bounded number of chunks between them.

The reader takes a slot before it reads, the writer gives it back after it has written, so a caller that stops reading
stops being read: at most ``chunks_in_flight`` chunks or answers of a call exist in memory, whatever the caller does.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc

from abyssal.config.models import NoveltyConfig
from abyssal.inference.messages import to_message
from abyssal.inference.v1.classification_pb2 import (
    ChunkResult,
    ClassifyStreamRequest,
    ClassifyStreamResponse,
    ReadChunk,
    StreamStarted,
    StreamSummary,
)
from abyssal.inference.v1.common_pb2 import Timing
from abyssal_server.calls import Calls, draining
from abyssal_server.engine import Engine, Lane
from abyssal_server.errors import InvalidRequest
from abyssal_server.models import LoadedModel, LoadedModels
from abyssal_server.requests import limits_of, novelty_of, sequences_of
from abyssal_server.settings import ServerSettings
from abyssal_server.window import Answered, Question

Context = grpc.aio.ServicerContext[ClassifyStreamRequest, ClassifyStreamResponse]


@dataclass(frozen=True)
class _Pending:
    """A chunk on its way through the engine."""

    chunk_id: int
    answer: asyncio.Future[Answered]


class _End:
    """The caller has closed its side."""


_Event = _Pending | _End | Exception


def deadline_of(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Return the caller's deadline on the monotonic clock, or None."""
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining


class StreamCall:
    """Serves one stream from its first frame to its summary."""

    def __init__(
        self,
        requests: AsyncIterator[ClassifyStreamRequest],
        context: Context,
        *,
        engine: Engine,
        models: LoadedModels,
        calls: Calls,
        settings: ServerSettings,
    ) -> None:
        self._requests = aiter(requests)
        self._context = context
        self._engine = engine
        self._models = models
        self._calls = calls
        self._settings = settings
        self._deadline = deadline_of(context)
        self._lane: Lane = deque()
        self._slots = asyncio.Semaphore(settings.chunks_in_flight)
        # Not bounded itself: the slots bound the chunks in it, and one end and one drain event come at most on top.
        self._events: asyncio.Queue[_Event] = asyncio.Queue()
        self._accepting = True
        self._last_chunk_id = -1

    async def run(self) -> None:
        """Serve the stream.

        Raises:
            AbyssalError: the stream ends with that status; every chunk before it has been answered.
        """
        model, novelty = await self._configure()
        started = StreamStarted(model=model.identity, limits=limits_of(self._settings))
        await self._context.write(ClassifyStreamResponse(started=started))
        reader = asyncio.create_task(self._read(model.question(novelty)), name="stream reader")
        try:
            with self._calls.told_of_drain(self._drain):
                await self._write(model)
        finally:
            self._accepting = False
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self._forget()

    async def _configure(self) -> tuple[LoadedModel, NoveltyConfig | None]:
        frame = await anext(self._requests, None)
        if frame is None or frame.WhichOneof("frame") != "config":
            message = "the first frame of a stream must hold its config"
            raise InvalidRequest(message, field="frame")
        return self._models.get(frame.config.model_digest), novelty_of(frame.config, field="config")

    def _drain(self) -> None:
        self._accepting = False
        self._events.put_nowait(draining())

    async def _read(self, question: Question) -> None:
        try:
            while self._accepting:
                await self._slots.acquire()
                frame = await anext(self._requests, None)
                if frame is None:
                    self._events.put_nowait(_End())
                    return
                await self._accept(frame, question)
        except Exception as error:  # noqa: BLE001  handed to the writer, which ends the call with it
            self._events.put_nowait(error)

    async def _accept(self, frame: ClassifyStreamRequest, question: Question) -> None:
        if frame.WhichOneof("frame") != "chunk":
            message = "every frame after the first must hold a chunk"
            raise InvalidRequest(message, field="frame")
        chunk: ReadChunk = frame.chunk
        if chunk.chunk_id <= self._last_chunk_id:
            message = f"chunk ids must rise within a stream; {chunk.chunk_id} came after {self._last_chunk_id}"
            raise InvalidRequest(message, field="chunk.chunk_id")
        self._last_chunk_id = chunk.chunk_id
        sequences = sequences_of(chunk.sequences, limit=self._settings.reads_per_chunk, field="chunk.sequences")
        answer = await self._engine.submit(self._lane, question, sequences, deadline=self._deadline)
        if self._accepting:
            self._events.put_nowait(_Pending(chunk.chunk_id, answer))
        else:
            answer.cancel()

    async def _write(self, model: LoadedModel) -> None:
        summary = StreamSummary()
        while True:
            event = await self._events.get()
            if isinstance(event, Exception):
                raise event
            if isinstance(event, _End):
                await self._context.write(ClassifyStreamResponse(summary=summary))
                return
            try:
                answered = await event.answer
            finally:
                event.answer.cancel()
            result = _result(event.chunk_id, answered, model)
            summary.chunks += 1
            summary.reads += result.answers.reads
            summary.errors += len(result.answers.errors)
            await self._context.write(ClassifyStreamResponse(result=result))
            self._slots.release()

    def _forget(self) -> None:
        """Drop chunks that nobody will read the answers of."""
        while not self._events.empty():
            event = self._events.get_nowait()
            if isinstance(event, _Pending) and not event.answer.cancel() and not event.answer.cancelled():
                event.answer.exception()  # looked at, so that asyncio does not report it as lost


def _result(chunk_id: int, answered: Answered, model: LoadedModel) -> ChunkResult:
    return ChunkResult(
        chunk_id=chunk_id,
        model_digest=model.identity.digest,
        answers=to_message(answered.answers, model.taxa),
        timing=timing_of(answered),
    )


def timing_of(answered: Answered) -> Timing:
    """Return how long a chunk waited and computed."""
    return Timing(queue_nanoseconds=answered.queue_nanoseconds, engine_nanoseconds=answered.engine_nanoseconds)

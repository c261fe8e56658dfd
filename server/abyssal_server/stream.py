"""One ClassifyStream call: a reader and a writer with a bounded number of chunks between them.

The reader takes a slot before it reads, the writer gives it back after it has written, so a caller that stops reading
stops being read: at most ``chunks_in_flight`` chunks or answers of a call exist in memory, whatever the caller does.
With the search for open reads a chunk is answered twice; at most ``searches_in_flight`` chunks wait for the second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import grpc

from abyssal.inference.messages import write_answers
from abyssal.inference.v1.classification_pb2 import (
    ClassifyConfig,
    ClassifyStreamRequest,
    ClassifyStreamResponse,
    ReadChunk,
    StreamStarted,
    StreamSummary,
)
from abyssal.inference.v1.common_pb2 import Timing
from abyssal.taxonomy.classifications import Classifications, Source
from abyssal_server.access import CALLER
from abyssal_server.calls import draining
from abyssal_server.errors import InvalidRequest
from abyssal_server.fairness import Lane
from abyssal_server.models import LoadedModel
from abyssal_server.observability.calls import SPAN
from abyssal_server.parts import ServiceParts
from abyssal_server.question import Answered, Question
from abyssal_server.requests import deadline_of, limits_of, novelty_of, sequences_of, timing_of
from abyssal_server.search import ModelSearch, Searched
from abyssal_server.usage import CallUsage

Context = grpc.aio.ServicerContext[ClassifyStreamRequest, ClassifyStreamResponse]


@dataclass(frozen=True)
class _Pending:
    """A chunk on its way through the engine."""

    chunk_id: int
    sequences: Sequence[str]
    answer: asyncio.Future[Answered]


@dataclass(frozen=True)
class _Found:
    """A chunk after the search."""

    chunk_id: int
    searched: Searched | Exception


class _End:
    """The caller has closed its side."""


_Event = _Pending | _Found | _End | Exception


class StreamCall:
    """Serves one stream from its first frame to its summary."""

    def __init__(self, requests: AsyncIterator[ClassifyStreamRequest], context: Context, parts: ServiceParts) -> None:
        self._requests = aiter(requests)
        self._context = context
        self._parts = parts
        self._deadline = deadline_of(context)
        self._lane = Lane(CALLER.get().id)
        self._slots = asyncio.Semaphore(parts.settings.chunks_in_flight)
        self._searches = asyncio.Semaphore(parts.settings.searches_in_flight)
        self._searching: dict[int, asyncio.Task[None]] = {}
        # Not bounded itself: the slots bound what is in it, and one end and one drain event come at most on top.
        self._events: asyncio.Queue[_Event] = asyncio.Queue()
        self._accepting = True
        self._last_chunk_id = -1
        self._summary = StreamSummary()

    async def run(self) -> None:
        """Serve the stream.

        Raises:
            AbyssalError: the stream ends with that status; every chunk before it has been answered.
        """
        config = await self._configure()
        models = self._parts.models
        with (
            models.lease(config.model, config.model_digest) as model,
            self._parts.usage.call("ClassifyStream", model, self._lane.client) as usage,
        ):
            novelty = novelty_of(config, field="config")
            search = self._parts.search.of(model, config.fallback, novelty)
            started = StreamStarted(model=models.describe(model), limits=limits_of(self._parts.settings))
            await self._context.write(ClassifyStreamResponse(started=started))
            question = model.question(novelty, models.others(model))
            reader = asyncio.create_task(self._read(question, searches=search is not None), name="stream reader")
            try:
                with self._parts.calls.told_of_drain(self._drain):
                    await self._write(model, search, usage)
            finally:
                SPAN.get().note(reads=self._summary.reads, chunks=self._summary.chunks, model_digest=model.digest)
                self._accepting = False
                tasks = (reader, *self._searching.values())
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._forget()

    async def _configure(self) -> ClassifyConfig:
        frame = await anext(self._requests, None)
        if frame is None or frame.WhichOneof("frame") != "config":
            message = "the first frame of a stream must hold its config"
            raise InvalidRequest(message, field="frame")
        return frame.config

    def _drain(self) -> None:
        self._accepting = False
        self._events.put_nowait(draining())

    async def _read(self, question: Question, *, searches: bool) -> None:
        try:
            while self._accepting:
                await self._slots.acquire()
                if searches:
                    await self._searches.acquire()
                frame = await anext(self._requests, None)
                if frame is None:
                    self._events.put_nowait(_End())
                    return
                chunk_id, sequences = self._unpacked(frame)
                # Whoever waits holds its reads once, not a second time as the message they came in.
                del frame
                await self._accept(chunk_id, sequences, question)
        except Exception as error:  # noqa: BLE001  handed to the writer, which ends the call with it
            self._events.put_nowait(error)

    def _unpacked(self, frame: ClassifyStreamRequest) -> tuple[int, list[str]]:
        if frame.WhichOneof("frame") != "chunk":
            message = "every frame after the first must hold a chunk"
            raise InvalidRequest(message, field="frame")
        chunk: ReadChunk = frame.chunk
        if chunk.chunk_id <= self._last_chunk_id:
            message = f"chunk ids must rise within a stream; {chunk.chunk_id} came after {self._last_chunk_id}"
            raise InvalidRequest(message, field="chunk.chunk_id")
        self._last_chunk_id = chunk.chunk_id
        limit = self._parts.settings.reads_per_chunk
        return chunk.chunk_id, sequences_of(chunk.sequences, limit=limit, field="chunk.sequences")

    async def _accept(self, chunk_id: int, sequences: list[str], question: Question) -> None:
        answer = await self._parts.engine.submit(self._lane, question, sequences, deadline=self._deadline)
        if self._accepting:
            self._events.put_nowait(_Pending(chunk_id, sequences, answer))
        else:
            answer.cancel()

    async def _write(self, model: LoadedModel, search: ModelSearch | None, usage: CallUsage) -> None:
        ended: _End | Exception | None = None
        while ended is None or self._searching:
            event = await self._events.get()
            if isinstance(event, _Pending):
                await self._answer(event, model, search, usage)
            elif isinstance(event, _Found):
                await self._answer_again(event, model, usage)
            elif ended is None:
                ended = event
        if isinstance(ended, Exception):
            raise ended
        await self._context.write(ClassifyStreamResponse(summary=self._summary))

    async def _answer(
        self, pending: _Pending, model: LoadedModel, search: ModelSearch | None, usage: CallUsage
    ) -> None:
        try:
            answered = await pending.answer
        finally:
            pending.answer.cancel()
        answers = answered.answers
        searched = search is not None and search.wanted(answers)
        response = _response(pending.chunk_id, answers, model, timing_of(answered))
        response.result.revision_follows = searched
        self._summary.chunks += 1
        self._summary.reads += len(answers)
        self._summary.errors += len(response.result.answers.errors)
        self._summary.cached += int((answers.source == Source.CACHE).sum())
        self._parts.count(usage, pending.sequences, answers)
        await self._context.write(response)
        self._slots.release()
        if search is not None and searched:
            task = asyncio.create_task(self._search(search, pending, answers), name="stream search")
            self._searching[pending.chunk_id] = task
        else:
            self._searches.release()

    async def _search(self, search: ModelSearch, pending: _Pending, answers: Classifications) -> None:
        try:
            found: Searched | Exception = await search.wait_and_run(pending.sequences, answers, self._deadline)
        except Exception as error:  # noqa: BLE001  handed to the writer, which ends the call with it
            found = error
        self._events.put_nowait(_Found(pending.chunk_id, found))

    async def _answer_again(self, found: _Found, model: LoadedModel, usage: CallUsage) -> None:
        del self._searching[found.chunk_id]
        if isinstance(found.searched, Exception):
            raise found.searched
        response = _response(
            found.chunk_id,
            found.searched.answers,
            model,
            Timing(search_nanoseconds=found.searched.nanoseconds),
        )
        response.result.revision = 1
        settled = int((found.searched.answers.source == Source.FALLBACK).sum())
        self._summary.searched += settled
        usage.count_searched(settled)
        await self._context.write(response)
        self._searches.release()

    def _forget(self) -> None:
        """Drop chunks that nobody will read the answers of."""
        while not self._events.empty():
            event = self._events.get_nowait()
            if isinstance(event, _Pending) and not event.answer.cancel() and not event.answer.cancelled():
                event.answer.exception()  # looked at, so that asyncio does not report it as lost


def _response(chunk_id: int, answers: Classifications, model: LoadedModel, timing: Timing) -> ClassifyStreamResponse:
    """Return the answers to a chunk; written where they travel, for a copy costs as much as the writing."""
    response = ClassifyStreamResponse()
    result = response.result
    result.chunk_id, result.model_digest = chunk_id, model.digest
    result.timing.CopyFrom(timing)
    write_answers(result.answers, answers, model.taxa)
    return response

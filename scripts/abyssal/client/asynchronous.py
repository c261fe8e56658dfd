"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Self, Unpack

import grpc

from abyssal.client.connection import Access, Metadata
from abyssal.client.errors import ServiceError, check_target, service_error
from abyssal.client.session import (
    CHANNEL_OPTIONS,
    CHUNK_READS,
    CHUNKS_AHEAD,
    Backoff,
    ModelInfo,
    Question,
    QuestionWords,
    StreamState,
    TaxaPages,
    unfinished,
)
from abyssal.inference.batches import concatenate, in_chunks
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1 import classification_pb2_grpc, models_pb2, models_pb2_grpc
from abyssal.inference.v1.classification_pb2 import ClassifyStreamRequest, ClassifyStreamResponse
from abyssal.taxonomy.classifications import Classifications

Call = grpc.aio.StreamStreamCall[ClassifyStreamRequest, ClassifyStreamResponse]


class AsyncClient:
    """Classifies through a running service.

    Args:
        target: HOST:PORT.
        timeout: seconds that a small call may take; the service drops what it cannot do in that time.
        attempts: failures in a row, without an answer between them, after which a call gives up; 1 leaves the decision
            about the next attempt to the caller.
        chunk_reads: reads in a message.
        access: credential and certificates, for a service that asks for them; ``metadata`` of a call may bring another
            credential, as a gateway does for its own callers.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = 120.0,
        attempts: int = 1,
        chunk_reads: int = CHUNK_READS,
        access: Access | None = None,
    ) -> None:
        access = access or Access()
        self._metadata = access.metadata
        credentials = access.credentials
        self._attempts = attempts
        self._chunk_reads = chunk_reads
        self.target = check_target(target)
        self._timeout = timeout
        self.channel = (
            grpc.aio.secure_channel(target, credentials, CHANNEL_OPTIONS)
            if credentials
            else grpc.aio.insecure_channel(target, CHANNEL_OPTIONS)
        )
        self._classification = classification_pb2_grpc.ClassificationStub(self.channel)  # type: ignore[no-untyped-call]
        self._models = models_pb2_grpc.ModelsStub(self.channel)  # type: ignore[no-untyped-call]
        self._taxa: dict[str, NumberedTaxa] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self.channel.close(None)

    async def current_model(self, *, model: str = "", marker: str = "", metadata: Metadata = ()) -> ModelInfo:
        """Return what answers a choice: of NAME, NAME@VERSION or NAME@LABEL, or of a marker; without one the first.

        Raises:
            ServiceUnavailable: the service is not there or not ready.
            ServiceError: it refuses.
        """
        request = models_pb2.GetCurrentModelRequest(model=Question(model=model, marker=marker).selector)
        backoff = Backoff(self._attempts)
        while True:
            try:
                answer = await self._models.GetCurrentModel(
                    request, timeout=self._timeout, metadata=self.with_access(metadata)
                )
            except grpc.RpcError as error:
                await asyncio.sleep(_wait(backoff, error, self.target))
            else:
                return ModelInfo.of(answer.model)

    async def classify(
        self, sequences: Sequence[str], *, metadata: Metadata = (), **question: Unpack[QuestionWords]
    ) -> tuple[ModelInfo, Classifications]:
        """Return the model and its answers to at least one sequence, in their order.

        Raises:
            ServiceUnavailable: the service is not there, not ready or full.
            ServiceError: it refuses, or the time is up.
        """
        chunks = in_chunks(sequences, reads=self._chunk_reads, letters_of=len)
        stream = AnswerStream(self, chunks, Question(**question), metadata=metadata, timeout=self._timeout)
        parts = [answers async for answers in stream]
        if stream.model is None:
            raise unfinished()
        return stream.model, concatenate(parts)

    def classify_stream(
        self, chunks: Iterable[Sequence[str]], *, metadata: Metadata = (), **question: Unpack[QuestionWords]
    ) -> AnswerStream:
        """Return the answers to each chunk of sequences, in their order; memory does not grow with their number.

        A connection that breaks is made again, as often as ``attempts`` says, and continues with the first unanswered
        chunk, on the same model. Arguments and errors are those of the synchronous client.
        """
        return AnswerStream(self, chunks, Question(**question), metadata=metadata, timeout=None)

    def open_stream(self, *, timeout: float | None, metadata: Metadata) -> Call:
        """Return a new call of ClassifyStream."""
        call: Call = self._classification.ClassifyStream(timeout=timeout, metadata=self.with_access(metadata))
        return call

    def with_access(self, metadata: Metadata) -> Metadata:
        """Return metadata with this client's credential, unless they bring one."""
        return metadata if any(name == "authorization" for name, _ in metadata) else (*metadata, *self._metadata)

    def backoff(self) -> Backoff:
        """Return how to wait between attempts."""
        return Backoff(self._attempts)

    async def taxonomy(self, digest: str, *, metadata: Metadata = ()) -> NumberedTaxa:
        """Return the taxa that a model's answers point into, fetched once.

        Raises:
            ServiceError: the service refuses.
            DataError: what came does not have that digest.
        """
        if digest not in self._taxa:
            pages = TaxaPages(digest)
            carried = self.with_access(metadata)
            while request := pages.request:
                pages.add(await self._models.GetTaxonomy(request, timeout=self._timeout, metadata=carried))
            self._taxa[digest] = pages.taxa()
        return self._taxa[digest]


class AnswerStream:
    """The answers to chunks, as an asynchronous iterator; ``model`` is what answers, once the first answer is there."""

    def __init__(
        self,
        client: AsyncClient,
        chunks: Iterable[Sequence[str]],
        question: Question,
        *,
        metadata: Metadata,
        timeout: float | None,
    ) -> None:
        self._client = client
        self._source = iter(chunks)
        self._state = StreamState(question)
        self._metadata = metadata
        self._timeout = timeout
        self.model: ModelInfo | None = None

    async def __aiter__(self) -> AsyncIterator[Classifications]:
        backoff = self._client.backoff()
        while True:
            try:
                async for answers in self._connection():
                    backoff.progress()
                    yield answers
            except grpc.RpcError as error:
                await asyncio.sleep(_wait(backoff, error, self._client.target))
            else:
                return

    async def _connection(self) -> AsyncIterator[Classifications]:
        """Yield answers until the source is exhausted and all of it is answered, or the connection breaks."""
        call = self._client.open_stream(timeout=self._timeout, metadata=self._metadata)
        room = asyncio.Semaphore(max(0, CHUNKS_AHEAD - len(self._state)))
        accepted = asyncio.Event()
        # A second task writes: with one, service and client could each wait for the other to read.
        writer = asyncio.create_task(self._write(call, room, accepted))
        try:
            frames = aiter(call)
            started = (await _next_frame(frames)).started
            self._state.pin(started.model)
            self.model = ModelInfo.of(started.model)
            accepted.set()
            taxa = await self._client.taxonomy(started.model.taxonomy_digest, metadata=self._metadata)
            while (frame := await _next_frame(frames)).WhichOneof("frame") == "result":
                for answers in self._state.accept(frame.result, taxa):
                    room.release()
                    yield answers
            await writer
            self._state.finish()
            # To the very end, or the service would see a call that was cancelled.
            await anext(frames, None)
        finally:
            writer.cancel()
            call.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self, call: Call, room: asyncio.Semaphore, accepted: asyncio.Event) -> None:
        question, *unanswered = self._state.opening()
        await call.write(question)
        # gRPC hides why a call ended from whoever is sending at that moment; until here the question may be refused.
        await accepted.wait()
        for frame in unanswered:
            await call.write(frame)
        while True:
            await room.acquire()
            chunk = next(self._source, None)
            if chunk is None:
                await call.done_writing()
                return
            await call.write(self._state.push(chunk))


def _wait(backoff: Backoff, error: grpc.RpcError, target: str) -> float:
    """Return the seconds to wait before the next attempt; raises the typed error when there is none."""
    failure = service_error(error, target)
    try:
        return backoff.wait(failure)
    except ServiceError:
        raise failure from error


async def _next_frame(frames: AsyncIterator[ClassifyStreamResponse]) -> ClassifyStreamResponse:
    frame = await anext(frames, None)
    if frame is None:
        raise unfinished()
    return frame

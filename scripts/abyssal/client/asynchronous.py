"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

import grpc

from abyssal.client.errors import check_target, service_error
from abyssal.client.session import (
    CHANNEL_OPTIONS,
    CHUNK_READS,
    CHUNKS_AHEAD,
    ModelInfo,
    StreamState,
    TaxaPages,
    unfinished,
)
from abyssal.config.models import NoveltyConfig
from abyssal.inference.batches import concatenate, in_chunks
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1 import classification_pb2_grpc, models_pb2, models_pb2_grpc
from abyssal.inference.v1.classification_pb2 import ClassifyStreamRequest, ClassifyStreamResponse
from abyssal.taxonomy.classifications import Classifications

Metadata = tuple[tuple[str, str], ...]
Call = grpc.aio.StreamStreamCall[ClassifyStreamRequest, ClassifyStreamResponse]


class AsyncClient:
    """Classifies through a running service; makes one attempt, so that the caller decides about the next.

    Args:
        target: HOST:PORT.
        timeout: seconds that a call may take; the service drops what it cannot do in that time.
        credentials: for a service behind TLS.
    """

    def __init__(
        self, target: str, *, timeout: float = 120.0, credentials: grpc.ChannelCredentials | None = None
    ) -> None:
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

    async def current_model(self, *, metadata: Metadata = ()) -> ModelInfo:
        """Return what answers.

        Raises:
            ServiceUnavailable: the service is not there or not ready.
            ServiceError: it refuses.
        """
        request = models_pb2.GetCurrentModelRequest()
        try:
            answer = await self._models.GetCurrentModel(request, timeout=self._timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise service_error(error, self.target) from error
        return ModelInfo.of(answer.model)

    async def classify(
        self, sequences: Sequence[str], *, novelty: NoveltyConfig | None = None, metadata: Metadata = ()
    ) -> tuple[ModelInfo, Classifications]:
        """Return the model and its answers to at least one sequence, in their order.

        Raises:
            ServiceUnavailable: the service is not there, not ready or full.
            ServiceError: it refuses, or the time is up.
        """
        state = StreamState(novelty)
        call: Call = self._classification.ClassifyStream(timeout=self._timeout, metadata=metadata)
        room = asyncio.Semaphore(CHUNKS_AHEAD)
        # A second task writes: with one, service and client could each wait for the other to read.
        writer = asyncio.create_task(_write(call, state, sequences, room))
        try:
            return await self._read(call, state, room)
        except grpc.RpcError as error:
            raise service_error(error, self.target) from error
        finally:
            writer.cancel()
            call.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _read(self, call: Call, state: StreamState, room: asyncio.Semaphore) -> tuple[ModelInfo, Classifications]:
        frames = aiter(call)
        started = (await _next_frame(frames)).started
        state.pin(started.model)
        taxa = await self.taxonomy(started.model.taxonomy_digest)
        parts = []
        while (frame := await _next_frame(frames)).WhichOneof("frame") == "result":
            parts.append(state.accept(frame.result, taxa))
            room.release()
        state.finish()
        return ModelInfo.of(started.model), concatenate(parts)

    async def taxonomy(self, digest: str) -> NumberedTaxa:
        """Return the taxa that a model's answers point into, fetched once.

        Raises:
            ServiceError: the service refuses.
            DataError: what came does not have that digest.
        """
        if digest not in self._taxa:
            pages = TaxaPages(digest)
            while request := pages.request:
                pages.add(await self._models.GetTaxonomy(request, timeout=self._timeout))
            self._taxa[digest] = pages.taxa()
        return self._taxa[digest]


async def _write(call: Call, state: StreamState, sequences: Sequence[str], room: asyncio.Semaphore) -> None:
    for frame in state.opening():
        await call.write(frame)
    for chunk in in_chunks(sequences, reads=CHUNK_READS, letters_of=len):
        await room.acquire()
        await call.write(state.push(chunk))
    await call.done_writing()


async def _next_frame(frames: AsyncIterator[ClassifyStreamResponse]) -> ClassifyStreamResponse:
    frame = await anext(frames, None)
    if frame is None:
        raise unfinished()
    return frame

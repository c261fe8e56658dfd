"""The synchronous client."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc

from abyssal.client.connection import Access
from abyssal.client.errors import check_target, service_error
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
from abyssal.inference.tables import chunks_of
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1 import classification_pb2_grpc, models_pb2, models_pb2_grpc
from abyssal.inference.v1.classification_pb2 import ClassifyStreamRequest, ClassifyStreamResponse
from abyssal.sequences.records import SequenceRecord
from abyssal.taxonomy.classifications import Classifications

Answer = TypeVar("Answer")
Progress = Callable[[int], None]
"""Told the number of reads answered so far."""


class Client:
    """Classifies through a running service.

    Args:
        target: HOST:PORT.
        chunk_reads: reads in a message.
        attempts: failures in a row, without an answer between them, after which a call gives up.
        timeout: seconds that a small call may take; streams have no limit.
        access: credential and certificates, for a service that asks for them.
    """

    def __init__(
        self,
        target: str,
        *,
        chunk_reads: int = CHUNK_READS,
        attempts: int = 6,
        timeout: float = 30.0,
        access: Access | None = None,
    ) -> None:
        self.target = check_target(target)
        access = access or Access()
        self._metadata = access.metadata
        self._chunk_reads = chunk_reads
        self._attempts = attempts
        self._timeout = timeout
        credentials = access.credentials
        self._channel = (
            grpc.secure_channel(target, credentials, CHANNEL_OPTIONS)
            if credentials
            else grpc.insecure_channel(target, CHANNEL_OPTIONS)
        )
        self._classification = classification_pb2_grpc.ClassificationStub(self._channel)  # type: ignore[no-untyped-call]
        self._models = models_pb2_grpc.ModelsStub(self._channel)  # type: ignore[no-untyped-call]
        self._taxa: dict[str, NumberedTaxa] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def current_model(self, *, model: str = "", marker: str = "") -> ModelInfo:
        """Return what answers a choice: of NAME, NAME@VERSION or NAME@LABEL, or of a marker; without one the first.

        Raises:
            ServiceUnavailable: the service is not there or not ready, after several attempts.
            ServiceError: it refuses.
        """
        request = models_pb2.GetCurrentModelRequest(model=Question(model=model, marker=marker).selector)
        answer = self._call(
            lambda: self._models.GetCurrentModel(request, timeout=self._timeout, metadata=self._metadata)
        )
        return ModelInfo.of(answer.model)

    def models(self) -> list[ModelInfo]:
        """Return every model that answers; errors are those of ``current_model``."""
        request = models_pb2.ListModelsRequest()
        answer = self._call(lambda: self._models.ListModels(request, timeout=self._timeout, metadata=self._metadata))
        return [ModelInfo.of(model) for model in answer.models]

    def classify(self, sequences: Sequence[str], **question: Unpack[QuestionWords]) -> Classifications:
        """Return the answers to at least one sequence, in their order; arguments are those of ``classify_stream``."""
        chunks = in_chunks(sequences, reads=self._chunk_reads, letters_of=len)
        return concatenate(list(self.classify_stream(chunks, **question)))

    def classify_stream(
        self,
        chunks: Iterable[Sequence[str]],
        *,
        progress: Progress | None = None,
        **question: Unpack[QuestionWords],
    ) -> Iterator[Classifications]:
        """Yield the answers to each chunk of sequences, in their order; memory does not grow with their number.

        A connection that breaks is made again and continues with the first unanswered chunk, on the same model.

        Args:
            chunks: lists of sequences.
            progress: told the number of reads answered so far.
            question: ``novelty``, ``model``, ``marker`` and ``fallback`` of ``session.Question``. With ``fallback`` the
                answers are those after the search.

        Raises:
            ServiceUnavailable: the service is not there or not ready, after several attempts.
            ServiceError: it refuses.
        """
        state = StreamState(Question(**question))
        backoff = Backoff(self._attempts)
        source = iter(chunks)
        answered = 0
        while True:
            try:
                for answers in self._connection(state, source):
                    backoff.progress()
                    answered += len(answers)
                    if progress is not None:
                        progress(answered)
                    yield answers
            except grpc.RpcError as error:
                time.sleep(backoff.wait(service_error(error, self.target)))
            else:
                return

    def classify_records(
        self,
        records: Iterable[SequenceRecord],
        *,
        progress: Progress | None = None,
        **question: Unpack[QuestionWords],
    ) -> Iterator[tuple[list[str], Classifications]]:
        """Yield (ids, answers) of records in chunks; errors are those of ``classify_stream`` and of the records."""
        waiting: deque[list[str]] = deque()

        def sequences() -> Iterator[list[str]]:
            for ids, chunk in chunks_of(records, self._chunk_reads):
                waiting.append(ids)
                yield chunk

        for answers in self.classify_stream(sequences(), progress=progress, **question):
            yield waiting.popleft(), answers

    def _connection(self, state: StreamState, source: Iterator[Sequence[str]]) -> Iterator[Classifications]:
        """Yield answers until the source is exhausted and all of it is answered, or the connection breaks."""
        outgoing: SimpleQueue[ClassifyStreamRequest | None] = SimpleQueue()
        for frame in state.opening():
            outgoing.put(frame)
        call = self._classification.ClassifyStream(iter(outgoing.get, None), metadata=self._metadata)
        try:
            yield from self._answers(call, outgoing, state, source)
        finally:
            outgoing.put(None)
            call.cancel()

    def _answers(
        self,
        call: Iterator[ClassifyStreamResponse],
        outgoing: SimpleQueue[ClassifyStreamRequest | None],
        state: StreamState,
        source: Iterator[Sequence[str]],
    ) -> Iterator[Classifications]:
        started = _next_frame(call).started
        state.pin(started.model)
        taxa = self.taxonomy(started.model.taxonomy_digest)
        exhausted = False
        while True:
            while not exhausted and len(state) < CHUNKS_AHEAD:
                chunk = next(source, None)
                if chunk is None:
                    exhausted = True
                    outgoing.put(None)
                else:
                    outgoing.put(state.push(chunk))
            frame = _next_frame(call)
            if frame.WhichOneof("frame") == "summary":
                state.finish()
                # To the very end, or the service would see a call that was cancelled.
                next(call, None)
                return
            yield from state.accept(frame.result, taxa)

    def taxonomy(self, digest: str) -> NumberedTaxa:
        """Return the taxa that a model's answers point into, fetched once.

        Raises:
            ServiceUnavailable: the service is not there or not ready, after several attempts.
            ServiceError: it refuses.
            DataError: what came does not have that digest.
        """
        if digest not in self._taxa:
            pages = TaxaPages(digest)
            while request := pages.request:
                pages.add(
                    self._call(
                        partial(self._models.GetTaxonomy, request, timeout=self._timeout, metadata=self._metadata)
                    )
                )
            self._taxa[digest] = pages.taxa()
        return self._taxa[digest]

    def _call(self, call: Callable[[], Answer]) -> Answer:
        backoff = Backoff(self._attempts)
        while True:
            try:
                return call()
            except grpc.RpcError as error:
                time.sleep(backoff.wait(service_error(error, self.target)))


def _next_frame(call: Iterator[ClassifyStreamResponse]) -> ClassifyStreamResponse:
    frame = next(call, None)
    if frame is None:
        raise unfinished()
    return frame

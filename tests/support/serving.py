"""A running inference service for tests, and a classifier whose speed a test controls."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from abyssal.config.models import NoveltyConfig
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1.common_pb2 import Model
from abyssal.sequences.alphabet import first_invalid_letter, normalise
from abyssal.taxonomy.classifications import Classifications, ReadError, ReadErrorCode, Source, tsv_rows
from abyssal_server.app import InferenceServer
from abyssal_server.models import LoadedModel, ModelStore
from abyssal_server.search import Find
from abyssal_server.settings import ServerSettings
from abyssal_server.usage import UsageLog

RANKS = ("domain", "genus", "species")
LINEAGES = (
    *(
        (domain, f"{domain} genus {genus}", f"{domain} species {genus}.{species}")
        for domain in ("Alpha", "Beta")
        for genus in range(4)
        for species in range(4)
    ),
    ("Alpha", None, "Alpha species without genus"),
)


class PacedClassifier:
    """Answers by a hash of the letters; a test can slow it down, hold it, or make it fail."""

    ranks = RANKS
    engine = "paced"

    def __init__(self, seconds_per_call: float = 0.0) -> None:
        self.seconds_per_call = seconds_per_call
        self.calls: list[list[str]] = []
        self.go = threading.Event()
        self.go.set()
        self.failure: Exception | None = None

    def classify(self, sequences: Sequence[str], *, novelty: NoveltyConfig | None = None) -> Classifications:
        """Answer each sequence."""
        self.calls.append(list(sequences))
        self.go.wait()
        time.sleep(self.seconds_per_call)
        if self.failure is not None:
            raise self.failure
        errors = [_error(sequence) for sequence in sequences]
        keys = [int.from_bytes(hashlib.sha256(s.encode("latin-1")).digest()[:4], "little") for s in sequences]
        rows, ranks = len(sequences), len(RANKS)
        nothing: tuple[str | None, ...] = (None,) * ranks
        labels = [nothing if e else LINEAGES[k % len(LINEAGES)] for k, e in zip(keys, errors, strict=True)]
        share = np.array([(k % 997) / 997 for k in keys], dtype=np.float32)
        known = np.array([[name is not None for name in row] for row in labels], dtype=bool).reshape(rows, ranks)
        confidence = np.minimum.accumulate(np.repeat(share[:, None], ranks, axis=1), axis=1) * known
        if novelty is not None:
            confidence *= np.float32(1.0 - novelty.species)
        failed = np.array([e is not None for e in errors], dtype=bool)
        return Classifications(
            ranks=RANKS,
            labels=labels,
            confidence=confidence.astype(np.float32),
            accepted=np.where(failed, -1, np.array(keys, dtype=np.int64) % 4 - 1).astype(np.int16),
            novel_at=np.array([-1 if e else k % 3 - 1 for k, e in zip(keys, errors, strict=True)], dtype=np.int16),
            alternatives=[
                ("Beta species 1.1", "Other") if k % 5 == 0 and not e else () for k, e in zip(keys, errors, strict=True)
            ],
            putative_taxon=[f"PT{k % 7}" if k % 11 == 0 and not e else "" for k, e in zip(keys, errors, strict=True)],
            nearest_id=["" if e else f"ref{k % 50}" for k, e in zip(keys, errors, strict=True)],
            nearest_identity=np.where(failed, np.nan, share).astype(np.float32),
            nearest_coverage=np.where(failed | (share < 0.5), np.nan, share).astype(np.float32),
            source=np.where(failed, int(Source.REJECTED), int(Source.MODEL)).astype(np.int8),
            errors=errors,
            engine="paced",
        )

    def embed(self, sequences: Sequence[str]) -> tuple[np.ndarray, list[ReadError | None]]:
        """Return a vector a sequence."""
        errors = [_error(sequence) for sequence in sequences]
        vectors = np.array([[0.0, 0.0] if e else [0.6, 0.8] for e in errors], dtype=np.float32).reshape(-1, 2)
        return vectors, errors


def _error(sequence: str) -> ReadError | None:
    if not sequence:
        return ReadError(ReadErrorCode.EMPTY, "the sequence has no letters")
    invalid = first_invalid_letter(normalise(sequence))
    if invalid:
        return ReadError(ReadErrorCode.INVALID_LETTER, f"letter {invalid[1]!r} at position {invalid[0] + 1}")
    if len(sequence) < 8:
        return ReadError(ReadErrorCode.TOO_SHORT, f"{len(sequence)} letters, expected 8 or more")
    return None


def paced_model(classifier: PacedClassifier, digest: str = "d" * 64) -> LoadedModel:
    """Return a model around a paced classifier."""
    taxa = NumberedTaxa.from_lineages(RANKS, LINEAGES)
    identity = Model(
        name="paced", version="1", digest=digest, marker="toy", ranks=RANKS, engine="paced", taxonomy_digest=taxa.digest
    )
    return LoadedModel(identity, classifier, classifier.embed, taxa, "# paced\n")


def rows_of(ids: Sequence[str], answers: Classifications) -> list[str]:
    """Return the rows of the table, whether an answer came from the model or from the cache of its answers."""
    source = np.where(answers.source == int(Source.CACHE), int(Source.MODEL), answers.source).astype(np.int8)
    return tsv_rows(ids, replace(answers, source=source))


class OneModel:
    """A store with one model at every location; ``finish`` holds its loading."""

    def __init__(self, model: LoadedModel, finish: threading.Event | None = None) -> None:
        self.digest = model.digest
        self._model = model
        self._finish = finish

    def open(self, location: str) -> OneModel:
        """Return the bundle."""
        return self

    def load(self, opened: object) -> LoadedModel:
        """Return the model."""
        if self._finish is not None:
            self._finish.wait(30)
        return self._model


class RunningServer:
    """An ``InferenceServer`` on its own event loop in its own thread."""

    def __init__(self, server: InferenceServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.loop = loop

    @property
    def target(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.server.port}"

    def drain(self) -> None:
        """Drain and wait until that is done."""
        asyncio.run_coroutine_threadsafe(self.server.drain(), self.loop).result(60)

    def wait_until(self, condition: Callable[[InferenceServer], bool], seconds: float = 10.0) -> None:
        """Wait for a state of the server; fails the test when it does not come."""
        end = time.monotonic() + seconds
        while not condition(self.server):
            assert time.monotonic() < end, "the server did not reach the expected state"
            time.sleep(0.01)


@contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in its own thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="service", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _settings(model_path: Path, settings: dict[str, object]) -> ServerSettings:
    values = {"model_path": str(model_path), "port": 0, "drain_seconds": 5.0, **settings}
    return ServerSettings.model_validate(values)


@contextmanager
def running_server(model: LoadedModel | Path, **settings: object) -> Iterator[RunningServer]:
    """Run a service for a model or a bundle's directory; drained at the end."""

    async def build() -> InferenceServer:
        if isinstance(model, Path):
            server = InferenceServer(_settings(model, settings))
        else:
            server = InferenceServer(_settings(Path("unused"), settings), store=OneModel(model))
        await server.start()
        return server

    with event_loop() as loop:
        running = RunningServer(asyncio.run_coroutine_threadsafe(build(), loop).result(120), loop)
        try:
            yield running
        finally:
            running.drain()


@contextmanager
def running_store(
    store: ModelStore, locations: str, *, find: Find | None = None, usage: UsageLog | None = None, **settings: object
) -> Iterator[RunningServer]:
    """Run a service for the models of a store; drained at the end."""

    async def build() -> InferenceServer:
        values = {"model_path": locations, "port": 0, "drain_seconds": 5.0, **settings}
        server = InferenceServer(ServerSettings.model_validate(values), store=store, find=find, usage=usage)
        await server.start()
        return server

    with event_loop() as loop:
        running = RunningServer(asyncio.run_coroutine_threadsafe(build(), loop).result(120), loop)
        try:
            yield running
        finally:
            running.drain()


@contextmanager
def server_that_loads(model: LoadedModel, finish: threading.Event) -> Iterator[str]:
    """Run a service whose model is there only after ``finish``; yields HOST:PORT while it loads."""

    async def build() -> InferenceServer:
        return InferenceServer(_settings(Path("unused"), {}), store=OneModel(model, finish))

    with event_loop() as loop:
        server = asyncio.run_coroutine_threadsafe(build(), loop).result(30)
        starting = asyncio.run_coroutine_threadsafe(server.start(), loop)
        running = RunningServer(server, loop)
        running.wait_until(lambda listening: listening.port > 0)
        try:
            yield running.target
        finally:
            finish.set()
            starting.result(30)
            running.drain()

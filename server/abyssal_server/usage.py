"""Who asked for how many reads: one document a call in the metadata store, never at the cost of inference.

Records wait in a bounded queue for a thread of their own; when it cannot keep up, or the store is out of order, they
are dropped and counted. Sequences are written only when that is switched on.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from abyssal.errors import AbyssalError
from abyssal.stores.collections import USAGE
from abyssal.stores.documents import DocumentStore
from abyssal.stores.open import metadata_location, open_metadata_store
from abyssal.taxonomy.classifications import Classifications, Source
from abyssal_server.breaker import Breaker
from abyssal_server.models import LoadedModel

logger = logging.getLogger(__name__)

_BATCH = 200
_MOST_SEQUENCES = 1024

Open = Callable[[], DocumentStore]
Record = dict[str, Any]


class CallUsage:
    """What one call has used so far."""

    def __init__(self, method: str, model: LoadedModel, client: str, *, keep_sequences: bool) -> None:
        self._started = time.monotonic()
        self._keep_sequences = keep_sequences
        self._kept: list[str] = []
        self._counts = dict.fromkeys(("chunks", "reads", "letters", "errors", "rejected", "cached", "searched"), 0)
        self._record: Record = {
            "method": method, "client": client, "at": time.time(), "model": model.identity.name,
            "model_digest": model.digest, "engine": model.identity.engine,
        }  # fmt: skip

    def count(self, sequences: Sequence[str], answers: Classifications) -> tuple[list[int], int]:
        """Add the answers to a chunk; returns how many there are of each ``Source``, and how many errors."""
        faulty = sum(error is not None for error in answers.errors)
        found: list[int] = np.bincount(answers.source, minlength=len(Source) + 1).tolist()
        rejected, cached, searched = found[Source.REJECTED] - faulty, found[Source.CACHE], found[Source.FALLBACK]
        more = (1, len(sequences), sum(map(len, sequences)), faulty, rejected, cached, searched)
        for name, number in zip(self._counts, more, strict=True):
            self._counts[name] += number
        if self._keep_sequences:
            self._kept += sequences[: _MOST_SEQUENCES - len(self._kept)]
        return found, faulty

    def count_searched(self, reads: int) -> None:
        """Add reads that a search has settled after they were counted."""
        self._counts["searched"] += reads

    def record(self, outcome: str) -> Record:
        """Return the document of the finished call."""
        record = {"_id": uuid.uuid4().hex, **self._record, **self._counts, "outcome": outcome}
        record["seconds"] = round(time.monotonic() - self._started, 6)
        if self._keep_sequences:
            record["sequences"] = [_printable(sequence) for sequence in self._kept]
        return record


class UsageLog:
    """Writes records in a thread of its own.

    Args:
        store: opens the metadata store; called in that thread, again after an outage. None switches the log off.
        room: most records that wait.
        keep_sequences: whether records hold the first reads of the call.
    """

    def __init__(self, store: Open | None, *, room: int = 4096, keep_sequences: bool = False) -> None:
        self._open = store
        self._keep_sequences = keep_sequences
        self._waiting: queue.Queue[Record | None] = queue.Queue(room)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="usage writer", daemon=True)
        self.breaker = Breaker("the usage log")
        self.dropped = 0
        self.written = 0
        if store is not None:
            self._thread.start()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, room: int, keep_sequences: bool) -> UsageLog:
        """Return the log in the metadata store of MONGO_URL or ABYSSAL_METADATA; switched off without one."""
        location = metadata_location(None, environment)
        store = None if location is None else lambda: open_metadata_store(location)
        return cls(store, room=room, keep_sequences=keep_sequences)

    @property
    def on(self) -> bool:
        """Whether anything is written."""
        return self._open is not None

    @property
    def problem(self) -> str:
        """What is wrong with the store, or ""."""
        return self.breaker.problem or ("it does not keep up" if self._waiting.full() else "")

    @contextmanager
    def call(self, method: str, model: LoadedModel, client: str) -> Iterator[CallUsage]:
        """Count what a call uses and record it at its end, however it ends."""
        usage = CallUsage(method, model, client, keep_sequences=self._keep_sequences)
        outcome = "OK"
        try:
            yield usage
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            if self.on:
                self.put(usage.record(outcome))

    def put(self, record: Record) -> None:
        """Let a record be written; never waits."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, for a bounded time."""
        if not self.on:
            return
        self._closing.set()
        try:
            self._waiting.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _write_all(self) -> None:
        store: DocumentStore | None = None
        ended = False
        while not ended:
            batch = [self._waiting.get()]
            while batch[-1] is not None and len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            ended = batch[-1] is None
            store = self._write(store, [record for record in batch if record is not None])
        if store is not None:
            store.close()

    def _write(self, store: DocumentStore | None, records: list[Record]) -> DocumentStore | None:
        """Write records or drop them; returns the store to go on with, None after an outage."""
        if not records or self._open is None:
            return store
        if not self.breaker.may_try():
            self.dropped += len(records)
            return None
        try:
            store = store or self._open()
            self.written += store.put_many(USAGE, records)
        except AbyssalError as error:
            self.dropped += len(records)
            self.breaker.failed(str(error))
            if store is not None:
                store.close()
            return None
        self.breaker.succeeded()
        return store


def _printable(sequence: str) -> str:
    """Return a read as text that every store keeps."""
    return sequence.encode("ascii", "replace").decode().replace("\0", "?")

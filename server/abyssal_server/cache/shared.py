"""Answers that all replicas share through Redis; whatever is wrong with it, inference goes on without.

Reads are asked for in batches, with a short limit on all the time that takes; answers are written by a thread of their
own that drops what it cannot keep up with. An outage, slowness, answers that do not fit the question and damaged values
open a circuit breaker.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from abyssal.taxonomy.classifications import Classifications
from abyssal_server.breaker import Breaker
from abyssal_server.cache.rows import decode_rows, encode_row
from abyssal_server.question import Question

_PREFIX = b"abyssal:answer:1:"
_BATCH = 512
_WAITING_BATCHES = 64
_DAMAGE_TOLERATED = 8

_FAILURES = (
    redis.RedisError, OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError,
    MemoryError,
)  # fmt: skip
"""What the Redis client raises: its own errors and the system's, and any of the others at bytes no Redis would send."""

_Write = tuple[Question, list[str], Classifications]


class SharedAnswers:
    """A Redis with answers.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        seconds: longest wait for it; slower counts as an outage.
        keep_seconds: time that it keeps an answer.
    """

    def __init__(self, url: str, *, seconds: float, keep_seconds: int) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0)
        )
        # Writing is in no hurry: its own connection, and more time for a batch.
        self._writing = redis.Redis.from_url(
            url, socket_timeout=10 * seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0)
        )
        self._seconds = seconds
        self._keep_seconds = keep_seconds
        # A thread to read, because the client's limit holds for each piece that arrives, not for all of an answer.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="cache reader")
        self._writes: queue.Queue[_Write | None] = queue.Queue(_WAITING_BATCHES)
        self._writer = threading.Thread(target=self._write_all, name="cache writer", daemon=True)
        self._damaged = 0
        self.breaker = Breaker("the cache (Redis)")
        self.dropped = 0
        self._writer.start()

    def close(self) -> None:
        """Stop writing; what waits is dropped."""
        while not self._writes.empty():
            self._writes.get_nowait()
        self._writes.put(None)
        self._writer.join(10.0)
        self._client.close()
        self._writing.close()
        self._reader.shutdown(wait=False, cancel_futures=True)

    def find(self, question: Question, sequences: Sequence[str]) -> tuple[list[str], Classifications | None]:
        """Return those of the distinct reads that Redis knows, and their answers; in batches, never raises."""
        if not sequences or not self.breaker.may_try():
            return [], None
        asked = _asked(question)
        keys = [_key(asked, sequence) for sequence in sequences]
        batches = [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
        fetched = self._reader.submit(self._fetch, batches)
        try:
            # One share of the time is for connecting.
            values = fetched.result(self._seconds * (len(batches) + 1))
        except _FAILURES as error:
            fetched.cancel()
            self._client.connection_pool.disconnect()
            self.breaker.failed(_problem(error))
            return [], None
        rows, answers, damaged = decode_rows(values, keys, question.taxa, question.classifier.engine)
        self._judge(damaged, sound=len(rows))
        return [sequences[row] for row in rows], answers

    def _fetch(self, batches: Sequence[Sequence[bytes]]) -> list[bytes | None]:
        values: list[bytes | None] = []
        for keys in batches:
            found: object = self._client.mget([_PREFIX + key for key in keys])
            if not isinstance(found, list) or len(found) != len(keys):
                message = "the answer does not fit the question"
                raise redis.InvalidResponse(message)
            values += [value if value is None or isinstance(value, bytes) else b"" for value in found]
        return values

    def add(self, question: Question, sequences: Sequence[str], answers: Classifications) -> None:
        """Let answers be written; drops them when the writer cannot keep up."""
        if not self.breaker.closed:
            self.dropped += len(sequences)
            return
        try:
            self._writes.put_nowait((question, list(sequences), answers))
        except queue.Full:
            self.dropped += len(sequences)

    def written(self, seconds: float = 10.0) -> bool:
        """Wait until what was added is written or dropped; False when time ran out."""
        end = time.monotonic() + seconds
        while self._writes.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)
        return not self._writes.unfinished_tasks

    def _judge(self, damaged: int, *, sound: int) -> None:
        """Count damaged values: a few are misses, many in a row mean that somebody else writes here."""
        self._damaged = 0 if sound else self._damaged + damaged
        if self._damaged >= _DAMAGE_TOLERATED:
            self._damaged = 0
            self.breaker.failed("holds values that are no answers of ours")
        else:
            self.breaker.succeeded()

    def _write_all(self) -> None:
        while (write := self._writes.get()) is not None:
            self._write(*write)
            self._writes.task_done()
        self._writes.task_done()

    def _write(self, question: Question, sequences: list[str], answers: Classifications) -> None:
        asked = _asked(question)
        try:
            for start in range(0, len(sequences), _BATCH):
                pipeline = self._writing.pipeline(transaction=False)
                for row, sequence in enumerate(sequences[start : start + _BATCH], start):
                    key = _key(asked, sequence)
                    pipeline.set(_PREFIX + key, encode_row(answers, row, question.taxa, key), ex=self._keep_seconds)
                pipeline.execute()
        except _FAILURES as error:
            self.dropped += len(sequences)
            self.breaker.failed(_problem(error))


def _problem(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error) or 'no answer in time'}"[:200]


def _asked(question: Question) -> bytes:
    """Return what stands for model, engine and settings in every key."""
    novelty = question.novelty
    mix = "" if novelty is None else novelty.model_dump_json()
    text = f"{question.model_digest}\n{question.classifier.engine}\n{mix}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _key(asked: bytes, sequence: str) -> bytes:
    return asked + hashlib.blake2b(sequence.encode("latin-1"), digest_size=16).digest()

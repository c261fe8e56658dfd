"""Large classification requests: kept, worked on in the background by whichever gateway is free, read in pieces.

The gateway is only a client: reads go to the service in a stream that survives the service's restarts.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from abyssal.client.asynchronous import AsyncClient
from abyssal.config.models import NoveltyConfig
from abyssal.errors import AbyssalError, StoreError
from abyssal.files import sha256_file
from abyssal.inference.batches import in_chunks
from abyssal.sequences.records import SequenceRecord
from abyssal.stores.documents import Span
from abyssal.stores.objects import ObjectStore
from abyssal.taxonomy.classifications import Classifications, tsv_header, tsv_rows
from abyssal_server.gateway.results import model_output, sequence_outputs
from abyssal_server.gateway.state import GatewayState
from abyssal_server.jobs.lease import Lease
from abyssal_server.jobs.queue import CLASSIFY, Claim, LeaseLost, State

logger = logging.getLogger(__name__)

PIECE_ROWS = 1000
"""Rows of one object of results."""
INPUT, HEADER = "input.jsonl.gz", "header.tsv"
_CHUNK_READS = 500
_WAITS, _WAIT_SECONDS = 8, 0.125
_EXPIRY_SECONDS = 3600.0
_DAY_SECONDS = 86_400.0


def keep_input(objects: ObjectStore, records: Sequence[SequenceRecord]) -> None:
    """Keep what is to be classified."""
    with tempfile.TemporaryDirectory(prefix="abyssal-input-") as folder:
        path = Path(folder) / "input"
        with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            for record in records:
                packed.write(json.dumps([record.id, record.sequence]).encode() + b"\n")
        objects.put_file(INPUT, path, sha256=sha256_file(path))


def read_input(objects: ObjectStore) -> list[tuple[str, str]]:
    """Return ids and sequences; raises StoreError."""
    packed = b"".join(objects.stream(INPUT))
    return [(row[0], row[1]) for row in map(json.loads, gzip.decompress(packed).splitlines())]


def new_input() -> str:
    """Return a name under which input and results are kept."""
    return secrets.token_hex(16)


def rows_key(number: int) -> str:
    """Return the object of the ``number``-th piece of rows as JSON lines."""
    return f"rows/{number:06d}.jsonl"


def table_key(number: int) -> str:
    """Return the object of the ``number``-th piece of the table."""
    return f"table/{number:06d}.tsv"


class _Pieces:
    """Writes rows as objects of ``PIECE_ROWS``."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._rows: list[str] = []
        self._table: list[str] = []
        self._number = 0

    def add(self, ids: Sequence[str], sequences: Sequence[str], answers: Classifications, done: int) -> None:
        """Take the answers to the sequences behind the first ``done``."""
        for output, sequence in zip(sequence_outputs(ids, answers, done), sequences, strict=True):
            self._rows.append(json.dumps({**output.model_dump(), "sequence": sequence}))
        self._table += tsv_rows(ids, answers)
        while len(self._rows) >= PIECE_ROWS:
            self._write()

    def finish(self) -> None:
        """Write what is left."""
        if self._rows:
            self._write()

    def _write(self) -> None:
        for key, lines in ((rows_key(self._number), self._rows), (table_key(self._number), self._table)):
            _put(self._objects, key, "".join(f"{line}\n" for line in lines[:PIECE_ROWS]))
            del lines[:PIECE_ROWS]
        self._number += 1


def _put(objects: ObjectStore, key: str, text: str) -> None:
    with tempfile.NamedTemporaryFile(prefix="abyssal-rows-") as file:
        file.write(text.encode("utf-8"))
        file.flush()
        objects.put_file(key, Path(file.name), sha256=sha256_file(Path(file.name)))


class InferenceRunner:
    """Works on the classification jobs of all gateways, some at a time."""

    def __init__(self, state: GatewayState, client: AsyncClient) -> None:
        self._state = state
        self._client = client
        self._expired = 0.0

    async def run(self) -> None:
        """Work until the task is cancelled; a store that is out of order is waited for."""
        name = f"gateway:{secrets.token_hex(4)}"
        while True:
            try:
                await self._expire()
                claim = await asyncio.to_thread(self._state.queue.claim, CLASSIFY, name)
                if claim is not None:
                    await self._work(claim)
                    continue
            except StoreError as error:
                logger.warning("%s; trying again", error)
            # In short waits: a thread that waits cannot be cancelled, and would hold up the end of the process.
            for _ in range(_WAITS):
                if await asyncio.to_thread(self._state.coordination.wait, CLASSIFY, _WAIT_SECONDS):
                    break

    async def _work(self, claim: Claim) -> None:
        queue = self._state.queue
        try:
            with Lease(queue, claim) as lease:
                ended = await self._classify(claim, lease)
            await asyncio.to_thread(queue.finish, claim, *ended)
        except LeaseLost as error:
            logger.warning("%s; another gateway goes on with it", error)
        except StoreError as error:
            logger.warning("job %s is given back (%s)", claim.id, error)
        except AbyssalError as error:
            failure = {"error": {"detail": str(error), "rule": None}}
            await asyncio.to_thread(queue.finish, claim, State.FAILED, failure)

    async def _classify(self, claim: Claim, lease: Lease) -> tuple[State, dict[str, Any]]:
        request = claim.job["request"]
        objects = self._state.places.objects(f"inference/{request['input']}")
        records = await asyncio.to_thread(read_input, objects)
        ids, sequences = [one for one, _ in records], [one for _, one in records]
        novelty = NoveltyConfig.model_validate(request["novelty"]) if request["novelty"] else None
        stream = self._client.classify_stream(
            _chunks(sequences), novelty=novelty, model=request["model"], marker=request["marker"],
            fallback=request["fallback"],
        )  # fmt: skip
        pieces, done, told = _Pieces(objects), 0, time.monotonic()
        async for answers in stream:
            end = done + len(answers)
            await asyncio.to_thread(pieces.add, ids[done:end], sequences[done:end], answers, done)
            done = end
            lease.check()
            if lease.cancelled.is_set():
                return State.CANCELLED, {}
            if time.monotonic() > told + 1.0:
                told = time.monotonic()
                progress = {"done": done, "total": len(records)}
                await asyncio.to_thread(self._state.queue.update, claim, {"progress": progress})
        await asyncio.to_thread(pieces.finish)
        model = stream.model or await self._client.current_model(model=request["model"], marker=request["marker"])
        await asyncio.to_thread(_put, objects, HEADER, tsv_header(model.ranks) + "\n")
        self._state.metrics.sequences.inc(done)
        values = {"model": model_output(model).model_dump(), "progress": {"done": done, "total": len(records)}}
        return State.SUCCEEDED, values

    async def _expire(self) -> None:
        """Forget results that were kept long enough."""
        if time.monotonic() < self._expired:
            return
        self._expired = time.monotonic() + _EXPIRY_SECONDS
        await asyncio.to_thread(self._forget_old)

    def _forget_old(self) -> None:
        oldest = time.time() - _DAY_SECONDS * self._state.settings.keep_days
        for job in self._state.queue.jobs({"kind": CLASSIFY, "created": Span(below=oldest)}, limit=1000):
            if job["finished"] is not None:
                self._state.places.objects(f"inference/{job['request']['input']}").delete_below("")
                self._state.queue.delete(job["_id"])


def _chunks(sequences: Sequence[str]) -> Iterator[list[str]]:
    for chunk in in_chunks(sequences, reads=_CHUNK_READS, letters_of=len):
        yield list(chunk)


def table_blocks(objects: ObjectStore, rows: int) -> Iterator[bytes]:
    """Yield the classification TSV of a finished job."""
    yield from objects.stream(HEADER)
    for number in range(-(-rows // PIECE_ROWS)):
        yield from objects.stream(table_key(number))


def row_lines(objects: ObjectStore, rows: int, offset: int, limit: int) -> Iterator[bytes]:
    """Yield rows ``offset`` to ``offset + limit`` as JSON lines."""
    end = min(rows, offset + limit)
    for number in range(offset // PIECE_ROWS, -(-end // PIECE_ROWS)):
        lines = b"".join(objects.stream(rows_key(number))).splitlines(keepends=True)
        start = number * PIECE_ROWS
        yield b"".join(lines[max(0, offset - start) : end - start])

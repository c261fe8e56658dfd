"""The judged figures of the service, each as a ratio to the bare engine in the same tree of processes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
import numpy as np
from benchmarks.server.bare import BareEngine, bare_engine
from benchmarks.server.load import UNARY, Library, ServiceProcess, packed_chunks, service, stream

from abyssal.client.session import CHANNEL_OPTIONS
from abyssal.inference.v1.classification_pb2 import ClassifyRequest

Figures = dict[str, float]
_CALL_READS = 16


def streaming(bundle: Path, folder: Path, library: Library, *, reads: int, rounds: int) -> Figures:
    """Answer Zipf-shuffled reads, two for each distinct one, through one stream with nothing remembered of them.

    Only distinct reads count. Rounds of the service and of the bare engine take turns, each on new reads.

    Returns:
        ``ratio`` by the clock and ``cpu_ratio`` by processor time (medians over the rounds), both throughputs.
    """
    with bare_engine(bundle) as engine, service(bundle, folder) as running:
        batch = engine.best_batch(library.distinct(min(reads, 4096)))
        stream(running.target, packed_chunks(library.distinct(1024)))
        rows = [_streaming_round(engine, running, library, reads, batch) for _ in range(rounds)]
    bare, bare_cpu, served, served_cpu = (np.array(column) for column in zip(*rows, strict=True))
    return {
        "ratio": float(np.median(bare / served)),
        "cpu_ratio": float(np.median(bare_cpu / served_cpu)),
        "bare_reads_per_second": reads / float(np.median(bare)),
        "service_reads_per_second": reads / float(np.median(served)),
        "best_batch": float(batch),
    }


def _streaming_round(
    engine: BareEngine, running: ServiceProcess, library: Library, reads: int, batch: int
) -> tuple[float, float, float, float]:
    """Return seconds and processor seconds of the bare engine, before and after the service, and of the service."""
    before = engine.spent(library.distinct(reads), batch)
    chunks = packed_chunks(library.zipf(library.distinct(reads), 2 * reads))
    cpu, begun = running.cpu_seconds, time.monotonic()
    stream(running.target, chunks)
    served, served_cpu = time.monotonic() - begun, running.cpu_seconds - cpu
    after = engine.spent(library.distinct(reads), batch)
    return (before[0] + after[0]) / 2, (before[1] + after[1]) / 2, served, served_cpu


def duplicates(bundle: Path, folder: Path, library: Library, *, reads: int) -> Figures:
    """Answer a library of which 95 % are duplicates, with nothing remembered of it."""
    distinct = library.distinct(max(reads // 20, 1))
    chunks = packed_chunks(library.zipf(distinct, reads))
    with service(bundle, folder) as running:
        stream(running.target, packed_chunks(library.distinct(1024)))
        cpu, begun = running.cpu_seconds, time.monotonic()
        summary = stream(running.target, chunks)
        seconds = time.monotonic() - begun
        cpu = running.cpu_seconds - cpu
    return {"reads_per_second": summary.reads / seconds, "reads_per_cpu_second": summary.reads / cpu}


def overhead(bundle: Path, folder: Path, library: Library, *, reads: int, rounds: int) -> Figures:
    """Return processor time of the service for a read that it remembers, in chunks of 512 (µs)."""
    pool = library.distinct(1000)
    chunks = packed_chunks(library.zipf(pool, 8192))
    each = []
    with service(bundle, folder) as running:
        stream(running.target, chunks * 4)
        for _ in range(rounds):
            cpu = running.cpu_seconds
            summary = stream(running.target, chunks * -(-reads // 8192))
            each.append((running.cpu_seconds - cpu) / summary.reads * 1e6)
    return {"cpu_microseconds_a_read": statistics.median(each), "lowest": min(each), "highest": max(each)}


def small_calls(bundle: Path, folder: Path, library: Library, *, calls: int) -> Figures:
    """Ask for 16 new reads at random moments, as often as keeps the bare engine half busy.

    Returns:
        Milliseconds: the engine's median for such a call, measured before and after; median and 99th percentile of the
        calls; and ``p99_ratio``, the latter over the engine's.
    """
    with bare_engine(bundle) as engine, service(bundle, folder) as running:
        alone = [_engine_time(engine, library)]
        gaps = library.rng.exponential(2 * alone[0], calls)
        requests = [_request(library.distinct(_CALL_READS)) for _ in range(calls + 20)]
        seconds = asyncio.run(_call_at_random(running.target, requests, gaps))
        alone.append(_engine_time(engine, library))
    engine_time = statistics.fmean(alone)
    p50, p99 = (float(np.percentile(seconds, q)) for q in (50, 99))
    return {
        "engine_milliseconds": 1000 * engine_time,
        "p50_milliseconds": 1000 * p50,
        "p99_milliseconds": 1000 * p99,
        "p99_ratio": p99 / engine_time,
    }


def _engine_time(engine: BareEngine, library: Library) -> float:
    return statistics.median(engine.spent(library.distinct(_CALL_READS), _CALL_READS)[0] for _ in range(60))


def _request(reads: Sequence[str]) -> bytes:
    return ClassifyRequest(sequences=[read.encode() for read in reads]).SerializeToString()


async def _call_at_random(target: str, requests: Sequence[bytes], gaps: Sequence[float]) -> list[float]:
    """Return the seconds of each call; the first requests only warm up, one after the other."""
    async with grpc.aio.insecure_channel(target, CHANNEL_OPTIONS) as channel:
        classify = channel.unary_unary(UNARY)

        async def timed(request: bytes) -> float:
            begun = time.monotonic()
            await classify(request)
            return time.monotonic() - begun

        warm, measured = requests[: -len(gaps)], requests[-len(gaps) :]
        for request in warm:
            await timed(request)
        tasks = []
        at = time.monotonic()
        for request, gap in zip(measured, gaps, strict=True):
            at += gap
            await asyncio.sleep(max(at - time.monotonic(), 0.0))
            tasks.append(asyncio.create_task(timed(request)))
        return list(await asyncio.gather(*tasks))

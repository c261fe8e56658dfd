"""Memory of the real process under callers who stall, idle and crash, while it answers millions of reads."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from benchmarks.server.load import STREAM, Library, ServiceProcess, channel_to, packed_chunks, service, stream

from abyssal.client import Client
from abyssal.inference.v1 import classification_pb2 as messages

_STREAMS_PER_CONNECTION = 10
_CRASHERS_PER_PROCESS = 10
_CONFIG = messages.ClassifyStreamRequest(config=messages.ClassifyConfig()).SerializeToString()

CRASHER = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from benchmarks.server import load
packed = [bytes.fromhex(line) for line in sys.stdin.read().split()]
gone = threading.Event()
def go(number):
    load.stream(sys.argv[2], (one for _ in range(1000) for one in packed), on_chunk=lambda n: n == 5 and crash())
def crash():
    with lock:
        left.pop()
        if not left:
            print("now", flush=True)
    gone.wait()
lock, left = threading.Lock(), list(range(int(sys.argv[3])))
for number in range(int(sys.argv[3])):
    threading.Thread(target=go, args=(number,), daemon=True).start()
gone.wait()
"""


@dataclass
class Soak:
    """What was seen.

    Attributes:
        baseline: resident memory after the first answers (MiB).
        growth: largest growth over it by phase (MiB).
        slowest_neighbour: longest time of another client's small call (seconds).
        reads: answered in the stream whose reader stalled.
        seconds: that took, the stall included.
        calls_left: calls that the service counts when all have gone.
    """

    baseline: float
    growth: dict[str, float] = field(default_factory=dict)
    slowest_neighbour: float = 0.0
    reads: int = 0
    seconds: float = 0.0
    calls_left: int = -1


class _Watch:
    """Samples memory and asks small questions as another client would, in a thread."""

    def __init__(self, running: ServiceProcess, reads: list[str]) -> None:
        self._running = running
        self._reads = reads
        self._ended = threading.Event()
        self.peak = 0.0
        self.slowest = 0.0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        with Client(self._running.target, timeout=60) as client:
            while not self._ended.wait(0.2):
                begun = time.monotonic()
                client.classify(self._reads)
                self.slowest = max(self.slowest, time.monotonic() - begun)
                self.peak = max(self.peak, self._running.memory())

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


@contextmanager
def _phase(name: str, soak: Soak, running: ServiceProcess, reads: list[str]) -> Iterator[None]:
    watch = _Watch(running, reads)
    try:
        yield
    finally:
        watch.end()
        soak.growth[name] = watch.peak - soak.baseline
        soak.slowest_neighbour = max(soak.slowest_neighbour, watch.slowest)


@contextmanager
def idle_streams(target: str, number: int) -> Iterator[None]:
    """Keep streams open that have sent their config and nothing more."""
    held = threading.Event()

    def quiet() -> Iterator[bytes]:
        yield _CONFIG
        held.wait()

    channels = [channel_to(target) for _ in range(0, number, _STREAMS_PER_CONNECTION)]
    calls = [channels[n // _STREAMS_PER_CONNECTION].stream_stream(STREAM)(quiet()) for n in range(number)]
    for call in calls:
        next(call)
    try:
        yield
    finally:
        held.set()
        for call in calls:
            try:
                for _ in call:
                    pass
            except grpc.RpcError as error:
                sys.stderr.write(f"an idle stream ended with {error}\n")
        for channel in channels:
            channel.close()


def crash_clients(target: str, number: int, packed: list[bytes]) -> None:
    """Let clients die in mid-stream with their processes, as many at once as one process holds."""
    text = "\n".join(one.hex() for one in packed).encode()
    for start in range(0, number, _CRASHERS_PER_PROCESS):
        streams = min(_CRASHERS_PER_PROCESS, number - start)
        command = [sys.executable, "-c", CRASHER, str(Path(__file__).parents[2]), target, str(streams)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crasher:
            assert crasher.stdin is not None
            assert crasher.stdout is not None
            crasher.stdin.write(text)
            crasher.stdin.close()
            crasher.stdout.readline()
            crasher.kill()


def calls_left(running: ServiceProcess) -> int:
    """Return the calls that the service still counts, by its metrics."""
    text = urllib.request.urlopen(f"http://{running.metrics}/metrics").read().decode()
    return int(float(next(line for line in text.splitlines() if line.startswith("abyssal_calls ")).split()[1]))


def soak(
    bundle: Path,
    folder: Path,
    library: Library,
    *,
    reads: int,
    stall: float,
    idle: int,
    crashing: int,
    pool: int = 4096,
    quiet_seconds: float = 2.0,
) -> Soak:
    """Run all phases: idle streams, crashing clients beside them, then many reads with a stalled reader beside them."""
    distinct = library.distinct(pool)
    packed = packed_chunks(library.zipf(distinct, 4 * pool))
    few = distinct[:16]
    with service(bundle, folder) as running:
        stream(running.target, packed * 5)
        seen = Soak(running.memory())
        with _phase("one stream", seen, running, few):
            stream(running.target, packed * 8)
        with idle_streams(running.target, idle):
            with _phase("idle streams", seen, running, few):
                time.sleep(quiet_seconds)
            with _phase("crashing clients", seen, running, few):
                crash_clients(running.target, crashing, packed)
            with _phase("many reads", seen, running, few):
                _many_reads(running.target, packed, seen, reads=reads, stall=stall)
        time.sleep(quiet_seconds)
        seen.growth["afterwards"] = running.memory() - seen.baseline
        seen.calls_left = calls_left(running)
    return seen


def _many_reads(target: str, packed: list[bytes], seen: Soak, *, reads: int, stall: float) -> None:
    """Send the packed chunks again and again; the reader stalls once, in the middle."""
    chunks = reads // 512 + 1
    begun = time.monotonic()

    def slow_reader(answered: int) -> None:
        if answered == chunks // 2:
            time.sleep(stall)

    sent = itertools.islice(itertools.cycle(packed), chunks)
    seen.reads = stream(target, sent, on_chunk=slow_reader).reads
    seen.seconds = time.monotonic() - begun

"""Load for a running service: reads like a library's, the real process, and streams that cost the caller little."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import grpc
import numpy as np

from abyssal.client.session import CHANNEL_OPTIONS
from abyssal.inference.v1 import classification_pb2 as messages
from abyssal.sequences.records import read_records

STREAM = "/abyssal.inference.v1.Classification/ClassifyStream"
UNARY = "/abyssal.inference.v1.Classification/Classify"
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_LETTERS = np.frombuffer(b"ACGT", dtype="S1")
_RESULT = b"\x12"
_SUMMARY = b"\x1a"
"""First bytes of a frame: fields 2 and 3 of ``ClassifyStreamResponse``."""


@dataclass
class Library:
    """Reads that are mutated reference amplicons of a bundle: never two alike, until somebody asks for copies.

    Attributes:
        bundle: directory of the bundle.
        errors: share of letters drawn anew.
        rng: what is random.
    """

    bundle: Path
    rng: np.random.Generator
    errors: float = 0.02
    _amplicons: list[bytes] = field(default_factory=list)

    def distinct(self, number: int) -> list[str]:
        """Return new reads."""
        if not self._amplicons:
            records = read_records(self.bundle / "reference.fasta.gz")
            self._amplicons = [record.sequence.encode() for record in records]
        seen: set[str] = set()
        while len(seen) < number:
            seen.add(self._mutated(self._amplicons[self.rng.integers(len(self._amplicons))]))
        return list(seen)

    def zipf(self, pool: Sequence[str], number: int) -> list[str]:
        """Return ``number`` shuffled reads of a pool: each once, the rest by Zipf's law (the n-th most often 1/n)."""
        weights = 1.0 / np.arange(1, len(pool) + 1)
        more = self.rng.choice(len(pool), size=number - len(pool), p=weights / weights.sum())
        chosen = np.concatenate([np.arange(len(pool)), more])
        self.rng.shuffle(chosen)
        return [pool[index] for index in chosen.tolist()]

    def _mutated(self, amplicon: bytes) -> str:
        letters = np.frombuffer(amplicon, dtype="S1").copy()
        changed = self.rng.random(letters.size) < self.errors
        letters[changed] = self.rng.choice(_LETTERS, int(changed.sum()))
        return letters.tobytes().decode()


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class ServiceProcess:
    """One ``abyssal serve``.

    Args:
        bundle: what it serves.
        folder: where it keeps its log.
        environment: settings.
    """

    def __init__(self, bundle: Path, folder: Path, **environment: str) -> None:
        file = folder / "port"
        file.unlink(missing_ok=True)
        program = Path(sys.executable).with_name("abyssal")
        command = [program, "serve", "--bundle", bundle, "--port", "0", "--port-file", file, "--device", "cpu"]
        self.metrics = f"127.0.0.1:{free_port()}"
        settings = {"ABYSSAL_METRICS_PORT": self.metrics.rpartition(":")[2], **environment}
        self.log = folder / "service.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command], stderr=log, env={**os.environ, **settings}
            )
        while not file.exists():
            if self._process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.02)
        self.target = file.read_text().strip()

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the process so far."""
        after_name = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / _CLOCK_TICKS

    def memory(self, what: str = "VmRSS") -> float:
        """Return resident memory in MiB: now, or the largest so far (``VmHWM``)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what)) / 1024

    def forget_peak(self) -> None:
        """Let the largest memory so far begin anew."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        """Drain and end it."""
        self._process.terminate()
        self._process.wait(120)


@contextmanager
def service(bundle: Path, folder: Path, **environment: str) -> Iterator[ServiceProcess]:
    """Run the real process for a bundle."""
    running = ServiceProcess(bundle, folder, **environment)
    try:
        yield running
    finally:
        running.stop()


def packed_chunks(reads: Sequence[str], chunk: int = 512) -> list[bytes]:
    """Return reads as ``ReadChunk`` messages without an id, ready to be sent any number of times."""
    parts = (reads[start : start + chunk] for start in range(0, len(reads), chunk))
    return [messages.ReadChunk(sequences=[read.encode() for read in part]).SerializeToString() for part in parts]


def frame(chunk_id: int, packed: bytes) -> bytes:
    """Return the request that holds a packed chunk under an id."""
    chunk = packed + messages.ReadChunk(chunk_id=chunk_id).SerializeToString()
    return b"\x12" + _varint(len(chunk)) + chunk


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def channel_to(target: str) -> grpc.Channel:
    """Return a connection of its own."""
    return grpc.insecure_channel(target, [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)])


def stream(
    target: str,
    chunks: Iterable[bytes],
    *,
    ahead: int = 8,
    on_chunk: Callable[[int], None] | None = None,
    config: messages.ClassifyConfig | None = None,
) -> messages.StreamSummary:
    """Send packed chunks through one stream, ``ahead`` of the answers; answers are counted, not decoded.

    Args:
        target: HOST:PORT.
        chunks: what ``packed_chunks`` returns.
        ahead: chunks on their way.
        on_chunk: told the number of answers so far; a caller that sleeps here is a stalled reader.
        config: how to classify.

    Returns:
        The summary; raises RuntimeError when it does not fit what was sent.
    """
    room = threading.Semaphore(ahead)
    sent: SimpleQueue[int] = SimpleQueue()

    def requests() -> Iterator[bytes]:
        yield messages.ClassifyStreamRequest(config=config or messages.ClassifyConfig()).SerializeToString()
        number = 0
        for packed in chunks:
            room.acquire()
            yield frame(number, packed)
            number += 1
        sent.put(number)

    with channel_to(target) as channel:
        answers = channel.stream_stream(STREAM)(requests())
        answered = 0
        summary = b""
        for answer in answers:
            if answer.startswith(_RESULT):
                answered += 1
                room.release()
                if on_chunk is not None:
                    on_chunk(answered)
            elif answer.startswith(_SUMMARY):
                summary = answer
    found = messages.ClassifyStreamResponse.FromString(summary).summary
    if not answered == found.chunks == sent.get():
        message = f"{answered} answers, {found.chunks} in the summary"
        raise RuntimeError(message)
    return found

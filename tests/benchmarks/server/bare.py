"""The bare engine: the same classifier in a process of its own, on the best length-sorted batches."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from abyssal.taxonomy.classifier import Classifier

Spent = tuple[float, float]
"""Seconds by the clock and of the processor."""


def _work(bundle: Path, asked: Connection) -> None:
    classifier = Classifier.load(bundle, device="cpu")
    while (task := asked.recv()) is not None:
        reads, batch = task
        ordered = sorted(reads, key=lambda read: (len(read), read))
        wall, cpu = time.monotonic(), time.process_time()
        for start in range(0, len(ordered), batch):
            classifier.classify(ordered[start : start + batch])
        asked.send((time.monotonic() - wall, time.process_time() - cpu))


class BareEngine:
    """One process with the classifier."""

    def __init__(self, asked: Connection) -> None:
        self._asked = asked

    def spent(self, reads: Sequence[str], batch: int) -> Spent:
        """Classify reads in batches and return what that took."""
        self._asked.send((list(reads), batch))
        spent: Spent = self._asked.recv()
        return spent

    def best_batch(self, reads: Sequence[str]) -> int:
        """Return the batch size that is quickest on these reads."""
        sizes = (256, 512, 1024, 2048, 4096)
        return min(sizes, key=lambda size: min(self.spent(reads, size)[1] for _ in range(2)))


@contextmanager
def bare_engine(bundle: Path) -> Iterator[BareEngine]:
    """Run the classifier of a bundle beside this process, warmed up."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(bundle, there), daemon=True)
    process.start()
    engine = BareEngine(here)
    engine.spent(["ACGT" * 95] * 2, 2)
    try:
        yield engine
    finally:
        here.send(None)
        process.join(30)

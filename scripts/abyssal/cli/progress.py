"""A progress bar on the terminal, a line now and then in a log."""

from __future__ import annotations

import gzip
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

_WIDTH = 30
_SECONDS_BETWEEN_DRAWINGS = 0.2
_SECONDS_BETWEEN_LINES = 5.0
_BLOCK = 1 << 20


class Progress:
    """Shows how many sequences are done.

    Args:
        total: number of sequences; looked up only where a bar is drawn.
    """

    def __init__(self, total: Callable[[], int]) -> None:
        self._drawn = sys.stderr.isatty()
        self._total = max(total(), 1) if self._drawn else 0
        self._begun = self._shown = time.monotonic()

    def __call__(self, done: int) -> None:
        """Take the number of sequences done so far."""
        now = time.monotonic()
        if now - self._shown < (_SECONDS_BETWEEN_DRAWINGS if self._drawn else _SECONDS_BETWEEN_LINES):
            return
        self._shown = now
        rate = done / (now - self._begun)
        if self._drawn:
            sys.stderr.write("\r" + bar(done, self._total, rate))
            sys.stderr.flush()
        else:
            logger.info("%d sequences classified, %.0f a second", done, rate)

    def end(self) -> None:
        """Leave the terminal's line."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def bar(done: int, total: int, rate: float) -> str:
    """Return the bar.

    >>> bar(50, 100, 12.34)
    '[###############               ] 50 of 100 sequences, 12 a second'
    """
    filled = min(_WIDTH, _WIDTH * done // total)
    return f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {done} of {total} sequences, {rate:.0f} a second"


def count_sequences(source: Path) -> int:
    """Return about how many records a FASTA or FASTQ file has; a broken file counts up to where it breaks."""
    lines = headers = 0
    last = b"\n"
    try:
        with source.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(source) if packed else source.open("rb") as stream:
            first = b""
            while block := stream.read(_BLOCK):
                first = first or block[:1]
                lines += block.count(b"\n")
                headers += (last + block).count(b"\n>")
                last = block[-1:]
    except (OSError, EOFError):
        return headers or lines // 4
    return headers if first == b">" else -(-lines // 4)

"""Pairs that do not merge and are kept all the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SPACER = 8
"""Length of the run of N between mates that were not merged."""


@dataclass(frozen=True)
class Unmerged:
    """How pairs that do not merge are kept.

    Args:
        target: FASTQ of them; empty where there are none.
        spaced: both mates with a spacer of N between them, otherwise the forward read alone.
    """

    target: Path
    spaced: bool

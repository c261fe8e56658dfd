"""What is asked of cutadapt when it trims: the settings, and the part of its command line that all searches share."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from abyssal.reads.adapters import linked_adapter


@dataclass(frozen=True)
class TrimSettings:
    """What is cut off, and how tolerant the search is.

    Args:
        forward_primer: 5' to 3', IUPAC letters, inosine allowed.
        reverse_primer: 5' to 3', IUPAC letters, inosine allowed.
        error_rate: errors allowed per primer base (share).
        mixed_orientation: either primer may start R1; such pairs are turned round.
        random_bases: bases cut off the start of every read before the primer is looked for.
        min_read_length: shortest read kept (bp); at least 1.
        anchored: whether the primer must be the very start of the read.
        optional: whether reads without primers are kept too.
        adapters: adapters of R1 and R2, cut off first.
        two_colour_quality: quality below which ends are cut, G counting as poor; None cuts nothing.
        other_markers: name, forward and reverse primer of the other markers in the same files.
        contaminants: genomes; reads of them without primers are counted by that name.
    """

    forward_primer: str
    reverse_primer: str
    error_rate: float = 0.15
    mixed_orientation: bool = False
    random_bases: int = 0
    min_read_length: int = 50
    anchored: bool = False
    optional: bool = False
    adapters: tuple[tuple[str, str], ...] = ()
    two_colour_quality: int | None = None
    other_markers: tuple[tuple[str, str, str], ...] = ()
    contaminants: tuple[Path, ...] = ()

    def primers(self, front: str, back: str) -> str:
        """Return the linked adapter of a read that starts with ``front``."""
        return linked_adapter(front, back, anchored=self.anchored, required=not self.optional)


def cutadapt() -> str:
    """Return the cutadapt installed beside the running Python, which need not be on PATH, or the one on PATH."""
    beside = Path(sys.executable).with_name("cutadapt")
    return str(beside) if beside.is_file() else "cutadapt"


def search_options(settings: TrimSettings, *, paired: bool) -> list[str]:
    """Return cutadapt's options for the search of primers, without the primers."""
    options = ["--cores", "1", "--error-rate", str(settings.error_rate)]
    if settings.random_bases:
        options += ["-u", str(settings.random_bases), *(("-U", str(settings.random_bases)) if paired else ())]
    if settings.mixed_orientation:
        options += ["--revcomp"]
    return options

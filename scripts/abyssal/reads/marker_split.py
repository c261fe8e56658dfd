"""Several markers in one library: which reads are of the library's own marker.

The primers of all markers compete for the first bases of every read, and both mates must name the same marker, so that
no read is counted for two. Only the first bases are compared, since one marker's amplicon may hold the primers of a
shorter one; of equally good matches the first in the order of the primers counts, the same in every job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import dnaio

from abyssal.reads.adapters import front_adapter
from abyssal.reads.contaminants import Contaminants
from abyssal.reads.cutadapt import TrimSettings, cutadapt
from abyssal.tools import run_tool

_OWN = "own"
OTHER_MARKER = "other_marker"
"""Reason of a loss: the read has the primers of another marker in the same files."""

_NONE = "unknown"
_SLACK = 12
"""Bases that may stand before a primer, beside the random ones that the configuration names."""


def select_marker(
    sources: Sequence[Path], folder: Path, settings: TrimSettings, *, log: Path | None
) -> tuple[list[Path], dict[str, int]]:
    """Return files of the reads of the own marker, and the losses: reads of other markers, of none, of contaminants.

    Args:
        sources: one FASTQ file, or R1 and R2.
        folder: for the files.
        settings: own primers, and those of the other markers.
        log: file that receives cutadapt's messages.
    """
    paired = len(sources) == 2
    starts = _write_starts(sources, folder, settings)
    pattern = "split.{name1}-{name2}.fasta" if paired else "split.{name}.fasta"
    command = [cutadapt(), "--cores", "1", "--error-rate", str(settings.error_rate), "-o", str(folder / pattern)]
    command += ["--revcomp"] if settings.mixed_orientation else []
    for name, forward, reverse in _in_order(settings):
        command += ["-g", f"{name}={front_adapter(forward)}"]
        command += ["-G", f"{name}={front_adapter(reverse)}"] if paired else []
    command += ["-p", str(folder / f"mate.{pattern}")] if paired else []
    run_tool([*command, *map(str, starts)], log=log)
    names = {int(name): marker for marker, name in _assigned(folder)}
    own, none = (f"{name}-{name}" if paired else name for name in (_OWN, _NONE))
    targets = [folder / f"own.R{number}.fastq" for number, _ in enumerate(sources, start=1)]
    losses = {"no_primer": 0, OTHER_MARKER: 0, "contaminant": 0}
    contaminants = Contaminants(settings.contaminants)
    with ExitStack() as stack:
        outs = [stack.enter_context(dnaio.open(target, mode="w", fileformat="fastq")) for target in targets]
        for number, mates in enumerate(_records(sources)):
            marker = names[number]
            if marker == own:
                for out, mate in zip(outs, mates, strict=True):
                    out.write(mate)
            elif marker == none and contaminants and mates[0].sequence in contaminants:
                losses["contaminant"] += 1
            else:
                losses["no_primer" if _NONE in marker.split("-") else OTHER_MARKER] += 1
    return targets, losses


def _records(sources: Sequence[Path]) -> Iterator[tuple[dnaio.SequenceRecord, ...]]:
    with ExitStack() as stack:
        readers = [stack.enter_context(dnaio.open(source, fileformat="fastq")) for source in sources]
        yield from zip(*readers, strict=True)


def _write_starts(sources: Sequence[Path], folder: Path, settings: TrimSettings) -> list[Path]:
    """Write the first bases of every read, called by its number; of single reads the last ones too, behind a gap."""
    primers = [settings.forward_primer, settings.reverse_primer]
    primers += [primer for _, *pair in settings.other_markers for primer in pair]
    length = max(map(len, primers)) + settings.random_bases + _SLACK
    targets = [folder / f"starts.R{number}.fasta" for number, _ in enumerate(sources, start=1)]
    with ExitStack() as stack:
        outs = [stack.enter_context(target.open("w", encoding="ascii")) for target in targets]
        for number, mates in enumerate(_records(sources)):
            for out, mate in zip(outs, mates, strict=True):
                end = mate.sequence[length:][-length:] if len(sources) == 1 else ""
                out.write(f">{number}\n{mate.sequence[:length]}{'N' * len(end)}{end}\n")
    return targets


def _assigned(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of the marker, or of the pair of markers, and the number of each read."""
    for file in sorted(folder.glob("split.*.fasta")):
        marker = file.name.removeprefix("split.").removesuffix(".fasta")
        for line in file.read_text(encoding="ascii").splitlines():
            if line.startswith(">"):
                yield marker, line[1:].split()[0]


def _in_order(settings: TrimSettings) -> Iterator[tuple[str, str, str]]:
    """Yield cutadapt's name and the primers of all markers, in the order of primers."""
    markers = [(forward, reverse, f"m{number}") for number, (_, forward, reverse) in enumerate(settings.other_markers)]
    for forward, reverse, name in sorted([*markers, (settings.forward_primer, settings.reverse_primer, _OWN)]):
        yield name, forward, reverse

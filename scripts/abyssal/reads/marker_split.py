"""Several markers in one library: the primers of all of them compete for every read.

A read goes to the marker whose primers it matches best, of equally good ones to the first by name, so that no read is
counted for two markers. Both mates must name the same marker.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dnaio

from abyssal.reads.contaminants import count_contaminants
from abyssal.reads.cutadapt import TrimSettings, cutadapt, search_options
from abyssal.reads.integrity import count_lines
from abyssal.tools import run_tool

_OWN = "own"
_NONE = "unknown"


def split_markers(
    sources: list[Path], targets: list[Path], folder: Path, settings: TrimSettings, *, log: Path | None
) -> tuple[dict[str, int], dict[str, int]]:
    """Write the reads of the library's own marker; return losses by reason and notes (``written`` among them).

    Args:
        sources: one FASTQ file, or R1 and R2.
        targets: as many FASTQ files.
        folder: for temporary files.
        settings: own primers, and those of the other markers.
        log: file that receives cutadapt's messages.
    """
    paired = len(sources) == 2
    pattern = "split.{name1}-{name2}" if paired else "split.{name}"
    command = [cutadapt(), *search_options(settings, paired=paired), "-o", str(folder / f"{pattern}.1.fastq")]
    for name, forward, reverse in _in_order(settings):
        command += ["-g", f"{name}={settings.primers(forward, reverse)}"]
        command += ["-G", f"{name}={settings.primers(reverse, forward)}"] if paired else []
    command += ["-p", str(folder / f"{pattern}.2.fastq")] if paired else []
    run_tool([*command, *map(str, sources)], log=log)
    own, none = (f"{name}-{name}" if paired else name for name in (_OWN, _NONE))
    notes = _write_long_enough(
        [folder / f"split.{own}.{mate}.fastq" for mate in (1, 2)][: len(sources)], targets, settings
    )
    losses = {"too_short_after_trimming": notes.pop("too_short"), "no_primer": 0, "other_marker": 0}
    for file in sorted(folder.glob("split.*.1.fastq")):
        name = file.name.removeprefix("split.").removesuffix(".1.fastq")
        if name != own:
            losses["no_primer" if _NONE in name.split("-") else "other_marker"] += count_lines(file) // 4
    if settings.contaminants:
        losses["contaminant"] = count_contaminants(folder / f"split.{none}.1.fastq", settings.contaminants)
        losses["no_primer"] -= losses["contaminant"]
    return losses, notes


def _in_order(settings: TrimSettings) -> Iterator[tuple[str, str, str]]:
    """Yield cutadapt's name and the primers of all markers, in the order of primers, the same in every job."""
    markers = [(forward, reverse, f"m{number}") for number, (_, forward, reverse) in enumerate(settings.other_markers)]
    for forward, reverse, name in sorted([*markers, (settings.forward_primer, settings.reverse_primer, _OWN)]):
        yield name, forward, reverse


def _write_long_enough(found: list[Path], targets: list[Path], settings: TrimSettings) -> dict[str, int]:
    """Copy reads that are long enough; count the short ones, those written and those turned round."""
    counts = {"written": 0, "too_short": 0, "turned_round": 0}
    least = max(1, settings.min_read_length)
    with ExitStack() as stack:
        outs = [stack.enter_context(dnaio.open(target, mode="w", fileformat="fastq")) for target in targets]
        if not all(path.is_file() and path.stat().st_size for path in found):
            return counts
        readers = [stack.enter_context(dnaio.open(path, fileformat="fastq")) for path in found]
        for mates in zip(*readers, strict=True):
            if any(len(mate.sequence) < least for mate in mates):
                counts["too_short"] += 1
                continue
            counts["written"] += 1
            counts["turned_round"] += mates[0].name.endswith(" rc")
            for out, mate in zip(outs, mates, strict=True):
                out.write(mate)
    return counts

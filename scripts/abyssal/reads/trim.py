"""Orient reads and cut adapters and primers off with cutadapt; a read without its primer is not of this marker.

Each 5' primer may stand behind a few other bases (random bases, remains of an index), so it is not anchored unless
asked for, but nearly all of it must be there. Where a read runs through a short amplicon, the other primer's reverse
complement ends it: it and the sequencer's adapter behind it are cut off, otherwise the pair would not merge or, on
single reads, would end in adapter. Remains too short to be recognised are cut by the merger, which drops what hangs
over the mate's start.

Where several markers share the same files, all their primers compete and a read goes to the best match alone.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abyssal.errors import LedgerError
from abyssal.files import read_json
from abyssal.reads.contaminants import count_contaminants
from abyssal.reads.counts import StepCounts
from abyssal.reads.cutadapt import TrimSettings, cutadapt, search_options
from abyssal.reads.integrity import count_fastq, usual_names
from abyssal.reads.marker_split import select_marker
from abyssal.tools import run_tool

_LOSSES = {
    "discard_untrimmed": "no_primer",
    "too_short": "too_short_after_trimming",
}


def trim_command(
    sources: Sequence[Path], targets: Sequence[Path], report: Path, settings: TrimSettings, *, untrimmed: Path | None
) -> list[str]:
    """Return the cutadapt command line for one file or a pair; ``untrimmed`` takes R1 of what has no primer."""
    paired = len(sources) == 2
    command = [cutadapt(), "--json", str(report), *search_options(settings, paired=paired)]
    command += ["--minimum-length", str(max(1, settings.min_read_length))]
    command += ["-g", settings.primers(settings.forward_primer, settings.reverse_primer)]
    if paired:
        command += ["-G", settings.primers(settings.reverse_primer, settings.forward_primer), "--pair-filter", "any"]
        command += ["-p", str(targets[1])]
    if untrimmed is not None:
        command += ["--untrimmed-output", str(untrimmed)]
        command += ["--untrimmed-paired-output", "/dev/null"] if paired else []
    elif not settings.optional:
        command += ["--discard-untrimmed"]
    return [*command, "-o", str(targets[0]), *map(str, sources)]


def trim_primers(
    library: str, sources: list[Path], targets: list[Path], settings: TrimSettings, *, log: Path | None = None
) -> list[StepCounts]:
    """Check the raw file or pair, trim it, and return the counts of the steps raw and trim.

    Args:
        library: name used in counts and errors.
        sources: one FASTQ file, or R1 and R2; plain or gzipped.
        targets: as many FASTQ files; whatever stands there is replaced.
        settings: primers and tolerances.
        log: file that receives cutadapt's messages.

    Raises:
        SequenceFormatError: the raw files are damaged or do not belong together.
        LedgerError: cutadapt did not read as many reads as are in the files.
    """
    reads = count_fastq(*sources)
    raw = StepCounts(library, "raw", reads, reads)
    with tempfile.TemporaryDirectory(dir=targets[0].parent) as name:
        folder = Path(name)
        known = usual_names(sources, folder)
        lost: Counter[str] = Counter()
        if settings.adapters or settings.two_colour_quality:
            known, lost["adapter_only"] = _cut_adapters(library, known, folder, settings, log=log)
        if settings.other_markers:
            known, others = select_marker(known, folder, settings, log=log)
            lost.update(others)
        losses, notes = _cut_primers(library, known, targets, folder, settings, log=log)
    lost.update(losses)
    reads_out = notes.pop("written")
    return [raw, StepCounts(library, "trim", reads_out + sum(lost.values()), reads_out, lost, notes).follows(raw)]


def _cut_primers(
    library: str, sources: list[Path], targets: list[Path], folder: Path, settings: TrimSettings, *, log: Path | None
) -> tuple[dict[str, int], dict[str, int]]:
    """Return losses and notes."""
    report = folder / "cutadapt.json"
    untrimmed = folder / "untrimmed.fastq" if settings.contaminants and not settings.optional else None
    run_tool(trim_command(sources, targets, report, settings, untrimmed=untrimmed), log=log)
    counts = read_json(report)["read_counts"]
    losses = _losses(library, counts)
    if untrimmed is not None:
        found = count_contaminants(untrimmed, settings.contaminants)
        losses["no_primer"] -= found
        losses["contaminant"] = found
    return losses, _notes(counts)


def _cut_adapters(
    library: str, sources: list[Path], folder: Path, settings: TrimSettings, *, log: Path | None
) -> tuple[list[Path], int]:
    """Cut adapters and dark ends; return the files and the number of reads that were nothing else."""
    report = folder / "adapters.json"
    cut = [folder / f"cut.R{number}.fastq" for number, _ in enumerate(sources, start=1)]
    command = [cutadapt(), "--json", str(report), "--cores", "1", "--minimum-length", "1", "-o", str(cut[0])]
    for first, second in settings.adapters:
        command += ["-a", first, *(("-A", second) if len(sources) == 2 else ())]
    if settings.two_colour_quality:
        command += ["--nextseq-trim", str(settings.two_colour_quality)]
    command += ["-p", str(cut[1])] if len(sources) == 2 else []
    run_tool([*command, *map(str, sources)], log=log)
    counts = read_json(report)["read_counts"]
    losses = _losses(library, counts)
    return cut, losses["too_short_after_trimming"]


def _losses(library: str, counts: dict[str, Any]) -> dict[str, int]:
    unknown = {key: lost for key, lost in counts["filtered"].items() if lost and key not in _LOSSES}
    losses = {name: counts["filtered"][key] or 0 for key, name in _LOSSES.items()}
    if unknown or counts["input"] != counts["output"] + sum(losses.values()):
        message = f"library {library}, step trim: cutadapt's numbers do not add up: {counts}"
        raise LedgerError(message)
    return losses


def _notes(counts: dict[str, Any]) -> dict[str, int]:
    notes = {
        "written": counts["output"],
        "turned_round": counts["reverse_complemented"] or 0,
        "forward_primer_found": counts["read1_with_adapter"] or 0,
    }
    if counts["read2_with_adapter"] is not None:
        notes["reverse_primer_found"] = counts["read2_with_adapter"]
    return notes

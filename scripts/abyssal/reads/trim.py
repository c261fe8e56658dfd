"""Orient reads and cut primers off with cutadapt; a read without its primer is not of this marker and is dropped.

Each 5' primer may stand behind a few other bases (random bases, remains of an index), so it is not anchored, but
nearly all of it must be there. Where a read runs through a short amplicon, the other primer's reverse complement ends
it: it and the sequencer's adapter behind it are cut off, otherwise the pair would not merge or, on single reads,
would end in adapter. Remains too short to be recognised are cut by the merger, which drops what hangs over the mate's
start.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abyssal.errors import LedgerError
from abyssal.files import read_json
from abyssal.reads.counts import StepCounts
from abyssal.reads.integrity import count_fastq
from abyssal.sequences.alphabet import normalise, reverse_complement
from abyssal.tools import run_tool

logger = logging.getLogger(__name__)

_FRONT_SHARE = 0.8
_BACK_OVERLAP = 10
_LOSSES = {
    "discard_untrimmed": "no_primer",
    "too_short": "too_short_after_trimming",
}


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
    """

    forward_primer: str
    reverse_primer: str
    error_rate: float = 0.15
    mixed_orientation: bool = False
    random_bases: int = 0
    min_read_length: int = 50


def linked_adapter(front: str, back: str) -> str:
    """Return cutadapt's notation of a required 5' primer and the optional reverse complement of the other one."""
    front, back = normalise(front.upper()), reverse_complement(normalise(back.upper()))
    overlap = max(1, round(len(front) * _FRONT_SHARE))
    return f"{front};min_overlap={overlap};required...{back};min_overlap={min(_BACK_OVERLAP, len(back))};optional"


def trim_command(sources: list[Path], targets: list[Path], report: Path, settings: TrimSettings) -> list[str]:
    """Return the cutadapt command line for one file or a pair."""
    forward = linked_adapter(settings.forward_primer, settings.reverse_primer)
    reverse = linked_adapter(settings.reverse_primer, settings.forward_primer)
    paired = len(sources) == 2
    command = [_cutadapt(), "--json", str(report), "--cores", "1", "--error-rate", str(settings.error_rate)]
    command += ["--discard-untrimmed", "--minimum-length", str(max(1, settings.min_read_length)), "-g", forward]
    if settings.random_bases:
        command += ["-u", str(settings.random_bases)]
    if settings.mixed_orientation:
        command += ["--revcomp"]
    if paired:
        command += ["-G", reverse, "--pair-filter", "any", "-p", str(targets[1])]
        if settings.random_bases:
            command += ["-U", str(settings.random_bases)]
    return [*command, "-o", str(targets[0]), *map(str, sources)]


def _cutadapt() -> str:
    """Return the cutadapt installed beside the running Python, which need not be on PATH, or the one on PATH."""
    beside = Path(sys.executable).with_name("cutadapt")
    return str(beside) if beside.is_file() else "cutadapt"


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
    with tempfile.TemporaryDirectory(dir=targets[0].parent) as folder:
        report = Path(folder) / "cutadapt.json"
        run_tool(trim_command(_known_suffixes(sources, Path(folder)), targets, report, settings), log=log)
        counts = _step_counts(library, read_json(report))
    return [raw, counts.follows(raw)]


def _known_suffixes(sources: list[Path], folder: Path) -> list[Path]:
    """Return the sources under names from which cutadapt can tell FASTQ and gzip, linking those that have another."""
    usual = (".fastq", ".fq", ".fastq.gz", ".fq.gz")
    known = []
    for number, source in enumerate(sources, start=1):
        with source.open("rb") as raw:
            gzipped = raw.read(2) == b"\x1f\x8b"
        if source.name.endswith(usual) and source.name.endswith(".gz") == gzipped:
            known.append(source)
        else:
            link = folder / f"{number}.fastq{'.gz' if gzipped else ''}"
            link.symlink_to(source.resolve())
            known.append(link)
    return known


def _step_counts(library: str, report: dict[str, Any]) -> StepCounts:
    counts = report["read_counts"]
    losses = {name: counts["filtered"][key] or 0 for key, name in _LOSSES.items()}
    unknown = {key: lost for key, lost in counts["filtered"].items() if lost and key not in _LOSSES}
    if unknown:
        message = f"library {library}, step trim: cutadapt reports losses that nobody asked for: {unknown}"
        raise LedgerError(message)
    notes = {
        "turned_round": counts["reverse_complemented"] or 0,
        "forward_primer_found": counts["read1_with_adapter"] or 0,
    }
    if counts["read2_with_adapter"] is not None:
        notes["reverse_primer_found"] = counts["read2_with_adapter"]
    return StepCounts(library, "trim", counts["input"], counts["output"], losses, notes)

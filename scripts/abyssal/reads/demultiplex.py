"""Sort the reads of a pool into libraries by the tags that stand before the primers (inline barcodes).

A tag stands at the very start of a read, or behind a spacer of at most a stated length; where both mates have one, the
pair of tags names the library. Tags come off; the primers behind them stay for the next step. Reads with no tag, and
pairs of tags that no library has (the sign of tags that jump), are counted by name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.errors import LedgerError
from abyssal.files import read_json
from abyssal.reads.counts import StepCounts, write_counts
from abyssal.reads.cutadapt import cutadapt
from abyssal.reads.integrity import count_fastq, count_lines, usual_names
from abyssal.sequences.alphabet import normalise, reverse_complement
from abyssal.tools import run_tool

COUNTS = "undetermined.json"
UNDETERMINED = "undetermined"
"""Prefix of the ledger's name of a pool's reads that are of no library."""

Tags = tuple[str, str]


@dataclass(frozen=True)
class TagSettings:
    """How tags are looked for.

    Args:
        max_errors: errors allowed in each tag (bases).
        max_spacer: most bases before a tag (bp).
        mixed_orientation: either tag may start R1; such pairs are turned round.
    """

    max_errors: int = 1
    max_spacer: int = 0
    mixed_orientation: bool = False


def library_reads(library: str, sources: Sequence[Path]) -> list[Path]:
    """Return the files of a library: the sources themselves, or its own in the one folder that ``demultiplex`` made."""
    if len(sources) == 1 and sources[0].is_dir():
        mates = [sources[0] / f"{library}.R{number}.fastq" for number in (1, 2)]
        return [mate for mate in mates if mate.is_file()]
    return list(sources)


def demultiplex(
    pool: str,
    sources: Sequence[Path],
    folder: Path,
    tags: Mapping[str, Tags],
    settings: TagSettings,
    *,
    log: Path | None = None,
) -> None:
    """Write ``LIBRARY.R1.fastq`` (and R2) for every library, and the counts of what is left over.

    Args:
        pool: name of the pool in the ledger.
        sources: one FASTQ file, or R1 and R2.
        folder: made when it is not there.
        tags: forward and reverse tag of each library, 5' to 3'; an empty reverse tag for tags at one end only.
        settings: tolerances.
        log: file that receives cutadapt's messages.

    Raises:
        LedgerError: libraries and leftovers do not add up to the reads of the pool.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reads = count_fastq(*sources)
    paired = len(sources) == 2
    with tempfile.TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        total = _sort(usual_names(sources, scratch), scratch, tags, settings, log=log)
        assigned = sum(_move(scratch, folder, library, pair, tags, paired=paired) for library, pair in tags.items())
        no_tag, unused = _left_over(scratch)
    if not reads == total == assigned + no_tag + unused:
        message = (
            f"{pool}: {reads} reads went into demultiplexing, cutadapt saw {total}; {assigned} are in libraries, "
            f"{no_tag} have no tag and {unused} an unused pair of tags, which does not add up"
        )
        raise LedgerError(message)
    left = no_tag + unused
    raw = StepCounts(pool, "raw", left, left)
    lost = StepCounts(pool, "demultiplex", left, 0, {"no_tag": no_tag, "unused_tag_pair": unused})
    write_counts(folder / COUNTS, [raw, lost])


def _sort(
    sources: Sequence[Path], scratch: Path, tags: Mapping[str, Tags], settings: TagSettings, *, log: Path | None
) -> int:
    """Let cutadapt write a file for every tag or pair of tags; return the reads it saw."""
    paired = len(sources) == 2
    report = scratch / "cutadapt.json"
    command = [cutadapt(), "--json", str(report), "--cores", "1", "--no-indels", "--error-rate"]
    command += [str(settings.max_errors), *(["--revcomp"] if settings.mixed_orientation else [])]
    command += _tag_options(tags, settings, paired=paired)
    pattern = "{name1}-{name2}" if _two_ended(tags) and paired else "{name}"
    command += ["-o", str(scratch / f"{pattern}.1.fastq")]
    command += ["-p", str(scratch / f"{pattern}.2.fastq")] if paired else []
    run_tool([*command, *map(str, sources)], log=log)
    return int(read_json(report)["read_counts"]["input"])


def _two_ended(tags: Mapping[str, Tags]) -> bool:
    return any(reverse for _, reverse in tags.values())


def _names(tags: Mapping[str, Tags], end: int) -> dict[str, str]:
    """Return cutadapt's name of each distinct tag of an end."""
    distinct = sorted({normalise(pair[end].upper()) for pair in tags.values()})
    return {tag: f"{'fr'[end]}{number}" for number, tag in enumerate(distinct)}


def _spaced(tag: str, most: int) -> list[str]:
    return [f"{'N' * spacer}{tag}" for spacer in range(most + 1)]


def _tag_options(tags: Mapping[str, Tags], settings: TagSettings, *, paired: bool) -> list[str]:
    """Return one anchored adapter for each tag and spacer; on single reads both tags make one linked adapter."""
    options: list[str] = []
    if _two_ended(tags) and not paired:
        for forward, reverse in sorted(set(tags.values())):
            name = _file_stem((forward, reverse), tags, paired=False)
            for start in _spaced(normalise(forward.upper()), settings.max_spacer):
                for end in _spaced(normalise(reverse.upper()), settings.max_spacer):
                    options += ["-g", f"{name}=^{start}...{reverse_complement(end)}$"]
        return options
    for mate, option in ((0, "-g"), (1, "-G"))[: 2 if _two_ended(tags) else 1]:
        for tag, name in _names(tags, mate).items():
            for spaced in _spaced(tag, settings.max_spacer):
                options += [option, f"{name}=^{spaced}"]
    return options


def _file_stem(pair: Tags, tags: Mapping[str, Tags], *, paired: bool) -> str:
    names = [_names(tags, end)[normalise(pair[end].upper())] for end in (0, 1)]
    if not _two_ended(tags):
        return names[0]
    return "-".join(names) if paired else "".join(names)


def _move(scratch: Path, folder: Path, library: str, pair: Tags, tags: Mapping[str, Tags], *, paired: bool) -> int:
    """Give a library its files, empty ones where it has no reads, and return its reads."""
    stem = _file_stem(pair, tags, paired=paired)
    for mate in (1, 2)[: 2 if paired else 1]:
        found, target = scratch / f"{stem}.{mate}.fastq", folder / f"{library}.R{mate}.fastq"
        if found.is_file():
            found.replace(target)
        else:
            target.touch()
    return count_lines(folder / f"{library}.R1.fastq") // 4


def _left_over(scratch: Path) -> tuple[int, int]:
    """Return the reads without a tag, and those with a pair of tags of no library."""
    no_tag = unused = 0
    for file in scratch.glob("*.1.fastq"):
        reads = count_lines(file) // 4
        if "unknown" in file.name.removesuffix(".1.fastq").split("-"):
            no_tag += reads
        else:
            unused += reads
    return no_tag, unused

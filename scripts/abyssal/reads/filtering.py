"""Drop merged reads that are too poor, too short, too long or ambiguous, then keep one copy of each sequence.

The filter is vsearch's. vsearch counts what it discards but not why, so the discarded reads, which it writes with their
expected errors, are sorted into reasons here; the reasons must sum to vsearch's own number.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dnaio

from abyssal.errors import SequenceFormatError, ToolError
from abyssal.files import atomic_path
from abyssal.reads.counts import StepCounts
from abyssal.tools import run_tool

_HIGHEST_QUALITY = "93"


@dataclass(frozen=True)
class FilterSettings:
    """Which merged reads are good enough.

    Args:
        max_expected_errors: largest sum of error probabilities of a read (errors).
        max_ambiguous: most N per read (bases).
        min_length: shortest read (bp).
        max_length: longest read (bp).
    """

    max_expected_errors: float = 1.0
    max_ambiguous: int = 0
    min_length: int = 50
    max_length: int = 5000


def filter_reads(
    library: str, source: Path, target: Path, settings: FilterSettings, *, log: Path | None = None
) -> list[StepCounts]:
    """Filter merged reads and dereplicate what is left.

    Args:
        library: name used in counts and errors.
        source: FASTQ of merged (or single) reads.
        target: FASTA of unique sequences, headers ``<md5>;size=<reads>``, most abundant first.
        settings: limits.
        log: file that receives vsearch's messages.

    Returns:
        The counts of the steps filter and dereplicate; both count reads, the note ``unique`` counts sequences.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        kept, discarded = Path(folder) / "kept.fasta", Path(folder) / "discarded.fastq"
        filtered = _filter(library, source, kept, discarded, settings, log=log)
        dereplicated = dereplicate(library, kept, target, log=log)
    return [filtered, dereplicated.follows(filtered)]


def _filter(
    library: str, source: Path, kept: Path, discarded: Path, settings: FilterSettings, *, log: Path | None
) -> StepCounts:
    done = run_tool(
        [
            *("vsearch", "--fastq_filter", source, "--fastaout", kept, "--fastqout_discarded", discarded, "--eeout"),
            *("--fastq_maxee", str(settings.max_expected_errors), "--fastq_maxns", str(settings.max_ambiguous)),
            *("--fastq_minlen", str(settings.min_length), "--fastq_maxlen", str(settings.max_length)),
            *("--fastq_qmax", _HIGHEST_QUALITY),
        ],
        log=log,
    )
    found = re.search(r"^(\d+) sequences kept \(of which \d+ truncated\), (\d+) sequences discarded", done.stderr, re.M)
    if not found:
        message = f"library {library}: cannot find the numbers of reads in vsearch's report:\n{done.stderr}"
        raise ToolError(message)
    losses = Counter(_reason(record, settings) for record in _fastq(discarded))
    return StepCounts(library, "filter", int(found[1]) + int(found[2]), int(found[1]), losses)


def _fastq(source: Path) -> Iterator[dnaio.SequenceRecord]:
    if source.stat().st_size:
        with dnaio.open(source, fileformat="fastq") as reader:
            yield from reader


def _reason(record: dnaio.SequenceRecord, settings: FilterSettings) -> str:
    """Name why vsearch discarded a read; length comes first since it tells another marker from a poor read."""
    length = len(record.sequence)
    if length < settings.min_length:
        return "too_short"
    if length > settings.max_length:
        return "too_long"
    if record.sequence.upper().count("N") > settings.max_ambiguous:
        return "too_many_ambiguous"
    return "too_many_expected_errors"


def dereplicate(library: str, source: Path, target: Path, *, log: Path | None = None) -> StepCounts:
    """Write one record a sequence, named by its MD5 and sized by its reads; ties are in the order of names.

    Args:
        library: name used in counts and errors.
        source: FASTA; ``;size=`` annotations are respected.
        target: FASTA of unique sequences.
        log: file that receives vsearch's messages.
    """
    with atomic_path(target) as temporary, tempfile.TemporaryDirectory(dir=target.parent) as folder:
        named = Path(folder) / "named.fasta"
        # Two passes: vsearch breaks ties of abundance by the header it reads, which must be the sequence's own name.
        for number, (before, after) in enumerate(((source, named), (named, temporary))):
            done = run_tool(
                [
                    *("vsearch", "--derep_fulllength", before, "--output", after, "--relabel_md5", "--sizeout"),
                    *("--minseqlength", "1", "--fasta_width", "0", *(("--sizein",) if number else ())),
                ],
                log=log,
            )
            if number == 0:
                reads = re.search(r"^\d+ nt in (\d+) seqs", done.stderr, re.MULTILINE)
        if not reads:
            message = f"library {library}: cannot find the number of sequences in vsearch's report:\n{done.stderr}"
            raise ToolError(message)
        sizes = [size for _, _, size in read_sized(temporary)]
    return StepCounts(library, "dereplicate", int(reads[1]), sum(sizes), {}, {"unique": len(sizes)})


def read_sized(source: Path) -> Iterator[tuple[str, str, int]]:
    """Yield (name, sequence, reads) of a FASTA file with ``;size=`` annotations; an empty file yields nothing.

    Raises:
        SequenceFormatError: a header has no size, or the file is no FASTA.
    """
    if not source.stat().st_size:
        return
    try:
        with dnaio.open(source, fileformat="fasta") as reader:
            for record in reader:
                name, _, size = record.name.partition(";size=")
                yield name, record.sequence, int(size.rstrip(";"))
    except (dnaio.exceptions.FileFormatError, ValueError) as error:
        message = f"{source}: expected FASTA with headers such as >NAME;size=12: {error}"
        raise SequenceFormatError(message) from error

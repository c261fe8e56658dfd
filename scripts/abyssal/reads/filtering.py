"""Drop merged reads that are too poor, too short, too long or ambiguous, then keep one copy of each sequence.

The filter is vsearch's. vsearch counts what it discards but not why, so the discarded reads, which it writes with their
expected errors, are sorted into reasons here; the reasons must sum to vsearch's own number.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dnaio

from abyssal.errors import SequenceFormatError, ToolError
from abyssal.files import atomic_path, open_atomic
from abyssal.reads.counts import StepCounts
from abyssal.reads.unmerged import SPACER
from abyssal.sequences.alphabet import sequence_id
from abyssal.tools import run_tool

TOO_MANY_ERRORS = "too_many_expected_errors"
"""Reason of a loss, of the filter and of reads that were set aside but are near no ASV."""

_HIGHEST_QUALITY = "93"
_LONGEST = 1_000_000


@dataclass(frozen=True)
class FilterSettings:
    """Which merged reads are good enough.

    Args:
        max_expected_errors: largest sum of error probabilities of a read (errors); None sets no limit.
        max_ambiguous: most N per read (bases).
        min_length: shortest read (bp).
        max_length: longest read (bp).
        max_error_rate: largest mean error probability of a read (share); None sets no limit.
        max_errors_mapped: reads that fail on errors alone, up to this many expected ones, are set aside to be mapped.
        annotate: whether headers of unique sequences get their least expected errors, ``;ee=X``.
    """

    max_expected_errors: float | None = 1.0
    max_ambiguous: int = 0
    min_length: int = 50
    max_length: int = 5000
    max_error_rate: float | None = None
    max_errors_mapped: float | None = None
    annotate: bool = False

    def options(self) -> list[str]:
        """Return vsearch's options."""
        options = ["--fastq_maxns", str(self.max_ambiguous), "--fastq_qmax", _HIGHEST_QUALITY]
        options += ["--fastq_minlen", str(self.min_length), "--fastq_maxlen", str(self.max_length)]
        if self.max_expected_errors is not None:
            options += ["--fastq_maxee", str(self.max_expected_errors)]
        if self.max_error_rate is not None:
            options += ["--fastq_maxee_rate", str(self.max_error_rate)]
        return options

    def without_window(self, more_ambiguous: int) -> FilterSettings:
        """Return the settings for reads whose amplicon's length is not known and that have N put in."""
        return replace(self, min_length=1, max_length=_LONGEST, max_ambiguous=self.max_ambiguous + more_ambiguous)


@dataclass(frozen=True)
class FilterFiles:
    """What goes into the filter and what comes out.

    Args:
        merged: FASTQ of merged (or single) reads.
        uniques: FASTA of unique sequences, headers ``<md5>;size=<reads>``, most abundant first.
        unmerged: FASTQ of pairs that did not merge but are kept.
        poor: FASTA like ``uniques`` of the reads that are only to be mapped; needed when the settings set any aside.
        passed: FASTQ (gzipped) of the reads that pass, for programs that want their qualities.
    """

    merged: Path
    uniques: Path
    unmerged: Path | None = None
    poor: Path | None = None
    passed: Path | None = None


def filter_reads(
    library: str, files: FilterFiles, settings: FilterSettings, *, log: Path | None = None
) -> list[StepCounts]:
    """Filter merged reads and dereplicate what is left.

    Args:
        library: name used in counts and errors.
        files: where reads are and go.
        settings: limits.
        log: file that receives vsearch's messages.

    Returns:
        The counts of the steps filter and dereplicate; both count reads, the note ``unique`` counts sequences.
    """
    with tempfile.TemporaryDirectory(dir=files.uniques.parent) as name:
        folder = Path(name)
        kept, poor = folder / "kept.fasta", folder / "poor.fasta"
        found = [_filter(library, files.merged, kept, poor, settings, passed=files.passed, log=log)]
        if files.unmerged is not None and files.unmerged.stat().st_size:
            others = folder / "others.fasta", folder / "others_poor.fasta"
            found.append(_filter(library, files.unmerged, *others, settings.without_window(SPACER), log=log))
            _append(others[0], kept)
            _append(others[1], poor)
        filtered = _added_up(found)
        dereplicated = [dereplicate(library, kept, files.uniques, log=log)]
        if files.poor is not None:
            dereplicated.append(dereplicate(library, poor, files.poor, log=log))
        if settings.annotate:
            _annotate(files.uniques, kept)
    return [filtered, _added_up(dereplicated).follows(filtered)]


def _append(source: Path, target: Path) -> None:
    with source.open("rb") as stream, target.open("ab") as out:
        shutil.copyfileobj(stream, out)


def _added_up(parts: list[StepCounts]) -> StepCounts:
    """Return the counts of a step that was made in parts."""
    losses: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    for part in parts:
        losses.update(part.losses)
        notes.update(part.notes)
    reads_in, reads_out = sum(part.reads_in for part in parts), sum(part.reads_out for part in parts)
    return StepCounts(parts[0].library, parts[0].step, reads_in, reads_out, losses, notes)


def _filter(
    library: str,
    source: Path,
    kept: Path,
    poor: Path,
    settings: FilterSettings,
    *,
    passed: Path | None = None,
    log: Path | None,
) -> StepCounts:
    discarded = kept.with_suffix(".discarded.fastq")
    command: list[str | Path] = [
        "vsearch",
        "--fastq_filter",
        source,
        "--fastaout",
        kept,
        "--eeout",
        *settings.options(),
    ]
    command += ["--fasta_width", "0", "--fastqout_discarded", discarded]
    fastq = kept.with_suffix(".fastq")
    if passed is not None:
        command += ["--fastqout", fastq]
    done = run_tool(command, log=log)
    found = re.search(r"^(\d+) sequences kept \(of which \d+ truncated\), (\d+) sequences discarded", done.stderr, re.M)
    if not found:
        message = f"library {library}: cannot find the numbers of reads in vsearch's report:\n{done.stderr}"
        raise ToolError(message)
    if passed is not None:
        _gzip(fastq, passed)
    losses, set_aside = _sort_discarded(discarded, poor, settings)
    notes = {"set_aside_for_mapping": set_aside} if settings.max_errors_mapped is not None else {}
    reads_in, reads_out = int(found[1]) + int(found[2]), int(found[1]) + set_aside
    return StepCounts(library, "filter", reads_in, reads_out, losses, notes)


def _gzip(source: Path, target: Path) -> None:
    with open_atomic(target) as out, source.open(encoding="ascii") as lines:
        out.writelines(lines)


def _sort_discarded(discarded: Path, poor: Path, settings: FilterSettings) -> tuple[Counter[str], int]:
    """Return losses by reason, and how many reads were written to ``poor`` instead of being lost."""
    losses: Counter[str] = Counter()
    set_aside = 0
    with poor.open("w", encoding="ascii") as out:
        for record in _fastq(discarded):
            reason = _reason(record, settings)
            if reason == TOO_MANY_ERRORS and _expected_errors(record.name) <= (settings.max_errors_mapped or 0.0):
                set_aside += 1
                out.write(f">{record.name}\n{record.sequence}\n")
            else:
                losses[reason] += 1
    return losses, set_aside


def _expected_errors(header: str) -> float:
    return float(header.rpartition(";ee=")[2])


def _annotate(uniques: Path, reads: Path) -> None:
    """Add to each header of ``uniques`` the least expected errors among its reads."""
    least: dict[str, float] = {}
    with reads.open(encoding="ascii") as lines:
        for header, sequence in zip(lines, lines, strict=True):
            name, errors = sequence_id(sequence.strip()), _expected_errors(header.strip())
            least[name] = min(errors, least.get(name, errors))
    records = list(read_sized(uniques))
    with open_atomic(uniques) as out:
        out.writelines(f">{name};size={size};ee={least[name]:.4f}\n{sequence}\n" for name, sequence, size in records)


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
    return TOO_MANY_ERRORS


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
                name, *fields = record.name.split(";")
                size = next(field for field in fields if field.startswith("size="))
                yield name, record.sequence, int(size.removeprefix("size="))
    except (dnaio.exceptions.FileFormatError, ValueError, StopIteration) as error:
        message = f"{source}: expected FASTA with headers such as >NAME;size=12: {error}"
        raise SequenceFormatError(message) from error

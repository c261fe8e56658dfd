"""Is a FASTQ file, or a pair of them, whole and made of DNA?

The check reads every record once, so that a damaged file is named with its record before any tool meets it, and so that
the number of raw reads in the ledger is counted independently of the tool that trims them. An empty file is whole.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import dnaio

from abyssal.errors import SequenceFormatError
from abyssal.sequences.records import shortened

_DNA = b"ACGTUNRYSWKMBDHVacgtunryswkmbdhv"
_QUALITY_SAMPLE = 1000
_QUALITIES = bytes(range(ord("!"), ord("~") + 1))
_LOWEST_OLD_QUALITY, _HIGHEST_OLD_QUALITY = "B", "h"
_HIGHEST_COMMON_QUALITY = "K"


def count_fastq(r1: Path, r2: Path | None = None) -> int:
    """Read a FASTQ file or pair to its end and return the number of reads (pairs count once).

    Raises:
        SequenceFormatError: a file is cut short or malformed, a sequence has letters outside IUPAC, R1 and R2 do not
            belong together, or the qualities are Phred+64; the message names the file and the record or line.
    """
    records = 0
    lowest, highest = "~", "!"
    for records, pair in enumerate(_records(r1, r2), start=1):
        for source, record in zip((r1, r2), pair, strict=False):
            if record.sequence.encode().translate(None, _DNA):
                raise _foreign_letter(source or r1, records, record)
            if record.qualities and record.qualities.encode().translate(None, _QUALITIES):
                raise _foreign_quality(source or r1, records, record)
            if records <= _QUALITY_SAMPLE and record.qualities:
                lowest, highest = min(lowest, *record.qualities), max(highest, *record.qualities)
    if records and lowest >= _LOWEST_OLD_QUALITY and _HIGHEST_COMMON_QUALITY < highest <= _HIGHEST_OLD_QUALITY:
        message = (
            f"{r1}: the qualities run from {lowest!r} to {highest!r}, which is the old Phred+64 scale; "
            "expected Phred+33. Convert the file: `vsearch --fastq_convert IN --fastq_ascii 64 --fastqout OUT`"
        )
        raise SequenceFormatError(message)
    return records


def usual_names(sources: Sequence[Path], folder: Path) -> list[Path]:
    """Return the sources under names from which cutadapt can tell FASTQ and gzip, linking those that have another."""
    usual = (".fastq", ".fq", ".fastq.gz", ".fq.gz")
    known = []
    for number, source in enumerate(sources, start=1):
        gzipped = _is_gzipped(source)
        if source.name.endswith(usual) and source.name.endswith(".gz") == gzipped:
            known.append(source)
        else:
            link = folder / f"{number}.fastq{'.gz' if gzipped else ''}"
            link.symlink_to(source.resolve())
            known.append(link)
    return known


def _records(r1: Path, r2: Path | None) -> Iterator[tuple[dnaio.SequenceRecord, ...]]:
    """Yield single records or pairs; an empty file, gzipped or not, yields nothing."""
    empty = [source for source in (r1, r2) if source is not None and _is_empty(source)]
    if len(empty) == (1 if r2 is None else 2):
        return
    if empty:
        other = r2 if empty[0] == r1 else r1
        message = f"{empty[0]} has no reads but its mate {other} has; expected as many reads in R1 as in R2"
        raise SequenceFormatError(message)
    try:
        if r2 is None:
            with dnaio.open(r1, fileformat="fastq", open_threads=0) as single:
                for record in single:
                    yield (record,)
        else:
            with dnaio.open(r1, r2, fileformat="fastq", open_threads=0) as paired:
                yield from paired
    except dnaio.exceptions.FileFormatError as error:
        raise _malformed(r1, r2, error) from error
    except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
        raise _unreadable(r1, r2, error) from error
    except UnicodeDecodeError as error:
        message = f"{_names(r1, r2)}: holds bytes that are not ASCII text; expected FASTQ"
        raise SequenceFormatError(message) from error


def _is_empty(source: Path) -> bool:
    try:
        with source.open("rb") as raw:
            magic = raw.read(2)
        if magic != b"\x1f\x8b":
            return magic == b""
        with gzip.open(source, "rb") as stream:
            return stream.read(1) == b""
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{source}: the gzipped file is damaged or cut short ({error}); copy or download it again"
        raise SequenceFormatError(message) from error


def _unreadable(r1: Path, r2: Path | None, error: Exception) -> SequenceFormatError:
    """Say which file of a pair is only called .gz, or which is damaged."""
    for source in (r1, r2):
        if source is not None and source.suffix == ".gz" and not _is_gzipped(source):
            message = f"{source}: called .gz, but not gzipped; take .gz off its name or pack the file with gzip"
            return SequenceFormatError(message)
    message = f"{_damaged(r1, r2)}: the gzipped file is damaged or cut short ({error}); copy or download it again"
    return SequenceFormatError(message)


def _damaged(r1: Path, r2: Path | None) -> str:
    """Return which of two gzipped files cannot be read to its end."""
    for source in (r1, r2):
        if source is None or not _is_gzipped(source):
            continue
        try:
            with gzip.open(source, "rb") as stream:
                while stream.read(1 << 20):
                    pass
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return str(source)
    return _names(r1, r2)


def _is_gzipped(source: Path) -> bool:
    with source.open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


def _malformed(r1: Path, r2: Path | None, error: Exception) -> SequenceFormatError:
    """Say which file of a pair is malformed by reading each alone; when both are whole, they do not match."""
    if r2 is None:
        return SequenceFormatError(f"{r1}: not a well-formed FASTQ file: {shortened(error)}; copy or download it again")
    counts = [sum(1 for _ in _records(source, None)) for source in (r1, r2)]
    message = f"{r1} ({counts[0]} reads) and {r2} ({counts[1]} reads) do not belong together: {shortened(error)}"
    return SequenceFormatError(message)


def _names(r1: Path, r2: Path | None) -> str:
    return str(r1) if r2 is None else f"{r1} or {r2}"


def _foreign_quality(source: Path, number: int, record: dnaio.SequenceRecord) -> SequenceFormatError:
    found = next(letter for letter in record.qualities or "" if ord(letter) not in _QUALITIES)
    message = (
        f"{source}: record {number} (line {4 * number}, {record.name.split(' ')[0]}) has the quality {found!r}; "
        "expected printable characters from ! on (Phred+33)"
    )
    return SequenceFormatError(message)


def _foreign_letter(source: Path, number: int, record: dnaio.SequenceRecord) -> SequenceFormatError:
    letters = _DNA.decode()
    position = next(index for index, letter in enumerate(record.sequence) if letter not in letters)
    message = (
        f"{source}: record {number} (line {4 * number - 2}, {record.name.split(' ')[0]}) has "
        f"{record.sequence[position]!r} at position {position + 1}; expected the letters of IUPAC DNA"
    )
    return SequenceFormatError(message)


def count_lines(source: Path) -> int:
    """Return the number of line ends in a file."""
    with source.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))

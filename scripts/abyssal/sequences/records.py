"""FASTA and FASTQ records, plain or gzipped, read as a stream.

Parsing is dnaio's (the library under cutadapt); this module adds one error type, the file's name and a check that a
gzipped file is whole. An empty file holds zero records and is not an error.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dnaio

from abyssal.errors import SequenceFormatError, UsageError
from abyssal.files import open_atomic


@dataclass(frozen=True, slots=True)
class SequenceRecord:
    """One entry of a FASTA or FASTQ file; ``quality`` is the Phred+33 string of a FASTQ record."""

    id: str
    sequence: str
    description: str = ""
    quality: str | None = None


def read_records(source: Path) -> Iterator[SequenceRecord]:
    """Yield the records of a FASTA or FASTQ file (by content; ``.gz`` by suffix or magic).

    Raises:
        UsageError: the file is not there.
        SequenceFormatError: the file is malformed or truncated; names the file and, where known, the line.
    """
    if not source.is_file():
        message = f"{source}: no such file; expected FASTA or FASTQ, plain or gzipped"
        raise UsageError(message)
    if _is_empty(source):
        return
    try:
        with dnaio.open(source) as reader:
            for record in reader:
                name, _, description = record.name.partition(" ")
                yield SequenceRecord(name, record.sequence, description, record.qualities)
    except (dnaio.exceptions.FileFormatError, dnaio.exceptions.UnknownFileFormat) as error:
        message = f"{source}: not a well-formed FASTA or FASTQ file: {error}"
        raise SequenceFormatError(message) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{source}: the gzipped file is damaged or cut short ({error}); copy or download it again"
        raise SequenceFormatError(message) from error
    except UnicodeDecodeError as error:
        message = f"{source}: holds bytes that are not ASCII text; expected FASTA or FASTQ"
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


def write_fasta(target: Path, records: Iterable[tuple[str, str]]) -> int:
    """Write (header, sequence) pairs, one line a sequence, atomically; gzipped when ``target`` ends in ``.gz``.

    Returns:
        The number of records written.
    """
    written = 0
    with open_atomic(target) as out:
        for header, sequence in records:
            out.write(f">{header}\n{sequence}\n")
            written += 1
    return written

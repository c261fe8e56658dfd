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
from typing import BinaryIO

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
    yield from parse_records(source, str(source))


def parse_records(stream: Path | BinaryIO, name: str) -> Iterator[SequenceRecord]:
    """Yield the records of a file or of an open binary stream that is not empty; ``name`` stands in the errors.

    An id ends at the first blank or tab, so that it can stand in a table.

    Raises:
        SequenceFormatError: the content is malformed or truncated.
    """
    try:
        with dnaio.open(stream) as reader:
            for record in reader:
                identifier, description = _header(record.name)
                yield SequenceRecord(identifier, record.sequence, description, record.qualities)
    except dnaio.exceptions.UnknownFileFormat as error:
        message = f"{name}: neither FASTA nor FASTQ; expected the first character to be > (FASTA) or @ (FASTQ)"
        raise SequenceFormatError(message) from error
    except dnaio.exceptions.FileFormatError as error:
        message = f"{name}: not a well-formed FASTA or FASTQ file: {' '.join(str(error).split())}"
        raise SequenceFormatError(message) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{name}: the gzipped file is damaged or cut short ({error}); copy or download it again"
        raise SequenceFormatError(message) from error
    except UnicodeDecodeError as error:
        message = f"{name}: holds bytes that are not ASCII text; expected FASTA or FASTQ"
        raise SequenceFormatError(message) from error


def _header(line: str) -> tuple[str, str]:
    identifier, _, description = line.replace("\t", " ").partition(" ")
    return identifier, description


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

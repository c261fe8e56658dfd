"""FASTA and FASTQ records, plain or gzipped, read as a stream.

Parsing is dnaio's (the library under cutadapt); this module adds one error type, the file's name and a check that a
gzipped file is whole. An empty file holds zero records and is not an error.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import dnaio

from abyssal.errors import SequenceFormatError, UsageError
from abyssal.files import open_atomic

_FORMATS = {b">": "fasta", b"#": "fasta", b"@": "fastq"}
_STRANGERS = {
    b"\xef\xbb\xbf": "a byte-order mark; save the file as ASCII, or as UTF-8 without that mark",
    b"\xff\xfe": "UTF-16 text; save the file as ASCII or UTF-8",
    b"\xfe\xff": "UTF-16 text; save the file as ASCII or UTF-8",
    b"BZh": "a bzip2 file; unpack it, or pack it with gzip",
    b"\xfd7zXZ": "an xz file; unpack it, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "a Zstandard file; unpack it, or pack it with gzip",
    b"PK\x03\x04": "a zip archive; unpack it",
}
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
_START_BYTES = 4096
_MESSAGE_LETTERS = 300


@dataclass(frozen=True, slots=True)
class SequenceRecord:
    """One entry of a FASTA or FASTQ file; ``quality`` is the Phred+33 string of a FASTQ record."""

    id: str
    sequence: str
    description: str = ""
    quality: str | None = None


def read_records(source: Path) -> Iterator[SequenceRecord]:
    """Yield the records of a FASTA or FASTQ file; format and packing are told by the content, not by the name.

    Raises:
        UsageError: the file is not there.
        SequenceFormatError: the file is malformed or truncated; names the file and, where known, the line.
    """
    if not source.is_file():
        found = "a directory" if source.is_dir() else "no such file"
        message = f"{source}: {found}; expected FASTA or FASTQ, plain or gzipped"
        raise UsageError(message)
    packed = _is_packed(source)
    start = _start(source, packed=packed)
    if not start:
        return
    form = _FORMATS.get(start.lstrip(b"\r\n")[:1] or b">")
    if form is None:
        raise SequenceFormatError(_neither(str(source), start))
    # By its name alone, a plain file that is called .gz would be taken for a gzipped one.
    yield from parse_records(source, str(source), form=form, opener=None if packed else open)


def parse_records(
    stream: Path | BinaryIO, name: str, *, form: str | None = None, opener: Callable[..., Any] | None = None
) -> Iterator[SequenceRecord]:
    """Yield the records of a file or of an open binary stream that is not empty; ``name`` stands in the errors.

    An id ends at the first blank or tab, so that it can stand in a table. ``form`` is fasta or fastq; without it the
    content of the stream tells. ``opener`` opens a path instead of dnaio's own, which goes by the suffix.

    Raises:
        SequenceFormatError: the content is malformed or truncated, or an id holds control characters.
    """
    options: dict[str, Any] = {} if opener is None else {"opener": opener}
    try:
        with dnaio.open(stream, fileformat=form, **options) as reader:
            for record in reader:
                identifier, description = _header(record.name, name)
                yield SequenceRecord(identifier, record.sequence, description, record.qualities)
    except dnaio.exceptions.UnknownFileFormat as error:
        raise SequenceFormatError(_neither(name)) from error
    except dnaio.exceptions.FileFormatError as error:
        message = f"{name}: not a well-formed FASTA or FASTQ file: {shortened(error)}"
        raise SequenceFormatError(message) from error
    except UnicodeDecodeError as error:
        message = f"{name}: holds bytes that are not ASCII text; expected FASTA or FASTQ"
        raise SequenceFormatError(message) from error
    except _DAMAGED as error:
        raise _damaged(name, error) from error


def _header(line: str, name: str) -> tuple[str, str]:
    identifier, _, description = line.replace("\t", " ").partition(" ")
    # Ids go into tables and on to terminals as they are.
    if not identifier.isprintable():
        message = f"{name}: the id {identifier!r} holds a control character; expected printable ASCII"
        raise SequenceFormatError(message)
    return identifier, description


def shortened(error: Exception) -> str:
    """Return dnaio's words on one line, at most 300 letters of them: it quotes an incomplete record whole.

    What a terminal would obey instead of show is written as its escape.
    """
    words = " ".join(str(error).split())
    text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)
    return text if len(text) <= _MESSAGE_LETTERS else f"{text[:_MESSAGE_LETTERS]}..."


def _is_packed(source: Path) -> bool:
    with source.open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


def _start(source: Path, *, packed: bool) -> bytes:
    """Return the first bytes of the text; none when the file is empty."""
    try:
        with gzip.open(source, "rb") if packed else source.open("rb") as stream:
            return stream.read(_START_BYTES)
    except _DAMAGED as error:
        raise _damaged(str(source), error) from error


def _neither(name: str, start: bytes = b"") -> str:
    message = f"{name}: neither FASTA nor FASTQ; expected the first character to be > (FASTA) or @ (FASTQ)"
    stranger = next((words for mark, words in _STRANGERS.items() if start.startswith(mark)), None)
    return message if stranger is None else f"{message}, found {stranger}"


def _damaged(name: str, error: Exception) -> SequenceFormatError:
    message = f"{name}: the gzipped file is damaged or cut short ({error}); copy or download it again"
    return SequenceFormatError(message)


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

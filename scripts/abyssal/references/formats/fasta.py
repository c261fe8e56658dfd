"""FASTA with line numbers: dnaio is faster but cannot say on which line a header stood, and messages here must."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from abyssal.errors import ReferenceFormatError, UsageError
from abyssal.references.formats.raw import malformed

_MAGIC = b"\x1f\x8b"


class FastaEntry(NamedTuple):
    """A header without ``>``, its sequence with line breaks removed, and the header's 1-based line."""

    header: str
    sequence: str
    line: int


@contextmanager
def open_lines(source: Path) -> Iterator[Iterator[str]]:
    """Open a text file, gzipped or not (by content), as lines without line breaks.

    Raises:
        UsageError: the file is not there.
        ReferenceFormatError: the gzip stream is damaged or cut short, or the bytes are not UTF-8.
    """
    if not source.is_file():
        message = f"{source}: no such file; expected a reference, plain or gzipped"
        raise UsageError(message)
    with source.open("rb") as raw:
        packed = raw.read(2) == _MAGIC
    with _open_text(source, packed=packed) as stream:
        yield _lines(source, stream)


def _open_text(source: Path, *, packed: bool) -> IO[str]:
    return gzip.open(source, "rt", encoding="utf-8") if packed else source.open(encoding="utf-8")


def _lines(source: Path, stream: IO[str]) -> Iterator[str]:
    number = 0
    try:
        for line in stream:
            number += 1
            yield line.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = (
            f"{source}: the gzipped file is damaged or cut short after line {number} ({error}); "
            "download or copy it again"
        )
        raise ReferenceFormatError(message) from error
    except UnicodeDecodeError as error:
        message = f"{source}: line {number + 1} or later holds bytes that are not UTF-8 text ({error.reason})"
        raise ReferenceFormatError(message) from error


def read_fasta(source: Path) -> Iterator[FastaEntry]:
    """Yield the entries of a FASTA file.

    Raises:
        ReferenceFormatError: text before the first header, an empty header, an entry without sequence.
    """
    header: str | None = None
    start = 0
    parts: list[str] = []
    with open_lines(source) as lines:
        for number, line in enumerate(lines, start=1):
            if line.startswith(">"):
                if header is not None:
                    yield _entry(source, header, parts, start)
                header, start, parts = line[1:].strip(), number, []
                if not header:
                    raise malformed(source, number, "an empty header", mend="every record needs an identifier")
            elif line:
                if header is None:
                    raise malformed(source, number, f"expected a FASTA header (>...), found {line[:30]!r}")
                parts.append(line.strip())
    if header is not None:
        yield _entry(source, header, parts, start)


def _entry(source: Path, header: str, parts: list[str], line: int) -> FastaEntry:
    sequence = "".join(parts)
    if not sequence:
        raise malformed(
            source, line, f"record {header[:40]!r} has no sequence", mend="remove it or download the file again"
        )
    return FastaEntry(header, sequence, line)


def read_headers(source: Path, count: int) -> tuple[str, ...]:
    """Return up to ``count`` headers from the start of a FASTA file, read leniently."""
    with open_lines(source) as lines:
        return tuple(islice((line[1:].strip() for line in lines if line.startswith(">")), count))


def read_start(source: Path, count: int) -> tuple[str, ...]:
    """Return up to ``count`` non-empty lines from the start of a text file."""
    with open_lines(source) as lines:
        return tuple(islice((line for line in lines if line), count))

"""Files that are written whole or not at all, and bytes that do not depend on the clock."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_BLOCK = 1 << 20


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a sibling to write to; it replaces ``target`` on success and vanishes on failure."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def open_atomic(target: Path) -> Iterator[IO[str]]:
    """Open ``target`` for UTF-8 text; gzipped without name and time when it ends in ``.gz``."""
    with atomic_path(target) as temporary:
        if target.suffix == ".gz":
            with (
                temporary.open("wb") as raw,
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
            ):
                yield _TextWriter(packed)  # type: ignore[misc]
        else:
            with temporary.open("w", encoding="utf-8", newline="\n") as text:
                yield text


class _TextWriter:
    """The ``write`` half of a text file over a gzip stream; TextIOWrapper would close the stream early."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text.encode("utf-8"))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)


def write_text(target: Path, text: str) -> None:
    """Write ``text`` atomically."""
    with open_atomic(target) as out:
        out.write(text)


def to_json(value: Any) -> str:
    """Serialise with sorted keys, two-space indent and a newline at the end; NaN is refused."""
    return json.dumps(value, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(target: Path, value: Any) -> None:
    """Write ``value`` atomically in the one JSON style of the project."""
    write_text(target, to_json(value))


def read_json(source: Path) -> Any:
    """Read a JSON file; ValueError when it is none, however deep it is nested."""
    try:
        return json.loads(source.read_text(encoding="utf-8"))
    except RecursionError as error:
        message = "nested too deep"
        raise ValueError(message) from error


def sha256_file(source: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with source.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()

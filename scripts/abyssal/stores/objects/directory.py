"""Objects as files below a directory: written to a hidden sibling, then linked or renamed into place."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from abyssal.errors import StoreError, UsageError
from abyssal.files import sha256_file
from abyssal.stores.objects.base import BLOCK, ObjectEntry, ObjectStore

_KEY = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[^/\\\0]+(?:/[^/\\\0]+)*")
_UNFINISHED = ".putting-"
_LOCK = ".puts.lock"


class DirectoryObjectStore(ObjectStore):
    """Objects below a directory; conditional puts take turns by flock(2), which the kernel releases on death."""

    def __init__(self, root: Path) -> None:
        self.location = str(root)
        self._root = root

    def put_if(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write a sibling, look at the tag under a lock, rename."""
        path = self._path(key)
        with self._errors(key), self._locked():
            if (_tag(path.read_bytes()) if path.is_file() else None) != tag:
                return False
            with self._sibling(path) as unfinished:
                unfinished.write_bytes(content)
            return True

    def put_file(self, key: str, source: Path, *, sha256: str) -> None:
        """Copy to a sibling, rename."""
        path = self._path(key)
        with self._errors(key):
            if path.is_file() and path.stat().st_size == source.stat().st_size and sha256_file(path) == sha256:
                return
            with self._sibling(path) as unfinished, source.open("rb") as stream, unfinished.open("wb") as out:
                while block := stream.read(BLOCK):
                    out.write(block)

    def get(self, key: str, most_bytes: int) -> bytes | None:
        """Read the first bytes."""
        path = self._path(key)
        with self._errors(key):
            if not path.is_file():
                return None
            with path.open("rb") as stream:
                return stream.read(most_bytes)

    def get_tagged(self, key: str) -> tuple[bytes, str] | None:
        """Read all bytes; the tag is their SHA-256."""
        path = self._path(key)
        with self._errors(key):
            content = path.read_bytes() if path.is_file() else None
        return None if content is None else (content, _tag(content))

    def stream(self, key: str, offset: int = 0) -> Iterator[bytes]:
        """Yield blocks."""
        with self._errors(key), self._path(key).open("rb") as stream:
            stream.seek(offset)
            while block := stream.read(BLOCK):
                yield block

    def entries(self, below: str = "") -> Iterator[ObjectEntry]:
        """Walk the directory; what is hidden is not finished or a lock."""
        for path in sorted(self._root.rglob("*")):
            key = path.relative_to(self._root).as_posix()
            if key.startswith(below) and path.is_file() and not path.name.startswith((_UNFINISHED, _LOCK)):
                found = path.stat()
                yield ObjectEntry(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def delete(self, key: str) -> None:
        """Unlink; folders stay, since somebody may be putting something into them."""
        with self._errors(key):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key) or key.rpartition("/")[2].startswith((_UNFINISHED, _LOCK)):
            message = f"{self.location}: {key!a} cannot be a key; expected names separated by single slashes"
            raise UsageError(message)
        return self._root / key

    @contextmanager
    def _sibling(self, path: Path) -> Iterator[Path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
        unfinished = Path(name)
        try:
            yield unfinished
            os.fsync(handle)
            unfinished.chmod(0o644)
            unfinished.replace(path)
        finally:
            os.close(handle)
            unfinished.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"{self.location}/{key}: cannot be read or written ({error.strerror})"
            raise StoreError(message) from error


def _tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

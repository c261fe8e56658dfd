"""Archives and gzipped files of users: unpacked under caps on count, size and ratio; member names are never paths."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from abyssal.errors import UsageError
from abyssal.stores.objects.base import BLOCK
from abyssal_server.datasets.names import is_archive, name_problem

_RATIO_LOOKED_AT_FROM = 16 << 20
_IGNORED = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_GZIP_FORMAT = 31


class RefusedFile(UsageError):
    """A file of a dataset that cannot be taken; the message says why, without the file's own name."""


@dataclass(frozen=True)
class UnpackLimits:
    """Caps on what comes out of one file.

    Attributes:
        members: files of an archive.
        bytes: expanded, together.
        ratio: expanded to raw, looked at after the first 16 MiB.
    """

    members: int
    bytes: int
    ratio: float


class _Allowance:
    """Counts what comes out of a file of ``raw`` bytes."""

    def __init__(self, limits: UnpackLimits, raw: int) -> None:
        self._limits = limits
        self._raw = max(1, raw)
        self._used = 0

    def use(self, amount: int) -> None:
        """Count; raises RefusedFile beyond a cap."""
        self._used += amount
        if self._used > self._limits.bytes:
            message = f"expands to more than {self._limits.bytes} bytes"
            raise RefusedFile(message)
        if self._used > _RATIO_LOOKED_AT_FROM and self._used > self._limits.ratio * self._raw:
            message = f"expands to more than {self._limits.ratio:g} times its size"
            raise RefusedFile(message)


def unpack(archive: Path, name: str, folder: Path, limits: UnpackLimits) -> Iterator[tuple[str, Path]]:
    """Yield (name, file) of each member, unpacked to ``folder`` under numbers; the folders inside are left out.

    Raises:
        RefusedFile: it is damaged, beyond a cap, or holds what is no plain file.
    """
    members = _zip_members(archive) if name.lower().endswith(".zip") else _tar_members(archive)
    allowance = _Allowance(limits, archive.stat().st_size)
    seen: set[str] = set()
    with _damage():
        for number, (path, stream) in enumerate(members):
            if number >= limits.members:
                message = f"holds more than {limits.members} files"
                raise RefusedFile(message)
            shown = path.replace("\\", "/").rpartition("/")[2]
            problem = "an archive inside an archive is not unpacked" if is_archive(shown) else name_problem(shown)
            if problem:
                message = f"member {path[:200]!a}: {problem}"
                raise RefusedFile(message)
            if shown in seen:
                message = f"two members are called {shown}; names must differ without their folders"
                raise RefusedFile(message)
            seen.add(shown)
            target = folder / f"member-{number:05d}"
            with target.open("wb") as out:
                while block := stream.read(BLOCK):
                    allowance.use(len(block))
                    out.write(block)
            yield shown, target


def check_gzip(path: Path, limits: UnpackLimits) -> None:
    """Expand a gzipped file without keeping it.

    Raises:
        RefusedFile: it is damaged, cut short, or beyond a cap.
    """
    allowance = _Allowance(limits, path.stat().st_size)
    with path.open("rb") as stream, _damage():
        member = zlib.decompressobj(_GZIP_FORMAT)
        piece = stream.read(BLOCK)
        while piece:
            allowance.use(len(member.decompress(piece, BLOCK)))
            if member.eof:
                piece = (member.unused_data or stream.read(BLOCK)).lstrip(b"\0")
                member = zlib.decompressobj(_GZIP_FORMAT) if piece else member
            else:
                piece = member.unconsumed_tail or stream.read(BLOCK)
        if not member.eof:
            message = "the gzipped data are cut short; compress or send it again"
            raise RefusedFile(message)


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            if entry.is_dir() or _is_ignored(entry.filename):
                continue
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG) or entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
                message = f"member {entry.filename[:200]!a} is a link, encrypted, or packed in an unusual way"
                raise RefusedFile(message)
            with opened.open(entry) as stream:
                yield _checked_path(entry.orig_filename), stream


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive, "r:*") as opened:
        for entry in opened:
            if entry.isdir() or _is_ignored(entry.name):
                continue
            stream = opened.extractfile(entry) if entry.isreg() and not entry.issparse() else None
            if stream is None:
                message = f"member {entry.name[:200]!a} is a link or a device; expected plain files"
                raise RefusedFile(message)
            yield _checked_path(entry.name), stream


def _is_ignored(path: str) -> bool:
    return path.startswith(_IGNORED[0]) or path.rpartition("/")[2] in _IGNORED[1:]


def _checked_path(path: str) -> str:
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "\\")) or ".." in parts or "\0" in path or ":" in parts[0]:
        message = f"member {path[:200]!a} points outside of the archive"
        raise RefusedFile(message)
    return path


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        message = f"is damaged ({error}); pack or send it again"
        raise RefusedFile(message) from error

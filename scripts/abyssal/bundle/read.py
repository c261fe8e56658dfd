"""Open a bundle: every file is checked against the manifest before anybody uses one.

Order: the manifest (bounded, strict), the directory's entries (exactly the listed files; no links, no special files, no
further folders), all sizes, then first bytes and SHA-256 of each file. Files are opened relative to the open directory
and without following links, so that nothing outside is ever read; memory does not grow with the bundle.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from abyssal.bundle.content import BINARY, HEAD_BYTES, content_problem, is_text
from abyssal.bundle.manifest import MANIFEST, MAX_MANIFEST_BYTES, FileEntry, Manifest, parse_manifest
from abyssal.errors import BundleError, UsageError

_BLOCK = 1 << 18
# O_NONBLOCK: opening a FIFO must return so that it can be refused.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes:
        directory: where it lies.
        digest: SHA-256 of ``manifest.json``, 64 hex digits; appears in every answer.
        manifest: what it says about itself.
    """

    directory: Path
    digest: str
    manifest: Manifest

    @property
    def name(self) -> str:
        """Name under which versions are published."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """Version of the content."""
        return self.manifest.version

    @property
    def marker(self) -> str:
        """Name of the marker it answers for."""
        return self.manifest.marker.name

    @property
    def ranks(self) -> tuple[str, ...]:
        """Rank names, highest first."""
        return tuple(self.manifest.ranks)


def open_bundle(directory: Path) -> Bundle:
    """Verify a bundle and return it.

    Raises:
        UsageError: there is no such directory.
        BundleError: the first file that is missing, extra, altered or not allowed, in one line that names it.
    """
    root = _open_root(directory)
    try:
        raw = _read_manifest(root)
        manifest = parse_manifest(raw)
        _check_entries(root, manifest)
        _check_sizes(root, manifest)
        for path, entry in manifest.files.items():
            _check_content(root, path, entry)
    except BundleError as error:
        message = f"{directory}: {error}"
        raise BundleError(message) from error
    finally:
        os.close(root)
    return Bundle(directory, hashlib.sha256(raw).hexdigest(), manifest)


def read_manifest(directory: Path) -> tuple[Manifest, bytes]:
    """Return a bundle's parsed manifest and its bytes without looking at any other file."""
    root = _open_root(directory)
    try:
        raw = _read_manifest(root)
    finally:
        os.close(root)
    return parse_manifest(raw, source=f"{directory}: {MANIFEST}"), raw


def _open_root(directory: Path) -> int:
    try:
        return os.open(directory, _FOLDER_FLAGS)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"{directory}: no such directory; expected a bundle (a directory with {MANIFEST})"
        raise UsageError(message) from error
    except (OSError, ValueError) as error:
        message = f"{str(directory)!a}: cannot be opened ({error})"
        raise BundleError(message) from error


def _read_manifest(root: int) -> bytes:
    with _open_file(root, MANIFEST) as handle:
        blocks = []
        left = MAX_MANIFEST_BYTES + 1
        while left > 0 and (block := os.read(handle, min(left, _BLOCK))):
            blocks.append(block)
            left -= len(block)
    if left <= 0:
        _refuse(MANIFEST, f"larger than {MAX_MANIFEST_BYTES} bytes")
    return b"".join(blocks)


def _check_entries(root: int, manifest: Manifest) -> None:
    """Refuse what lies in the directory and is not a listed regular file, and what is listed and is not there."""
    expected = {MANIFEST, *manifest.files}
    folders = {path.rpartition("/")[0] for path in expected} - {""}
    found = set(_entries(root, "", expected, folders))
    missing = sorted(expected - found)
    if missing:
        _refuse(missing[0], "listed in the manifest and not there; copy the bundle again")


def _entries(folder: int, prefix: str, expected: set[str], folders: set[str]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                _refuse(path, "is a symbolic link; a bundle holds regular files only")
            if path in folders and stat.S_ISDIR(mode):
                with _opened(folder, entry.name, path, _FOLDER_FLAGS | os.O_NOFOLLOW) as inner:
                    yield from _entries(inner, f"{path}/", expected, folders)
            elif stat.S_ISDIR(mode):
                _refuse(path, "is a directory that the manifest does not list; remove it")
            elif not stat.S_ISREG(mode):
                _refuse(path, "is a special file (device, socket or pipe); a bundle holds regular files only")
            elif path not in expected:
                _refuse(path, "is not listed in the manifest; remove it or fetch the bundle again")
            else:
                yield path


def _check_sizes(root: int, manifest: Manifest) -> None:
    for path, entry in manifest.files.items():
        with _open_file(root, path) as handle:
            size = os.fstat(handle).st_size
        if size != entry.size:
            _refuse(path, f"is {size} bytes long, the manifest says {entry.size}; it was altered or cut short")


def _check_content(root: int, path: str, entry: FileEntry) -> None:
    digest = hashlib.sha256()
    head = b""
    length = 0
    binary = False
    with _open_file(root, path) as handle:
        while block := os.read(handle, _BLOCK):
            if not head:
                head = block[:HEAD_BYTES]
            digest.update(block)
            length += len(block)
            binary = binary or b"\0" in block
            if length > entry.size:
                break
    if length != entry.size or digest.hexdigest() != entry.sha256:
        _refuse(path, f"does not have the SHA-256 in the manifest ({entry.sha256[:12]}...); it was altered")
    problem = content_problem(path, head, entry.size) or (BINARY if binary and is_text(path) else None)
    if problem:
        _refuse(path, problem)


@contextmanager
def _open_file(root: int, path: str) -> Iterator[int]:
    """Yield a descriptor of a regular file below ``root``; refuses links at every level."""
    folder, _, name = path.rpartition("/")
    if folder:
        with (
            _opened(root, folder, folder, _FOLDER_FLAGS | os.O_NOFOLLOW) as inner,
            _opened(inner, name, path, _FILE_FLAGS) as handle,
        ):
            yield _regular(handle, path)
    else:
        with _opened(root, name, path, _FILE_FLAGS) as handle:
            yield _regular(handle, path)


@contextmanager
def _opened(folder: int, name: str, path: str, flags: int) -> Iterator[int]:
    try:
        handle = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        problem = {
            errno.ELOOP: "is a symbolic link; a bundle holds regular files only",
            errno.ENOTDIR: "is not a directory",
            errno.ENOENT: "is not there; expected a whole bundle",
        }.get(error.errno or 0, f"cannot be opened ({os.strerror(error.errno or 0)})")
        _refuse(path, problem)
    try:
        yield handle
    finally:
        os.close(handle)


def _regular(handle: int, path: str) -> int:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        _refuse(path, "is not a regular file")
    return handle


def _refuse(path: str, problem: str) -> NoReturn:
    # The name may come from a stranger's directory: ascii() keeps line ends and broken Unicode out of the message.
    message = f"{ascii(path)[1:-1]}: {problem}"
    raise BundleError(message)

"""Bring a bundle's files to a directory: resumable, verified, visible only when whole.

Files gather in a hidden sibling named after the digest, so that the next attempt finds what is there already. A lock on
that sibling makes two fetches of one target take turns; the lock goes with the process, however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from abyssal.bundle.manifest import MANIFEST, FileEntry, Manifest
from abyssal.bundle.read import Bundle, open_bundle
from abyssal.bundle.write import settle, sync
from abyssal.errors import BundleError, UsageError
from abyssal.files import sha256_file

ReadBlocks = Callable[[str, int], Iterator[bytes]]
"""(path, offset) to the file's bytes from there on."""


def fetch_files(target: Path, raw_manifest: bytes, manifest: Manifest, read_blocks: ReadBlocks) -> Bundle:
    """Make ``target`` the bundle of this manifest and return it opened.

    Raises:
        UsageError: ``target`` is or holds something else.
        BundleError: a file does not arrive as the manifest says, or cannot be written.
    """
    digest = hashlib.sha256(raw_manifest).hexdigest()
    if target.exists() and not target.is_dir():
        message = f"{target}: is a file; choose a directory that is not there yet"
        raise UsageError(message)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{target.name}.{digest[:16]}.partial"
    with locked_directory(partial):
        if target.is_dir() and any(target.iterdir()):
            shutil.rmtree(partial, ignore_errors=True)
            return _already_there(target, digest)
        for path, entry in manifest.files.items():
            _fetch_file(partial / path, path, entry, read_blocks)
        (partial / MANIFEST).write_bytes(raw_manifest)
        bundle = open_bundle(partial)
        settle(partial)
        try:
            partial.rename(target)
        except OSError as error:
            message = f"{target}: cannot be made ({error.strerror})"
            raise UsageError(message) from error
        sync(target.parent)
    _remove_other_partials(target)
    return replace(bundle, directory=target)


def _remove_other_partials(target: Path) -> None:
    """Free the space of interrupted fetches of other content to the same place, unless one is going on."""
    for partial in target.parent.glob(f".{target.name}.*.partial"):
        try:
            handle = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(partial, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)


def _already_there(target: Path, digest: str) -> Bundle:
    try:
        bundle = open_bundle(target)
    except BundleError as error:
        message = f"{target}: holds something that is no whole bundle; remove it and fetch again ({error})"
        raise UsageError(message) from error
    if bundle.digest != digest:
        message = f"{target}: holds another bundle ({bundle.name} {bundle.version}); choose another place"
        raise UsageError(message)
    return bundle


@contextmanager
def locked_directory(directory: Path) -> Iterator[None]:
    """Make a directory and hold its lock; when another process renamed or removed it meanwhile, make it again."""
    while True:
        try:
            directory.mkdir(exist_ok=True)
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, FileExistsError):
            # Gone between two calls; a file in its place would stay.
            if directory.is_file():
                raise
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_still(directory, handle):
                continue
            yield
            return
        finally:
            os.close(handle)


def _is_still(directory: Path, handle: int) -> bool:
    """Whether a path still leads to the directory that was opened."""
    try:
        return os.path.samestat(os.fstat(handle), directory.stat())
    except FileNotFoundError:
        return False


def _fetch_file(target: Path, path: str, entry: FileEntry, read_blocks: ReadBlocks) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.is_symlink() or (target.exists() and target.stat().st_size > entry.size):
        target.unlink()
    # The second round is for a first half that was damaged: it starts from nothing.
    for _ in range(2):
        try:
            _append(target, entry.size, lambda offset: read_blocks(path, offset))
        except OSError as error:
            message = (
                f"{target}: cannot be written ({error.strerror}); make room and fetch again, which goes on from here"
            )
            raise BundleError(message) from error
        if target.stat().st_size == entry.size and sha256_file(target) == entry.sha256:
            return
        target.unlink()
    message = f"{path}: what arrived does not have the size and SHA-256 in the manifest; it was altered in the registry"
    raise BundleError(message)


def _append(target: Path, size: int, read_from: Callable[[int], Iterator[bytes]]) -> None:
    with target.open("ab") as out:
        offset = out.tell()
        if offset < size:
            for block in read_from(offset):
                offset += len(block)
                if offset > size:
                    break
                out.write(block)

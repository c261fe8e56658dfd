"""A registry in a directory: ``DIR/NAME/VERSION/`` is a bundle that can be opened where it lies.

A version appears by one rename of a synced sibling, which fails when the version is there; names that start with a dot
are helpers: ``.labels.json``, its lock, and whatever an interrupted process left. Locks are flock(2), which the kernel
releases when a process dies; on a network file system it must be one that supports them (NFS 4 does).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from abyssal.bundle.manifest import MANIFEST, MAX_MANIFEST_BYTES
from abyssal.bundle.read import Bundle, open_bundle
from abyssal.bundle.registry.base import LABELS_FILE, Registry, is_name
from abyssal.bundle.write import settle, sync
from abyssal.errors import BundleError, UsageError
from abyssal.files import atomic_path

_INCOMING = ".incoming-"
_LEAVING = ".leaving-"
_NEW_LABELS = ".new-labels-"
_BLOCK = 1 << 18


class DirectoryRegistry(Registry):
    """Bundles below one directory."""

    def __init__(self, root: Path) -> None:
        self.location = str(root)
        self._root = root

    def names(self) -> list[str]:
        """Return all names with at least one version, sorted."""
        return [name for name in _folders(self._root) if self.stored_versions(name)]

    def stored_versions(self, name: str) -> list[str]:
        """Return the published versions of a name."""
        return [version for version in _folders(self._root / name) if self._manifest_path(name, version).is_file()]

    def upload(self, bundle: Bundle) -> bool:
        """Copy, sync, rename; False when the version is there."""
        folder = self._folder(bundle.name)
        if self._manifest_path(bundle.name, bundle.version).exists():
            return False
        # A shared lock tells `clean` that somebody is at work here.
        with _lock(folder / ".uploads.lock", fcntl.LOCK_SH):
            staging = Path(tempfile.mkdtemp(dir=folder, prefix=_INCOMING))
            try:
                _copy_bundle(bundle, staging)
                return _rename_once(staging, folder / bundle.version)
            except OSError as error:
                message = f"{folder / bundle.version}: cannot be made ({error.strerror}); nothing was published"
                raise BundleError(message) from error
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def manifest_bytes(self, name: str, version: str) -> bytes | None:
        """Return the manifest of a published version."""
        try:
            with self._manifest_path(name, version).open("rb") as source:
                return source.read(MAX_MANIFEST_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_blocks(self, bundle: tuple[str, str, str], path: str, offset: int) -> Iterator[bytes]:
        """Yield a file's bytes from ``offset``."""
        name, version, _ = bundle
        source = self._root / name / version / path
        try:
            with source.open("rb") as stream:
                stream.seek(offset)
                while block := stream.read(_BLOCK):
                    yield block
        except OSError as error:
            message = f"{source}: cannot be read ({error.strerror}); the version may have been pruned meanwhile"
            raise BundleError(message) from error

    def put_signature(self, bundle: Bundle, signature: Path) -> None:
        """Write ``NAME/<digest>.sig``, where it lies beside the version's directory."""
        with atomic_path(self._folder(bundle.name) / f"{bundle.digest}.sig") as temporary:
            shutil.copyfile(signature, temporary)
            sync(temporary)

    def signature(self, name: str, digest: str) -> bytes | None:
        """Return a signature."""
        path = self._root / name / f"{digest}.sig"
        return path.read_bytes() if path.is_file() else None

    def read_labels(self, name: str) -> bytes | None:
        """Return the labels document."""
        try:
            return (self._root / name / LABELS_FILE).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def swap_labels(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Replace the labels document under a lock, by rename."""
        if not (self._root / name).is_dir():
            message = f"{self.location}: nothing is published under the name {name}"
            raise UsageError(message)
        folder = self._folder(name)
        with _lock(folder / ".labels.lock", fcntl.LOCK_EX):
            if self.read_labels(name) != expected:
                return False
            handle, path = tempfile.mkstemp(dir=folder, prefix=_NEW_LABELS)
            with os.fdopen(handle, "wb") as out:
                out.write(new)
                out.flush()
                os.fsync(out.fileno())
            Path(path).chmod(0o644)
            Path(path).replace(folder / LABELS_FILE)
            sync(folder)
            return True

    def delete(self, name: str, version: str) -> None:
        """Rename a version out of sight, then remove it."""
        folder = self._folder(name)
        leaving = Path(tempfile.mkdtemp(dir=folder, prefix=_LEAVING))
        # Not there: another prune was quicker.
        with suppress(FileNotFoundError):
            (folder / version).rename(leaving / version)
        sync(folder)
        shutil.rmtree(leaving, ignore_errors=True)

    def clean(self, name: str) -> None:
        """Remove what interrupted processes left, unless an upload is going on."""
        folder = self._root / name
        if not folder.is_dir():
            return
        with _lock(folder / ".uploads.lock", fcntl.LOCK_EX | fcntl.LOCK_NB) as free:
            if free:
                for prefix in (_INCOMING, _LEAVING):
                    for leftover in folder.glob(f"{prefix}*"):
                        shutil.rmtree(leftover, ignore_errors=True)
        with _lock(folder / ".labels.lock", fcntl.LOCK_EX):
            for unfinished in folder.glob(f"{_NEW_LABELS}*"):
                unfinished.unlink(missing_ok=True)

    def open(self, name: str, selector: str, *, cache: Path) -> Bundle:
        """Open a version where it lies; nothing is copied."""
        version = self.resolve(name, selector)
        self.manifest(name, version)
        return open_bundle(self._root / name / version)

    def _folder(self, name: str) -> Path:
        folder = self._root / name
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync(self._root)
        return folder

    def _manifest_path(self, name: str, version: str) -> Path:
        return self._root / name / version / MANIFEST


def _folders(root: Path) -> list[str]:
    """Return the names of the visible folders, sorted; none when ``root`` is not there."""
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if is_name(path.name) and path.is_dir())


def _copy_bundle(bundle: Bundle, staging: Path) -> None:
    for path in (*bundle.manifest.files, MANIFEST):
        (staging / path).parent.mkdir(exist_ok=True)
        shutil.copyfile(bundle.directory / path, staging / path)
    if open_bundle(staging).digest != bundle.digest:
        message = f"{bundle.directory}: changed while it was published; try again"
        raise BundleError(message)
    settle(staging)


def _rename_once(staging: Path, target: Path) -> bool:
    try:
        staging.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            return False
        raise
    sync(target.parent)
    return True


@contextmanager
def _lock(path: Path, kind: int) -> Iterator[bool]:
    """Hold a lock of this kind; yields False when it is not to be had without waiting and waiting was not asked for."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, kind)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)

"""A registry in an S3-compatible store (MinIO, SeaweedFS, Ceph, AWS).

``PREFIX/NAME/VERSION/manifest.json`` makes a version visible: it is written last, with ``If-None-Match: *``, so exactly
one publisher wins. The files lie in ``PREFIX/NAME/VERSION/DIGEST/``, the digest of the manifest that lists them: two
publishers of different content cannot touch each other's files, and an interrupted upload goes on where it stopped.
Labels are swapped with ``If-Match``. A store that ignores these conditions is refused at the first publication.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from abyssal.bundle.manifest import MANIFEST, MAX_MANIFEST_BYTES
from abyssal.bundle.read import Bundle
from abyssal.bundle.registry.base import LABELS_FILE, Registry, is_name
from abyssal.bundle.signing import MAX_SIGNATURE_BYTES
from abyssal.errors import BundleError, UsageError
from abyssal.files import sha256_file
from abyssal.stores.objects import ObjectStore

_PROBE = ".abyssal-registry.json"
# An upload that has not been committed for this long is not going on any more.
_ABANDONED = timedelta(hours=24)


class S3Registry(Registry):
    """Bundles in an object store whose puts are conditional."""

    def __init__(self, objects: ObjectStore) -> None:
        self.location = objects.location
        self._objects = objects

    def names(self) -> list[str]:
        """Return all names with at least one version, sorted."""
        return sorted({name for name, _ in self._published("")})

    def stored_versions(self, name: str) -> list[str]:
        """Return the published versions of a name."""
        return [version for _, version in self._published(f"{name}/")]

    def _published(self, below: str) -> Iterator[tuple[str, str]]:
        for entry in self._objects.entries(below):
            name, _, rest = entry.key.partition("/")
            version, _, file = rest.partition("/")
            if file == MANIFEST and is_name(name) and is_name(version):
                yield name, version

    def upload(self, bundle: Bundle) -> bool:
        """Put the files, then the manifest on the condition that there is none."""
        self._require_conditions()
        version = f"{bundle.name}/{bundle.version}"
        if self.manifest_bytes(bundle.name, bundle.version) is not None:
            return False
        files = f"{version}/{bundle.digest}"
        for path, entry in bundle.manifest.files.items():
            self._objects.put_file(f"{files}/{path}", bundle.directory / path, sha256=entry.sha256)
        raw = (bundle.directory / MANIFEST).read_bytes()
        if self._objects.put_if(f"{version}/{MANIFEST}", raw, None):
            return True
        if self.manifest_bytes(bundle.name, bundle.version) != raw:
            self._objects.delete_below(f"{files}/")
        return False

    def manifest_bytes(self, name: str, version: str) -> bytes | None:
        """Return the manifest of a published version."""
        return self._objects.get(f"{name}/{version}/{MANIFEST}", MAX_MANIFEST_BYTES + 1)

    def read_blocks(self, bundle: tuple[str, str, str], path: str, offset: int) -> Iterator[bytes]:
        """Yield a file's bytes from ``offset``."""
        return self._objects.stream("/".join((*bundle, path)), offset)

    def put_signature(self, bundle: Bundle, signature: Path) -> None:
        """Put ``NAME/<digest>.sig``."""
        self._objects.put_file(f"{bundle.name}/{bundle.digest}.sig", signature, sha256=sha256_file(signature))

    def signature(self, name: str, digest: str) -> bytes | None:
        """Return a signature."""
        return self._objects.get(f"{name}/{digest}.sig", MAX_SIGNATURE_BYTES)

    def read_labels(self, name: str) -> bytes | None:
        """Return the labels document."""
        return self._objects.get(f"{name}/{LABELS_FILE}", MAX_MANIFEST_BYTES)

    def swap_labels(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Replace the labels document on the condition that its ETag is that of ``expected``."""
        key = f"{name}/{LABELS_FILE}"
        if expected is None:
            if not self.stored_versions(name):
                message = f"{self.location}: nothing is published under the name {name}"
                raise UsageError(message)
            return self._objects.put_if(key, new, None)
        found = self._objects.get_tagged(key)
        return found is not None and found[0] == expected and self._objects.put_if(key, new, found[1])

    def delete(self, name: str, version: str) -> None:
        """Remove the manifest, which hides the version, then its files."""
        self._objects.delete(f"{name}/{version}/{MANIFEST}")
        self._objects.delete_below(f"{name}/{version}/")

    def clean(self, name: str) -> None:
        """Remove uploads that were begun a day ago and never committed."""
        published = set(self._published(f"{name}/"))
        newest: dict[str, datetime] = {}
        for entry in self._objects.entries(f"{name}/"):
            folder = "/".join(entry.key.split("/")[:2])
            newest[folder] = max(entry.modified, newest.get(folder, entry.modified))
        for folder, modified in newest.items():
            version = folder.partition("/")[2]
            if is_name(version) and (name, version) not in published and datetime.now(UTC) - modified > _ABANDONED:
                self._objects.delete_below(f"{folder}/")

    def open(self, name: str, selector: str, *, cache: Path) -> Bundle:
        """Fetch a version into the cache, once, and open it."""
        version = self.resolve(name, selector)
        _, digest = self.manifest(name, version)
        return self.fetch(name, version, cache / name / f"{version}-{digest[:16]}")

    def _require_conditions(self) -> None:
        """Refuse a store that takes a second conditional put of the same key: it would let publishers overwrite."""
        content = b'{"format": "abyssal-registry", "format_version": 1}\n'
        first_time = self._objects.put_if(_PROBE, content, None)
        if first_time and self._objects.put_if(_PROBE, content, None):
            self._objects.delete(_PROBE)
            message = (
                f"{self.location}: this store ignores If-None-Match, so a version could be overwritten; "
                "use a store with conditional puts"
            )
            raise BundleError(message)

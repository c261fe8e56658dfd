"""A registry in an S3-compatible store (MinIO, SeaweedFS, Ceph, AWS) through the minio client.

``PREFIX/NAME/VERSION/manifest.json`` makes a version visible: it is written last, with ``If-None-Match: *``, so exactly
one publisher wins. The files lie in ``PREFIX/NAME/VERSION/DIGEST/``, the digest of the manifest that lists them: two
publishers of different content cannot touch each other's files, and an interrupted upload goes on where it stopped.
Labels are swapped with ``If-Match``. A store that ignores these conditions is refused at the first publication.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from abyssal.bundle.manifest import MANIFEST, MAX_MANIFEST_BYTES
from abyssal.bundle.read import Bundle
from abyssal.bundle.registry.base import LABELS_FILE, Registry, is_name
from abyssal.bundle.signing import MAX_SIGNATURE_BYTES
from abyssal.errors import BundleError, UsageError

_PROBE = ".abyssal-registry.json"
_BLOCK = 1 << 18
_MISSING = {"NoSuchKey", "NoSuchObject", "NotFound"}
_HTTP_OK = 200
_CONDITION_FAILED = (409, 412)
_SHA256 = "sha256"
# An upload that has not been committed for this long is not going on any more.
_ABANDONED = timedelta(hours=24)
_TIMEOUT = urllib3.Timeout(connect=5, read=60)


class S3Registry(Registry):
    """Bundles below a prefix of a bucket."""

    def __init__(self, location: str, client: Minio, http: urllib3.PoolManager) -> None:
        address = urlsplit(location)
        if address.scheme != "s3" or not address.netloc:
            message = f"{location}: expected s3://BUCKET/PREFIX"
            raise UsageError(message)
        self.location = location.rstrip("/")
        self._bucket = address.netloc
        self._prefix = address.path.strip("/")
        self._client = client
        self._http = http

    @classmethod
    def from_environment(cls, location: str, environment: Mapping[str, str]) -> S3Registry:
        """Make a registry from S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY and S3_REGION.

        Raises:
            UsageError: one of the first three is not set, or the endpoint is no http(s) URL.
        """
        missing = [key for key in ("S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY") if not environment.get(key)]
        if missing:
            message = f"{location}: set {', '.join(missing)} in the environment to use an S3-compatible store"
            raise UsageError(message)
        endpoint = urlsplit(environment["S3_ENDPOINT"])
        if endpoint.scheme not in ("http", "https") or not endpoint.netloc or endpoint.path not in ("", "/"):
            message = f"S3_ENDPOINT is {environment['S3_ENDPOINT']!r}; expected http://HOST:PORT or https://HOST"
            raise UsageError(message)
        retries = urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
        http = urllib3.PoolManager(timeout=_TIMEOUT, retries=retries, maxsize=8)
        client = Minio(
            endpoint.netloc,
            access_key=environment["S3_ACCESS_KEY"],
            secret_key=environment["S3_SECRET_KEY"],
            region=environment.get("S3_REGION", "us-east-1"),
            secure=endpoint.scheme == "https",
            http_client=http,
        )
        return cls(location, client, http)

    def names(self) -> list[str]:
        """Return all names with at least one version, sorted."""
        return sorted({name for name, _ in self._published("")})

    def stored_versions(self, name: str) -> list[str]:
        """Return the published versions of a name."""
        return [version for _, version in self._published(f"{name}/")]

    def _published(self, below: str) -> Iterator[tuple[str, str]]:
        for key, _ in self._list(below):
            name, _, rest = key.partition("/")
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
        there = {key: size for key, (size, _) in self._list(f"{files}/")}
        for path, entry in bundle.manifest.files.items():
            key = f"{files}/{path}"
            if there.get(key) != entry.size or self._stored_sha256(key) != entry.sha256:
                with self._errors(key):
                    self._client.fput_object(
                        bucket_name=self._bucket, object_name=self._key(key), file_path=str(bundle.directory / path),
                        metadata={_SHA256: entry.sha256},
                    )  # fmt: skip
        raw = (bundle.directory / MANIFEST).read_bytes()
        if self._put_if(f"{version}/{MANIFEST}", raw, {"If-None-Match": "*"}):
            return True
        if self.manifest_bytes(bundle.name, bundle.version) != raw:
            self._remove(f"{files}/")
        return False

    def manifest_bytes(self, name: str, version: str) -> bytes | None:
        """Return the manifest of a published version."""
        return self._get(f"{name}/{version}/{MANIFEST}", MAX_MANIFEST_BYTES + 1)

    def read_blocks(self, bundle: tuple[str, str, str], path: str, offset: int) -> Iterator[bytes]:
        """Yield a file's bytes from ``offset``."""
        key = "/".join((*bundle, path))
        with self._errors(key), self._response(key, offset) as response:
            yield from response.stream(_BLOCK)

    def put_signature(self, bundle: Bundle, signature: bytes) -> None:
        """Put ``NAME/<digest>.sig``."""
        key = f"{bundle.name}/{bundle.digest}.sig"
        with self._errors(key):
            self._client.put_object(
                bucket_name=self._bucket, object_name=self._key(key), data=io.BytesIO(signature), length=len(signature)
            )

    def signature(self, name: str, digest: str) -> bytes | None:
        """Return a signature."""
        return self._get(f"{name}/{digest}.sig", MAX_SIGNATURE_BYTES)

    def read_labels(self, name: str) -> bytes | None:
        """Return the labels document."""
        return self._get(f"{name}/{LABELS_FILE}", MAX_MANIFEST_BYTES)

    def swap_labels(self, name: str, expected: bytes | None, new: bytes) -> bool:
        """Replace the labels document on the condition that its ETag is that of ``expected``."""
        key = f"{name}/{LABELS_FILE}"
        if expected is None:
            if not self.stored_versions(name):
                message = f"{self.location}: nothing is published under the name {name}"
                raise UsageError(message)
            return self._put_if(key, new, {"If-None-Match": "*"})
        with self._errors(key), self._response(key, 0) as response:
            if response.read() != expected:
                return False
            tag = response.headers["etag"]
        return self._put_if(key, new, {"If-Match": tag})

    def delete(self, name: str, version: str) -> None:
        """Remove the manifest, which hides the version, then its files."""
        key = f"{name}/{version}/{MANIFEST}"
        with self._errors(key):
            self._client.remove_object(bucket_name=self._bucket, object_name=self._key(key))
        self._remove(f"{name}/{version}/")

    def clean(self, name: str) -> None:
        """Remove uploads that were begun a day ago and never committed."""
        published = set(self._published(f"{name}/"))
        newest: dict[str, datetime] = {}
        for key, (_, modified) in self._list(f"{name}/"):
            folder = "/".join(key.split("/")[:2])
            newest[folder] = max(modified, newest.get(folder, modified))
        for folder, modified in newest.items():
            version = folder.partition("/")[2]
            if is_name(version) and (name, version) not in published and datetime.now(UTC) - modified > _ABANDONED:
                self._remove(f"{folder}/")

    def open(self, name: str, selector: str, *, cache: Path) -> Bundle:
        """Fetch a version into the cache, once, and open it."""
        version = self.resolve(name, selector)
        _, digest = self.manifest(name, version)
        return self.fetch(name, version, cache / name / f"{version}-{digest[:16]}")

    def _require_conditions(self) -> None:
        """Refuse a store that takes a second conditional put of the same key: it would let publishers overwrite."""
        content = b'{"format": "abyssal-registry", "format_version": 1}\n'
        first_time = self._put_if(_PROBE, content, {"If-None-Match": "*"})
        if first_time and self._put_if(_PROBE, content, {"If-None-Match": "*"}):
            with self._errors(_PROBE):
                self._client.remove_object(bucket_name=self._bucket, object_name=self._key(_PROBE))
            message = (
                f"{self.location}: this store ignores If-None-Match, so a version could be overwritten; "
                "use a store with conditional puts"
            )
            raise BundleError(message)

    def _put_if(self, key: str, content: bytes, condition: dict[str, str]) -> bool:
        """Put a small object on a condition; False when the condition does not hold."""
        # minio's put_object has no conditions; a presigned URL takes them as plain headers.
        with self._errors(key):
            url = self._client.get_presigned_url("PUT", self._bucket, self._key(key), expires=timedelta(minutes=5))
            response = self._http.request("PUT", url, body=content, headers=condition)
        if response.status in _CONDITION_FAILED:
            return False
        if response.status != _HTTP_OK:
            message = f"{self.location}/{key}: the store answered {response.status} to a conditional put"
            raise BundleError(message)
        return True

    def _get(self, key: str, most_bytes: int) -> bytes | None:
        try:
            with self._response(key, 0) as response:
                return bytes(response.read(most_bytes))
        except S3Error as error:
            if error.code in _MISSING:
                return None
            raise self._failure(key, error) from error
        except (MinioException, urllib3.exceptions.HTTPError) as error:
            raise self._failure(key, error) from error

    def _stored_sha256(self, key: str) -> str | None:
        with self._errors(key):
            stat = self._client.stat_object(bucket_name=self._bucket, object_name=self._key(key))
        metadata: Mapping[str, str] = stat.metadata or {}
        return metadata.get(f"x-amz-meta-{_SHA256}")

    def _list(self, below: str) -> Iterator[tuple[str, tuple[int, datetime]]]:
        """Yield (key below the registry, (size, time of change)) of all objects below a folder."""
        start = self._key("")
        with self._errors(below):
            found = self._client.list_objects(bucket_name=self._bucket, prefix=self._key(below), recursive=True)
            for item in found:
                yield str(item.object_name).removeprefix(start), (int(item.size or 0), item.last_modified)

    def _remove(self, below: str) -> None:
        for key, _ in list(self._list(below)):
            with self._errors(key):
                self._client.remove_object(bucket_name=self._bucket, object_name=self._key(key))

    @contextlib.contextmanager
    def _response(self, key: str, offset: int) -> Iterator[Any]:
        response = self._client.get_object(bucket_name=self._bucket, object_name=self._key(key), offset=offset)
        try:
            yield response
        finally:
            response.close()
            response.release_conn()

    @contextlib.contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except (MinioException, urllib3.exceptions.HTTPError) as error:
            raise self._failure(key, error) from error

    def _failure(self, key: str, error: Exception) -> BundleError:
        reason = error.code if isinstance(error, S3Error) else type(error).__name__
        return BundleError(f"{self.location}/{key}: the store did not answer as expected ({reason})")

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

"""Objects in an S3-compatible store (MinIO, SeaweedFS, Ceph, AWS) through the minio client."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from abyssal.errors import StoreError, UsageError
from abyssal.stores.objects.base import BLOCK, ObjectEntry, ObjectStore

_MISSING = {"NoSuchKey", "NoSuchObject", "NotFound"}
_HTTP_OK = 200
_CONDITION_FAILED = (409, 412)
_SHA256 = "sha256"
_TIMEOUT = urllib3.Timeout(connect=5, read=60)


class S3ObjectStore(ObjectStore):
    """Objects below a prefix of a bucket; put conditions are ``If-None-Match`` and ``If-Match``."""

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
    def from_environment(cls, location: str, environment: Mapping[str, str]) -> S3ObjectStore:
        """Make a store from S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY and S3_REGION.

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

    def put_if(self, key: str, content: bytes, tag: str | None) -> bool:
        """Put with ``If-None-Match: *`` or ``If-Match``."""
        condition = {"If-None-Match": "*"} if tag is None else {"If-Match": tag}
        # Without a checksum SeaweedFS keeps an empty object when a client dies between head and body of a put.
        condition["Content-MD5"] = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        # minio's put_object has no conditions; a presigned URL takes them as plain headers.
        with self._errors(key):
            url = self._client.get_presigned_url("PUT", self._bucket, self._key(key), expires=timedelta(minutes=5))
            response = self._http.request("PUT", url, body=content, headers=condition)
        if response.status in _CONDITION_FAILED:
            return False
        if response.status != _HTTP_OK:
            message = f"{self.location}/{key}: the store answered {response.status} to a conditional put"
            raise StoreError(message)
        return True

    def put_file(self, key: str, source: Path, *, sha256: str) -> None:
        """Put with the SHA-256 as metadata, in parts where the file is large."""
        if self._stored(key) == (source.stat().st_size, sha256):
            return
        with self._errors(key):
            self._client.fput_object(
                bucket_name=self._bucket, object_name=self._key(key), file_path=str(source), metadata={_SHA256: sha256}
            )

    def get(self, key: str, most_bytes: int) -> bytes | None:
        """Read the first bytes."""
        with self._errors(key), self._unless_missing(), self._response(key, 0) as response:
            return bytes(response.read(most_bytes))
        return None

    def get_tagged(self, key: str) -> tuple[bytes, str] | None:
        """Read all bytes; the tag is the store's ETag."""
        with self._errors(key), self._unless_missing(), self._response(key, 0) as response:
            return bytes(response.read()), str(response.headers["etag"])
        return None

    def stream(self, key: str, offset: int = 0) -> Iterator[bytes]:
        """Yield blocks."""
        with self._errors(key), self._response(key, offset) as response:
            yield from response.stream(BLOCK)

    def entries(self, below: str = "") -> Iterator[ObjectEntry]:
        """List recursively."""
        start = self._key("")
        with self._errors(below):
            found = self._client.list_objects(bucket_name=self._bucket, prefix=self._key(below), recursive=True)
            for item in found:
                modified = item.last_modified or datetime.now(UTC)
                yield ObjectEntry(str(item.object_name).removeprefix(start), int(item.size or 0), modified)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with self._errors(key):
            self._client.remove_object(bucket_name=self._bucket, object_name=self._key(key))

    def _stored(self, key: str) -> tuple[int, str | None] | None:
        """Return size and stated SHA-256; an upload that died may have left the latter without the former."""
        with self._errors(key), self._unless_missing():
            stat = self._client.stat_object(bucket_name=self._bucket, object_name=self._key(key))
            metadata: Mapping[str, str] = stat.metadata or {}
            return int(stat.size or 0), metadata.get(f"x-amz-meta-{_SHA256}")
        return None

    @contextlib.contextmanager
    def _unless_missing(self) -> Iterator[None]:
        try:
            yield
        except S3Error as error:
            if error.code not in _MISSING:
                raise

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
            reason = error.code if isinstance(error, S3Error) else type(error).__name__
            message = f"{self.location}/{key}: the store did not answer as expected ({reason})"
            raise StoreError(message) from error

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

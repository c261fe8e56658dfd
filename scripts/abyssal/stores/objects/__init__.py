"""Where objects (uploads, bundles) are kept: a directory, or an S3-compatible store, behind one interface."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from abyssal.errors import UsageError
from abyssal.stores.objects.base import ObjectEntry, ObjectStore

__all__ = ["ObjectEntry", "ObjectStore", "open_object_store"]


def open_object_store(location: str, *, environment: Mapping[str, str] | None = None) -> ObjectStore:
    """Return the object store at a location.

    Args:
        location: a directory, made when something is put, or ``s3://BUCKET/PREFIX``.
        environment: S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY and S3_REGION; the process's by default.

    Raises:
        UsageError: the location makes no sense or a setting is missing.
    """
    if location.startswith("s3://"):
        try:
            from abyssal.stores.objects.s3 import S3ObjectStore
        except ImportError as error:
            message = f"{location}: S3-compatible stores need minio ({error.name} is missing); install minio==7.2.20"
            raise UsageError(message) from error
        return S3ObjectStore.from_environment(location, os.environ if environment is None else environment)
    from abyssal.stores.objects.directory import DirectoryObjectStore

    return DirectoryObjectStore(Path(location))

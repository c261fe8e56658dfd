"""Where bundles are published, labelled and fetched from: a directory or an S3-compatible store, one interface."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from abyssal.bundle.manifest import MANIFEST
from abyssal.bundle.read import Bundle, open_bundle
from abyssal.bundle.registry.base import Labels, Publication, Registry
from abyssal.bundle.signing import require_trust
from abyssal.errors import UsageError

__all__ = ["Labels", "Publication", "Registry", "open_location", "open_registry"]

_S3 = "s3://"


def open_registry(location: str, *, environment: Mapping[str, str] | None = None) -> Registry:
    """Return the registry at a location.

    Args:
        location: a directory, made when something is published, or ``s3://BUCKET/PREFIX``.
        environment: S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY and S3_REGION; the process's by default.

    Raises:
        UsageError: the location makes no sense or a setting is missing.
    """
    if location.startswith(_S3):
        from abyssal.bundle.registry.s3 import S3Registry
        from abyssal.stores.objects import open_object_store

        return S3Registry(open_object_store(location, environment=environment))
    from abyssal.bundle.registry.directory import DirectoryRegistry

    return DirectoryRegistry(Path(location))


def open_location(location: str, *, cache: Path | None = None, environment: Mapping[str, str] | None = None) -> Bundle:
    """Open a bundle wherever it is.

    Args:
        location: a bundle's directory, or ``REGISTRY/NAME@SELECTOR`` with a version or a label (default ``current``);
            REGISTRY is a directory or ``s3://BUCKET/PREFIX``.
        cache: directory that bundles are fetched into from S3, each version once; the user's cache folder by default.

    Raises:
        UsageError: there is nothing of this name.
        BundleError: the bundle does not verify, or is not signed although ABYSSAL_TRUSTED_KEY asks for it.
    """
    settings = os.environ if environment is None else environment
    return require_trust(_open(location, cache or _users_cache(), settings), settings)


def _users_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "abyssal" / "bundles"


def _open(location: str, cache: Path, environment: Mapping[str, str]) -> Bundle:
    if not location.startswith(_S3) and (Path(location) / MANIFEST).exists():
        return open_bundle(Path(location))
    place, _, last = location.rpartition("/")
    name, _, selector = last.partition("@")
    if not name or (not place and not location.startswith("/")):
        message = f"{location}: no bundle there; expected a bundle's directory or REGISTRY/NAME@VERSION-OR-LABEL"
        raise UsageError(message)
    registry = open_registry(place or "/", environment=environment)
    return registry.open(name, selector or "current", cache=cache)

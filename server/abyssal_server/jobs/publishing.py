"""From finished bundles to models that answer: published once, labelled, and loaded by the service."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc

from abyssal.bundle.read import read_manifest
from abyssal.bundle.registry import Registry
from abyssal.client.errors import ServiceError, service_error
from abyssal.errors import BundleError
from abyssal.files import sha256_file
from abyssal.inference.v1 import admin_pb2, admin_pb2_grpc

logger = logging.getLogger(__name__)

_LOAD_SECONDS = 300.0
_PATIENCE_SECONDS = 20.0


def bundles_of(results: Path, markers: list[str]) -> list[dict[str, Any]]:
    """Return name, version, digest and marker of each bundle of a study."""
    found = []
    for marker in markers:
        manifest, _ = read_manifest(results / marker / "bundle")
        digest = sha256_file(results / marker / "bundle" / "manifest.json")
        found.append({"name": manifest.name, "version": manifest.version, "digest": digest, "marker": marker})
    return found


def publish_bundle(registry: Registry, directory: Path, bundle: Mapping[str, Any]) -> str:
    """Publish a bundle and return the digest that its version has; one that is there already stays.

    Raises:
        BundleError: the version holds what is not this job's.
    """
    try:
        return registry.publish(directory).digest
    except BundleError:
        # Computed again on a host whose floating-point results differ: what was announced and published stands.
        published = registry.manifest_bytes(bundle["name"], bundle["version"])
        announced = bundle.get("announced", "")
        if published is None or not announced or registry.manifest(bundle["name"], bundle["version"])[1] != announced:
            raise
        return str(announced)


def activate_bundle(registry: Registry, bundle: Mapping[str, Any], *, server: str, key: str) -> str:
    """Label a version ``current`` and let the service load it; returns what went wrong with the latter, or "".

    A service that is down finds the label when it starts.
    """
    registry.activate(bundle["name"], bundle["version"])
    location = f"{registry.location}/{bundle['name']}@{bundle['version']}"
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            load_model(location, server=server, key=key)
        except ServiceError as error:
            if error.code is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > end:
                logger.warning("the service did not load %s: %s", location, error)
                return str(error)
            time.sleep(1.0)
        else:
            return ""


def load_model(location: str, *, server: str, key: str) -> None:
    """Let the service load a bundle and answer with it.

    Raises:
        ServiceError: it does not.
    """
    with grpc.insecure_channel(server) as channel:
        admin = admin_pb2_grpc.ModelAdminStub(channel)  # type: ignore[no-untyped-call]
        metadata = (("authorization", f"Bearer {key}"),) if key else ()
        try:
            admin.LoadModel(
                admin_pb2.LoadModelRequest(location=location, activate=True), timeout=_LOAD_SECONDS, metadata=metadata
            )
        except grpc.RpcError as error:
            raise service_error(error, server) from error

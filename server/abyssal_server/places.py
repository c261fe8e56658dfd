"""Where the gateway and its workers keep things: an embedded default and the real thing, chosen by the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from abyssal.bundle.registry import Registry, open_registry
from abyssal.stores.documents import DocumentStore
from abyssal.stores.objects import ObjectStore, open_object_store
from abyssal.stores.open import open_metadata_store
from abyssal_server.access.files import read_secret_file
from abyssal_server.settings import AccessSettings


def default_data() -> Path:
    """Return the user's folder for what a gateway keeps."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "abyssal"


class PlaceSettings(AccessSettings):
    """Which stores are used, and how the service is called; the same for gateway and worker."""

    shared_variables: ClassVar[Mapping[str, str]] = {
        "server": "ABYSSAL_SERVER", "service_key_file": "ABYSSAL_SERVICE_KEY_FILE", "data": "ABYSSAL_DATA",
        "mongo_url": "MONGO_URL", "metadata": "ABYSSAL_METADATA", "objects": "ABYSSAL_OBJECTS",
        "registry": "ABYSSAL_REGISTRY", "redis_url": "REDIS_URL", "lease_seconds": "ABYSSAL_LEASE_SECONDS",
    }  # fmt: skip

    server: Annotated[str, Field(min_length=1)] = Field(description="HOST:PORT of the gRPC service.")
    service_key_file: Path | None = Field(
        None, description="File with the key or admin token that the service is called with; none: the admin token."
    )
    data: Path = Field(default_factory=default_data, description="Directory of the embedded stores.")
    mongo_url: SecretStr = Field(SecretStr(""), description="MongoDB that holds the documents; wins over metadata.")
    metadata: str = Field("", description="SQLite file of the documents; empty: metadata.sqlite in data.")
    objects: str = Field("", description="Directory or s3://BUCKET/PREFIX of uploads and results; empty: in data.")
    registry: str = Field("", description="Directory or s3://BUCKET/PREFIX of bundles; empty: registry in data.")
    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis that wakes workers and counts calls; none: stores are looked at every second."
    )
    lease_seconds: Annotated[float, Field(ge=1.0, le=600.0)] = Field(
        15.0, description="Time after which the work of somebody who gave no sign of life is given to another."
    )

    @classmethod
    def variable(cls, name: str) -> str:
        """Return the environment variable of a setting."""
        return PlaceSettings.shared_variables.get(name) or super().variable(name)

    def service_key(self) -> str:
        """Return what the service is called with; empty when it is called without a credential.

        Raises:
            ConfigError: the file cannot be read.
        """
        path = self.service_key_file or self.admin_token_file
        if path is not None:
            return read_secret_file(path, "the key of the service")
        token = self.admin_token.get_secret_value()
        return "" if token.startswith("sha256:") else token


class Places:
    """The opened stores of one process."""

    def __init__(self, settings: PlaceSettings) -> None:
        self._objects = settings.objects or str(settings.data / "objects")
        self.registry_location = settings.registry or str(settings.data / "registry")
        location = settings.mongo_url.get_secret_value() or settings.metadata
        self.documents: DocumentStore = open_metadata_store(location or str(settings.data / "metadata.sqlite"))

    def objects(self, below: str) -> ObjectStore:
        """Return the objects of one thing, for example of an upload: listing them looks at nothing else."""
        return open_object_store(f"{self._objects.rstrip('/')}/{below}")

    def registry(self) -> Registry:
        """Return the registry of bundles."""
        return open_registry(self.registry_location)

    def close(self) -> None:
        """Close what is open."""
        self.documents.close()

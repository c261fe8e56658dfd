"""The queue on every kind of metadata store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mongo_server import MongoServer, mongo_server
from support.service_fixtures import tiny_bundle

from abyssal.stores.documents import DocumentStore
from abyssal.stores.open import open_metadata_store

__all__ = ["documents", "mongo", "tiny_bundle"]
_databases = itertools.count()


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with mongo_server(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("nx-27017", marks=pytest.mark.mongo)])
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DocumentStore]:
    """A metadata store with the collections of Abyssal."""
    location = str(tmp_path / "store.sqlite")
    if request.param != "sqlite":
        server: MongoServer = request.getfixturevalue("mongo")
        location = server.url(f"jobs{next(_databases)}")
    store = open_metadata_store(location)
    yield store
    store.close()

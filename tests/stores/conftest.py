"""One real server for the session, and every kind of metadata store behind one name."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.mongo_server import MongoServer, mongo_server

from abyssal.stores.documents import Collection, DocumentStore
from abyssal.stores.mongo import MongoStore
from abyssal.stores.sqlite import SqliteStore

THINGS = Collection("things", {"state": str, "due": float, "code": str}, frozenset({"code"}))
OTHERS = Collection("others", {"state": str})

_databases = itertools.count()


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with mongo_server(tmp_path_factory.mktemp("mongo")) as server:
        yield server


def _locations(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "store.sqlite")
    if request.param == "MONGO_URL":
        base = os.environ["MONGO_URL"].partition("?")[0].rstrip("/")
        return f"{base}/abyssal-test-{os.getpid()}-{next(_databases)}"
    server: MongoServer = request.getfixturevalue("mongo")
    return server.url(f"test{next(_databases)}")


_KINDS = ["sqlite", pytest.param("nx-27017", marks=pytest.mark.mongo)]
if "MONGO_URL" in os.environ:
    _KINDS.append(pytest.param("MONGO_URL", marks=pytest.mark.mongo))


@pytest.fixture(params=_KINDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], DocumentStore]]:
    """Opens the same store again and again, as several processes would."""
    location = _locations(request, tmp_path)
    stores: list[DocumentStore] = []

    def open_again() -> DocumentStore:
        kinds = (THINGS, OTHERS)
        store: DocumentStore = (
            MongoStore(location, kinds) if location.startswith("mongodb") else SqliteStore(Path(location), kinds)
        )
        stores.append(store)
        return store

    yield open_again
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], DocumentStore]) -> DocumentStore:
    return opened()

"""A MongoDB that is not there, dies, or is named wrongly: one line, no password, no hang."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from support.mongo_server import mongo_server
from tests.stores.conftest import THINGS

from abyssal.errors import StoreError, UsageError
from abyssal.stores.mongo import MongoStore
from abyssal.stores.open import metadata_location, open_metadata_store
from abyssal.stores.sqlite import SqliteStore


def test_nobody_at_the_address_is_one_line_without_the_password() -> None:
    start = time.monotonic()
    with pytest.raises(StoreError) as caught:
        MongoStore("mongodb://user:secret@127.0.0.1:1/records")
    assert time.monotonic() - start < 20
    assert str(caught.value).startswith("mongodb://127.0.0.1:1/records: ")
    assert "secret" not in str(caught.value)


@pytest.mark.mongo
def test_a_server_that_dies_is_an_error_of_the_next_call(tmp_path: Path) -> None:
    with mongo_server(tmp_path) as server:
        store = MongoStore(server.url("records"), [THINGS])
        assert store.put(THINGS, {"_id": "a", "state": "new", "due": 1.0, "code": "c"})
        server.kill()
        with pytest.raises(StoreError, match="does not answer as expected"):
            store.count(THINGS)
        store.close()


@pytest.mark.parametrize("location", ["mongodb://", "mongodb://host:port", "redis://127.0.0.1:1", "s3://bucket"])
def test_a_location_that_makes_no_sense_is_the_users_mistake(location: str) -> None:
    with pytest.raises(UsageError, match="expected mongodb://HOST:PORT/DATABASE"):
        open_metadata_store(location)


def test_a_machine_without_pymongo_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "abyssal.stores.mongo", raising=False)
    monkeypatch.setitem(sys.modules, "pymongo", None)
    with pytest.raises(UsageError, match="install pymongo"):
        open_metadata_store("mongodb://127.0.0.1:1")


def test_the_environment_goes_before_the_configuration(tmp_path: Path) -> None:
    assert metadata_location(None, {}) is None
    assert metadata_location("a.sqlite", {}) == "a.sqlite"
    assert metadata_location("a.sqlite", {"ABYSSAL_METADATA": "b.sqlite"}) == "b.sqlite"
    assert metadata_location(None, {"ABYSSAL_METADATA": "b.sqlite", "MONGO_URL": "mongodb://x"}) == "mongodb://x"
    store = open_metadata_store(str(tmp_path / "new" / "a.sqlite"))
    assert isinstance(store, SqliteStore)
    store.close()

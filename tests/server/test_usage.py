"""The usage log: counts without sequences, bounded, and done without when the store is gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.mongo_server import mongo_server
from support.serving import OneModel, PacedClassifier, paced_model, rows_of, running_store

from abyssal.client import Client
from abyssal.errors import StoreError
from abyssal.stores.collections import USAGE
from abyssal.stores.documents import DocumentStore
from abyssal.stores.open import open_metadata_store
from abyssal.stores.sqlite import SqliteStore
from abyssal_server.usage import UsageLog

pytestmark = pytest.mark.timeout(120)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}{'ACGT'[i // 16 % 4]}" for i in range(64)] + ["", "ACG"]


def classify_with(usage: UsageLog, calls: int = 1) -> None:
    """Classify the reads through a service with this log."""
    with running_store(OneModel(paced_model(PacedClassifier())), "here", usage=usage) as running:
        with Client(running.target, chunk_reads=20) as client:
            for _ in range(calls):
                answers = client.classify(READS)
                assert rows_of(READS, answers) == rows_of(READS, PacedClassifier().classify(READS))
        running.wait_until(lambda server: server.calls.active == 0)


@pytest.mark.parametrize("keep_sequences", [False, True])
def test_a_call_leaves_one_document(tmp_path: Path, *, keep_sequences: bool) -> None:
    location = tmp_path / "usage.sqlite"
    environment = {"ABYSSAL_METADATA": str(location)}
    classify_with(UsageLog.from_environment(environment, room=100, keep_sequences=keep_sequences), calls=2)
    store = SqliteStore(location)
    documents = store.find(USAGE, order="at")
    store.close()
    assert len(documents) == 2
    first, second = documents
    assert first["model_digest"] == "d" * 64
    assert {name: first[name] for name in ("method", "chunks", "reads", "letters", "errors", "cached", "outcome")} == {
        "method": "ClassifyStream", "chunks": 4, "reads": 66, "letters": 64 * 11 + 3, "errors": 2, "cached": 0,
        "outcome": "OK",
    }  # fmt: skip
    assert second["cached"] == 64
    assert 0.0 < first["seconds"] < 60.0
    assert ("ACGTACGTAAA" in json.dumps(documents)) == keep_sequences
    assert first.get("sequences", READS) == READS


def test_without_a_store_nothing_is_written() -> None:
    log = UsageLog.from_environment({}, room=10, keep_sequences=False)
    classify_with(log)
    assert not log.on
    assert log.written == 0


class Stuck(SqliteStore):
    """A store whose writes wait for the test."""

    def __init__(self, path: Path, go: threading.Event) -> None:
        super().__init__(path)
        self._go = go

    def put_many(self, *arguments: Any) -> int:
        """Wait, then store."""
        self._go.wait(30)
        return super().put_many(*arguments)


def test_a_store_that_cannot_keep_up_costs_records_not_answers(tmp_path: Path) -> None:
    go = threading.Event()
    log = UsageLog(lambda: Stuck(tmp_path / "usage.sqlite", go), room=3)
    with running_store(OneModel(paced_model(PacedClassifier())), "here", usage=log) as running:
        with Client(running.target) as client:
            for _ in range(12):
                assert len(client.classify(READS)) == len(READS)
        running.wait_until(lambda server: server.calls.active == 0)
        assert log.dropped >= 7
        usage = next(one for one in running.server.parts.components() if one.name == "usage")
        assert not usage.healthy
        assert "does not keep up" in usage.detail
        go.set()
    assert log.written + log.dropped == 12
    assert log.written >= 3


class Unreliable:
    """Opens a store that fails until it is mended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mended = False
        self.attempts = 0

    def __call__(self) -> DocumentStore:
        """Open the store."""
        self.attempts += 1
        if not self.mended:
            message = "the disk is full"
            raise StoreError(message)
        return SqliteStore(self.path)


def test_an_outage_is_counted_and_ends(tmp_path: Path) -> None:
    store = Unreliable(tmp_path / "usage.sqlite")
    log = UsageLog(store, room=1000)
    with running_store(OneModel(paced_model(PacedClassifier())), "here", usage=log) as running:
        with Client(running.target) as client:
            client.classify(READS)
            running.wait_until(lambda server: not log.breaker.closed)
            assert "disk is full" in log.breaker.problem
            store.mended = True
            calls = 1

            def written(_: object) -> bool:
                nonlocal calls
                client.classify(READS)
                calls += 1
                return log.written > 0

            running.wait_until(written, seconds=20)
        running.wait_until(lambda server: server.calls.active == 0)
    assert log.breaker.closed
    assert log.written + log.dropped == calls
    assert store.attempts < calls


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    with mongo_server(tmp_path / "mongo") as server:
        yield server.url("usage"), server.kill


@pytest.mark.mongo
def test_inference_goes_on_when_mongodb_is_killed(mongo: tuple[str, Callable[[], None]]) -> None:
    url, kill = mongo
    environment: Mapping[str, str] = {"MONGO_URL": url}
    log = UsageLog.from_environment(environment, room=100, keep_sequences=False)
    service = running_store(OneModel(paced_model(PacedClassifier())), "here", usage=log)
    with service as running, Client(running.target) as client:
        client.classify(READS)
        running.wait_until(lambda server: log.written == 1, seconds=30)
        store = open_metadata_store(url)
        assert [one["reads"] for one in store.find(USAGE)] == [66]
        store.close()
        kill()
        for _ in range(5):
            assert len(client.classify(READS)) == len(READS)
        running.wait_until(lambda server: not log.breaker.closed, seconds=60)
        assert len(client.classify(READS)) == len(READS)
    assert log.written == 1

"""One contract for every object store: a directory, and a real S3-compatible server."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.bundle.s3_server import BUCKET, S3Server, s3_server

from abyssal.errors import StoreError, UsageError
from abyssal.stores.objects import ObjectStore, open_object_store

_prefixes = itertools.count()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "directory":
        return open_object_store(str(tmp_path / "objects"))
    server: S3Server = request.getfixturevalue("s3")
    return open_object_store(f"s3://{BUCKET}/objects/{next(_prefixes)}", environment=server.environment)


def put(store: ObjectStore, key: str, content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    store.put_file(key, source, sha256=hashlib.sha256(content).hexdigest())


def keys(store: ObjectStore, below: str = "") -> list[str]:
    return sorted(entry.key for entry in store.entries(below))


def test_an_empty_store_holds_nothing(store: ObjectStore) -> None:
    assert keys(store) == []
    assert store.get("a", 10) is None
    assert store.get_tagged("a") is None
    store.delete("a")
    with pytest.raises(StoreError, match="/a: "):
        list(store.stream("a"))


def test_a_file_is_kept_byte_by_byte_and_streamed_from_anywhere(store: ObjectStore, tmp_path: Path) -> None:
    content = os.urandom(700_000)
    put(store, "run/reads.fastq.gz", content, tmp_path)
    assert b"".join(store.stream("run/reads.fastq.gz")) == content
    assert b"".join(store.stream("run/reads.fastq.gz", 600_001)) == content[600_001:]
    assert store.get("run/reads.fastq.gz", 10) == content[:10]
    (entry,) = store.entries()
    assert (entry.key, entry.size) == ("run/reads.fastq.gz", len(content))
    assert entry.modified.utcoffset() is not None


def test_a_file_replaces_another_and_an_equal_one_is_left_alone(store: ObjectStore, tmp_path: Path) -> None:
    put(store, "a", b"one", tmp_path)
    before = next(iter(store.entries())).modified
    put(store, "a", b"one", tmp_path)
    assert next(iter(store.entries())).modified == before
    put(store, "a", b"two", tmp_path)
    assert store.get("a", 10) == b"two"


def test_listing_and_deleting_follow_the_beginning_of_the_key(store: ObjectStore, tmp_path: Path) -> None:
    for key in ("a/1", "a/2", "ab/1", "b"):
        put(store, key, b"x", tmp_path)
    assert keys(store, "a/") == ["a/1", "a/2"]
    assert keys(store, "a") == ["a/1", "a/2", "ab/1"]
    store.delete_below("a/")
    store.delete("b")
    assert keys(store) == ["ab/1"]


def test_a_conditional_put_needs_the_present_tag(store: ObjectStore) -> None:
    assert store.put_if("label", b"1", None)
    assert not store.put_if("label", b"2", None)
    found = store.get_tagged("label")
    assert found
    assert found[0] == b"1"
    assert store.put_if("label", b"3", found[1])
    assert not store.put_if("label", b"4", found[1])
    assert not store.put_if("other", b"5", found[1])
    assert store.get("label", 10) == b"3"


def test_of_many_conditional_puts_exactly_one_wins(store: ObjectStore) -> None:
    gate = threading.Barrier(6)

    def race(number: int) -> bool:
        gate.wait()
        return store.put_if("label", str(number).encode(), None)

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(race, range(6)))
    assert sum(won) == 1
    assert store.get("label", 10) == str(won.index(True)).encode()


@pytest.mark.parametrize("key", ["../a", "/a", "a//b", "a/..", ".", "", "a/./b", ".putting-x", "a/.puts.lock", "a\\b"])
def test_a_key_never_leaves_a_directory(tmp_path: Path, key: str) -> None:
    store = open_object_store(str(tmp_path / "objects"))
    with pytest.raises(UsageError, match="cannot be a key"):
        store.put_if(key, b"x", None)
    assert list(tmp_path.rglob("a")) == []


def test_what_a_dead_process_left_is_no_object(tmp_path: Path) -> None:
    store = open_object_store(str(tmp_path))
    store.put_if("a", b"x", None)
    (tmp_path / ".putting-abc").write_bytes(b"half")
    assert keys(store) == ["a"]


class _DiesBeforeTheBody:
    """Sends the head of a request and closes the connection, as a process does that is killed there."""

    def request(self, method: str, url: str, *, body: bytes, headers: dict[str, str]) -> None:
        address = urlsplit(url)
        lines = {"Host": address.netloc, "Content-Length": str(len(body)), **headers}
        head = f"{method} {address.path}?{address.query} HTTP/1.1\r\n"
        with socket.create_connection((address.hostname or "", address.port or 80)) as connection:
            connection.sendall(
                (head + "".join(f"{key}: {value}\r\n" for key, value in lines.items()) + "\r\n").encode()
            )
        raise ConnectionAbortedError


@pytest.mark.s3
def test_a_put_that_dies_before_its_body_leaves_what_was_there(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_object_store(f"s3://{BUCKET}/objects/{next(_prefixes)}", environment=s3.environment)
    assert store.put_if("label", b"whole", None)
    tag = (store.get_tagged("label") or (b"", ""))[1]
    with monkeypatch.context() as patch:
        patch.setattr(store, "_http", _DiesBeforeTheBody())
        for key, condition in [("label", tag), ("new", None)]:
            with pytest.raises(ConnectionAbortedError):
                store.put_if(key, b"other", condition)
    time.sleep(1.0)
    assert store.get("label", 10) == b"whole"
    assert store.get("new", 10) is None


@pytest.mark.s3
def test_an_empty_object_that_a_dead_upload_left_is_put_again(s3: S3Server, tmp_path: Path) -> None:
    prefix = f"objects/{next(_prefixes)}"
    store = open_object_store(f"s3://{BUCKET}/{prefix}", environment=s3.environment)
    digest = hashlib.sha256(b"content").hexdigest()
    s3.client().put_object(
        bucket_name=BUCKET, object_name=f"{prefix}/a", data=io.BytesIO(b""), length=0, metadata={"sha256": digest}
    )
    put(store, "a", b"content", tmp_path)
    assert store.get("a", 10) == b"content"


@pytest.mark.s3
def test_wrong_credentials_are_one_line_without_the_secret(s3: S3Server) -> None:
    store = open_object_store(f"s3://{BUCKET}", environment={**s3.environment, "S3_SECRET_KEY": "wrong"})
    with pytest.raises(StoreError) as caught:
        keys(store)
    assert "\n" not in str(caught.value)
    assert "wrong" not in str(caught.value)

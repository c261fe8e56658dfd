"""The embedded store: migrations, several processes, files that are no store, and death at any moment."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.stores.conftest import THINGS

from abyssal.errors import StoreError
from abyssal.stores.sqlite import MIGRATIONS, SqliteStore

THING = {"_id": "a", "state": "new", "due": 1.0, "code": "c"}


@contextmanager
def opened(path: Path, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> Iterator[SqliteStore]:
    store = SqliteStore(path, [THINGS], migrations)
    try:
        yield store
    finally:
        store.close()


def schema_version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_a_later_migration_runs_once_and_keeps_the_documents(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with opened(path) as store:
        store.put(THINGS, THING)
    later = (*MIGRATIONS, ("CREATE TABLE notes (text TEXT)", "INSERT INTO notes VALUES ('once')"))
    for _ in range(2):
        with opened(path, later) as store:
            assert store.get(THINGS, "a") == {**THING, "revision": 1}
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM notes").fetchone() == (1,)
    connection.close()
    assert schema_version(path) == len(later)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with opened(path) as store:
        store.put(THINGS, THING)
    broken = (*MIGRATIONS, ("CREATE TABLE notes (text TEXT)", "no SQL at all"))
    with pytest.raises(StoreError, match=r"store\.sqlite: the metadata store cannot be used"), opened(path, broken):
        pass
    assert schema_version(path) == len(MIGRATIONS)
    with opened(path) as store:
        assert store.count(THINGS) == 1


def test_a_newer_schema_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with opened(path, (*MIGRATIONS, ("CREATE TABLE notes (text TEXT)",))):
        pass
    with pytest.raises(StoreError, match="update Abyssal to use this metadata store"), opened(path):
        pass


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to look at" * 100, b"SQLite format 3\0junk"]
)
def test_a_file_that_is_no_store_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.txt"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"other\.txt"), opened(path):
        pass
    assert path.read_bytes() == content


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"store\.sqlite"), opened(tmp_path / "file" / "store.sqlite"):
        pass


def test_many_open_a_new_store_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    def open_and_put(number: int) -> bool:
        with opened(path) as store:
            return store.put(THINGS, {**THING, "_id": str(number), "code": str(number)})

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(open_and_put, range(16)))


def test_declared_fields_are_looked_up_by_index(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with opened(path) as store:
        store.put(THINGS, THING)
    connection = sqlite3.connect(path)
    plans = [
        connection.execute(
            f"EXPLAIN QUERY PLAN SELECT body FROM documents WHERE collection = 'things' {condition}"
            "ORDER BY json_extract(body, '$.due'), id LIMIT 1"
        ).fetchall()
        for condition in ("", "AND json_extract(body, '$.state') = 'new' ")
    ]
    connection.close()
    assert "things.due" in str(plans[0]), "ordered by the index"
    assert "things.state" in str(plans[1]) or "things.due" in str(plans[1]), plans[1]


WRITER = """
import sys
from pathlib import Path
from tests.stores.conftest import THINGS
from abyssal.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), [THINGS])
print("ready", flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    store.put(THINGS, {"_id": f"n{number:07d}", "state": "new", "due": 0.0, "code": str(number)})
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "store.sqlite"
    acknowledged: list[int] = []
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(round_ * 100_000)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(repository), str(repository / "tests"), *sys.path])},
        )  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1 + 0.05 * round_)
        os.kill(process.pid, signal.SIGKILL)
        # Not communicate(): it leaves out what readline() has read ahead.
        said = process.stdout.read()
        process.wait(timeout=30)
        process.stdout.close()
        acknowledged += [int(line) for line in said.splitlines(keepends=True) if line.endswith("\n")]
    with opened(path) as store:
        stored = {row["_id"] for row in store.find(THINGS, limit=10**6)}
    assert acknowledged
    assert {f"n{number:07d}" for number in acknowledged} <= stored
    assert len(stored) <= len(acknowledged) + 4

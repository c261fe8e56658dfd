"""The embedded metadata store: one SQLite file, usable by several processes of one machine.

Documents are JSON in one table; declared fields are indexed as expressions over it, so that a new collection needs no
new table. ``PRAGMA user_version`` counts the migrations a file has had.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from abyssal.errors import StoreError
from abyssal.stores.collections import COLLECTIONS
from abyssal.stores.documents import (
    ID,
    REVISION,
    Collection,
    Document,
    DocumentStore,
    OneOf,
    Span,
    Where,
    check_change,
    check_document,
    check_question,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE documents (collection TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, "
        "body TEXT NOT NULL, PRIMARY KEY (collection, id)) WITHOUT ROWID",
    ),
)
"""Statements by which a file of version n becomes one of version n + 1; released ones are never edited."""

_BUSY_SECONDS = 30.0


class SqliteStore(DocumentStore):
    """Documents in a SQLite file; ``synchronous=FULL``: what was acknowledged survives a crash of the machine.

    Raises:
        StoreError: the file is no database, or a newer Abyssal wrote it.
    """

    def __init__(
        self,
        path: Path,
        collections: Iterable[Collection] = COLLECTIONS,
        migrations: tuple[tuple[str, ...], ...] = MIGRATIONS,
    ) -> None:
        self.location = str(path)
        self._lock = threading.RLock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._migrate(migrations)
                for collection in collections:
                    self._index(collection)
            except BaseException:
                self._connection.close()
                raise

    def put_many(self, collection: Collection, documents: Iterable[Mapping[str, Any]]) -> int:
        """Store the documents whose ``_id`` and unique fields are free."""
        rows = [_row(check_document(collection, document)) for document in documents]
        stored = 0
        with self._transaction():
            for identity, revision, body in rows:
                stored += self._connection.execute(
                    "INSERT OR IGNORE INTO documents VALUES (?, ?, ?, ?)", (collection.name, identity, revision, body)
                ).rowcount
        return stored

    def find(
        self,
        collection: Collection,
        where: Where | None = None,
        *,
        order: str = ID,
        descending: bool = False,
        limit: int = 100,
        after: Mapping[str, Any] | None = None,
    ) -> list[Document]:
        """Return documents in the order of a declared field, then of ``_id``."""
        check_question(collection, where or {}, order, after)
        condition, values = _condition(collection, where or {})
        if after is not None:
            condition += f" AND ({_column(order)}, id) {'<' if descending else '>'} (?, ?)"
            values += [after[order], after[ID]]
        direction = "DESC" if descending else "ASC"
        statement = (
            f"SELECT id, revision, body FROM documents WHERE {condition} "
            f"ORDER BY {_column(order)} {direction}, id {direction} LIMIT ?"
        )
        with self._lock, self._errors():
            return [_document(row) for row in self._connection.execute(statement, [*values, limit])]

    def change_one(
        self,
        collection: Collection,
        where: Where,
        *,
        values: Mapping[str, Any] | None = None,
        increase: Mapping[str, int] | None = None,
        order: str = ID,
    ) -> Document | None:
        """Change the first document that fulfils ``where``, atomically."""
        check_question(collection, where, order)
        check_change(collection, values or {}, increase or {})
        with self._transaction():
            found = self.find(collection, where, order=order, limit=1)
            if not found:
                return None
            changed = {**found[0], **(values or {}), REVISION: found[0][REVISION] + 1}
            for name, step in (increase or {}).items():
                changed[name] = changed.get(name, 0) + step
            identity, revision, body = _row(changed)
            self._connection.execute(
                "UPDATE documents SET revision = ?, body = ? WHERE collection = ? AND id = ?",
                (revision, body, collection.name, identity),
            )
        return _document((identity, revision, body))

    def delete(self, collection: Collection, where: Where) -> int:
        """Delete all documents that fulfil ``where``."""
        check_question(collection, where)
        condition, values = _condition(collection, where)
        with self._transaction():
            return self._connection.execute(f"DELETE FROM documents WHERE {condition}", values).rowcount

    def count(self, collection: Collection, where: Where | None = None) -> int:
        """Return how many documents fulfil ``where``."""
        check_question(collection, where or {})
        condition, values = _condition(collection, where or {})
        with self._lock, self._errors():
            found = self._connection.execute(f"SELECT count(*) FROM documents WHERE {condition}", values)
            return int(found.fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _migrate(self, migrations: tuple[tuple[str, ...], ...]) -> None:
        with self._transaction():
            done = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
            if done > len(migrations):
                message = (
                    f"{self.location}: its schema has version {done}, the newest this Abyssal knows is "
                    f"{len(migrations)}; update Abyssal to use this metadata store"
                )
                raise StoreError(message)
            for statement in (one for migration in migrations[done:] for one in migration):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {len(migrations)}")

    def _index(self, collection: Collection) -> None:
        here = f"WHERE collection = '{collection.name}'"
        with self._transaction():
            for name in collection.fields:
                # The collection comes first: SQLite would prefer the primary key, which starts with it.
                self._connection.execute(
                    f'CREATE INDEX IF NOT EXISTS "{collection.name}.{name}" '
                    f"ON documents (collection, {_column(name)}, id) {here}"
                )
                if name in collection.unique:
                    self._connection.execute(
                        f'CREATE UNIQUE INDEX IF NOT EXISTS "{collection.name}.{name}.unique" '
                        f"ON documents ({_column(name)}) {here}"
                    )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Hold the file's write lock from the first read on: nobody writes between look and change."""
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            message = f"{self.location}: the metadata store cannot be used ({error})"
            raise StoreError(message) from error


def _column(name: str) -> str:
    return {ID: "id", REVISION: "revision"}.get(name, f"json_extract(body, '$.{name}')")


def _condition(collection: Collection, where: Where) -> tuple[str, list[Any]]:
    """Return SQL and its values; names were checked to be declared, so they are plain words."""
    # The collection's name is literal: SQLite uses a partial index only when it can see the condition.
    parts, values = [f"collection = '{collection.name}'"], list[Any]()
    for name, condition in where.items():
        column = _column(name)
        if isinstance(condition, OneOf):
            parts.append(f"{column} IN ({', '.join('?' * len(condition.values))})")
            values += condition.values
        elif isinstance(condition, Span):
            ends = [(">=", condition.at_least), ("<", condition.below)]
            parts += [f"{column} {sign} ?" for sign, end in ends if end is not None]
            values += [end for _, end in ends if end is not None]
        else:
            parts.append(f"{column} = ?")
            values.append(condition)
    return " AND ".join(parts), values


def _row(document: Document) -> tuple[str, int, str]:
    body = {key: value for key, value in document.items() if key not in (ID, REVISION)}
    return document[ID], document[REVISION], json.dumps(body, ensure_ascii=False, allow_nan=False)


def _document(row: tuple[str, int, str]) -> Document:
    return {ID: row[0], **json.loads(row[2]), REVISION: row[1]}

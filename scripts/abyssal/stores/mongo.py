"""The metadata store of a production site: MongoDB, or what speaks its wire protocol, through pymongo.

Uses only what is atomic on one document and the same everywhere: inserts, equality and ranges, sorted finds,
``find_one_and_update`` and unique indexes. Tested against nx-27017 0.8.1 and whatever ``MONGO_URL`` names in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pymongo import ASCENDING, DESCENDING, MongoClient, ReturnDocument
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError, PyMongoError

from abyssal.errors import StoreError, UsageError
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

DEFAULT_DATABASE = "abyssal"
_DUPLICATE = 11000
_ANSWER_MILLISECONDS = 5_000
_WORK_MILLISECONDS = 30_000


class MongoStore(DocumentStore):
    """Documents in the database that a ``mongodb://`` URL names, ``abyssal`` where it names none.

    Raises:
        UsageError: the URL makes no sense.
        StoreError: nobody answers.
    """

    def __init__(self, url: str, collections: Iterable[Collection] = COLLECTIONS) -> None:
        address = urlsplit(url)
        # The user's name and password stay out of messages.
        self.location = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        try:
            self._client: MongoClient[Document] = MongoClient(
                url, serverSelectionTimeoutMS=_ANSWER_MILLISECONDS, connectTimeoutMS=_ANSWER_MILLISECONDS,
                socketTimeoutMS=_WORK_MILLISECONDS, w="majority", journal=True, tz_aware=True,
            )  # fmt: skip
            self._database = self._client.get_default_database(DEFAULT_DATABASE)
        except (PyMongoError, ValueError) as error:
            message = f"{self.location}: not a URL of MongoDB ({error}); expected mongodb://HOST:PORT/DATABASE"
            raise UsageError(message) from error
        try:
            with self._errors():
                for collection in collections:
                    for name in collection.fields:
                        self._of(collection).create_index(
                            [(name, ASCENDING)], name=name, unique=name in collection.unique
                        )
        except StoreError:
            self._client.close()
            raise

    def put_many(self, collection: Collection, documents: Iterable[Mapping[str, Any]]) -> int:
        """Store the documents whose ``_id`` and unique fields are free."""
        rows = [check_document(collection, document) for document in documents]
        if not rows:
            return 0
        with self._errors():
            try:
                return len(self._of(collection).insert_many(rows, ordered=False).inserted_ids)
            except BulkWriteError as error:
                details = error.details or {}
                if any(one["code"] != _DUPLICATE for one in details["writeErrors"]):
                    raise
                return int(details["nInserted"])

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
        if limit < 1:
            return []
        conditions = _conditions(where or {})
        if after is not None:
            conditions.append(_behind(order, after, "$lt" if descending else "$gt"))
        direction = DESCENDING if descending else ASCENDING
        with self._errors():
            found = self._of(collection).find(_all(conditions)).sort(_sorting(order, direction)).limit(limit)
            return list(found)

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
        change: dict[str, Any] = {"$inc": {REVISION: 1, **(increase or {})}}
        if values:
            change["$set"] = dict(values)
        with self._errors():
            return self._of(collection).find_one_and_update(
                _all(_conditions(where)), change, sort=_sorting(order, ASCENDING),
                return_document=ReturnDocument.AFTER,
            )  # fmt: skip

    def delete(self, collection: Collection, where: Where) -> int:
        """Delete all documents that fulfil ``where``."""
        check_question(collection, where)
        with self._errors():
            return self._of(collection).delete_many(_all(_conditions(where))).deleted_count

    def count(self, collection: Collection, where: Where | None = None) -> int:
        """Return how many documents fulfil ``where``."""
        check_question(collection, where or {})
        with self._errors():
            return self._of(collection).count_documents(_all(_conditions(where or {})))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _of(self, collection: Collection) -> MongoCollection[Document]:
        return self._database[collection.name]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except PyMongoError as error:
            message = f"{self.location}: the metadata store does not answer as expected ({type(error).__name__})"
            raise StoreError(message) from error


def _conditions(where: Where) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for name, condition in where.items():
        if isinstance(condition, OneOf):
            parts.append({name: {"$in": list(condition.values)}})
        elif isinstance(condition, Span):
            ends = [("$gte", condition.at_least), ("$lt", condition.below)]
            parts += [{name: {sign: end}} for sign, end in ends if end is not None]
        else:
            parts.append({name: condition})
    return parts


def _all(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"$and": conditions} if len(conditions) > 1 else conditions[0] if conditions else {}


def _behind(order: str, after: Mapping[str, Any], sign: str) -> dict[str, Any]:
    if order == ID:
        return {ID: {sign: after[ID]}}
    return {"$or": [{order: {sign: after[order]}}, {order: after[order], ID: {sign: after[ID]}}]}


def _sorting(order: str, direction: int) -> list[tuple[str, int]]:
    return [(ID, direction)] if order == ID else [(order, direction), (ID, direction)]

"""Documents in collections: what a metadata store offers, whichever database is behind it.

Small on purpose: a document has a string ``_id``, a ``revision`` that the store counts, and JSON values. Every change
is one atomic step on one document; there are no transactions, joins or references. Fields by which documents are found
and ordered are declared with their type, so that two databases cannot disagree about mixed or missing values.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]
Scalar = str | int | float

ID = "_id"
REVISION = "revision"
_OWN = {ID, REVISION}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FORBIDDEN_IN_KEYS = re.compile(r"[.$\0]")
_LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class Span:
    """A range of a field; an open end is None."""

    at_least: Scalar | None = None
    below: Scalar | None = None


@dataclass(frozen=True)
class OneOf:
    """Any of some values."""

    values: tuple[Scalar, ...]


Where = Mapping[str, "Scalar | Span | OneOf"]
"""What documents must fulfil: per declared field a value, a range, or a choice."""


@dataclass(frozen=True)
class Collection:
    """What a store knows of the documents of one kind.

    Attributes:
        name: lower-case letters, digits and underscores.
        fields: declared fields, ``str`` or ``float`` (which takes whole numbers, too); every document has them.
        unique: declared fields whose value no two documents share; they never change.
    """

    name: str
    fields: Mapping[str, type[str] | type[float]] = field(default_factory=dict)
    unique: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse names that are not plain words; they stand in SQL."""
        wrong = [name for name in (self.name, *self.fields) if not _NAME.fullmatch(name) or name in _OWN]
        if wrong or not self.unique <= self.fields.keys():
            message = f"collection {self.name!r}: not plain words or not declared: {wrong or sorted(self.unique)}"
            raise ValueError(message)


class DocumentStore(ABC):
    """A metadata store; safe to use from several threads, and from several processes beside each other.

    Every method raises ``StoreError`` when the database does not answer, and ``ValueError`` for documents and questions
    that the collection does not allow.

    Attributes:
        location: how users and messages call it, without passwords.
    """

    location: str

    @abstractmethod
    def put_many(self, collection: Collection, documents: Iterable[Mapping[str, Any]]) -> int:
        """Store the documents whose ``_id`` and unique fields are free, at revision 1; returns how many those were."""

    @abstractmethod
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
        """Return documents in the order of a declared field, then of ``_id``.

        Args:
            collection: what to look in.
            where: conditions, all of which hold.
            order: a declared field or ``_id``.
            descending: largest first.
            limit: most documents to return.
            after: the last document of the page before; the answer goes on behind it.
        """

    @abstractmethod
    def change_one(
        self,
        collection: Collection,
        where: Where,
        *,
        values: Mapping[str, Any] | None = None,
        increase: Mapping[str, int] | None = None,
        order: str = ID,
    ) -> Document | None:
        """Change the first document that fulfils ``where``, atomically, and return it as it is now; None without one.

        Args:
            collection: what to look in.
            where: conditions, all of which hold; ``_id`` and ``revision`` may be among them.
            values: fields to replace.
            increase: numbers to add to fields; a missing field counts from 0.
            order: which document is the first.
        """

    @abstractmethod
    def delete(self, collection: Collection, where: Where) -> int:
        """Delete all documents that fulfil ``where``; returns how many."""

    @abstractmethod
    def count(self, collection: Collection, where: Where | None = None) -> int:
        """Return how many documents fulfil ``where``."""

    @abstractmethod
    def close(self) -> None:
        """Release the database; the store is of no use after it."""

    def put(self, collection: Collection, document: Mapping[str, Any]) -> bool:
        """Store a document unless its ``_id`` or a unique field is taken; returns whether it was stored."""
        return self.put_many(collection, [document]) == 1

    def get(self, collection: Collection, identity: str) -> Document | None:
        """Return the document of an ``_id``."""
        found = self.find(collection, {ID: identity}, limit=1)
        return found[0] if found else None

    def update(self, collection: Collection, document: Mapping[str, Any], values: Mapping[str, Any]) -> Document | None:
        """Replace fields of a document that was read before; None when somebody changed or deleted it meanwhile."""
        return self.change_one(collection, {ID: document[ID], REVISION: document[REVISION]}, values=values)


def check_document(collection: Collection, document: Mapping[str, Any]) -> Document:
    """Return a copy at revision 1.

    Raises:
        ValueError: it has no string ``_id``, lacks a declared field, or holds what is no JSON.
    """
    identity = document.get(ID)
    if not isinstance(identity, str) or not identity or REVISION in document:
        message = f"{collection.name}: a document needs a string _id and no {REVISION} of its own"
        raise ValueError(message)
    missing = sorted(collection.fields.keys() - document.keys())
    if missing:
        message = f"{collection.name}: document {identity!r} lacks {', '.join(missing)}"
        raise ValueError(message)
    _check_values(collection, document)
    return {**document, REVISION: 1}


def check_change(collection: Collection, values: Mapping[str, Any], increase: Mapping[str, int]) -> None:
    """Raise ValueError when a change touches what never changes, or would leave a declared field without a value."""
    fixed = (values.keys() | increase.keys()) & (_OWN | collection.unique)
    twice = values.keys() & increase.keys()
    if fixed or twice:
        message = f"{collection.name}: {', '.join(sorted(fixed or twice))} cannot be changed like this"
        raise ValueError(message)
    if any(collection.fields.get(name) is str for name in increase):
        message = f"{collection.name}: only numbers can be increased"
        raise ValueError(message)
    _check_values(collection, {**values, **increase})


def check_question(
    collection: Collection, where: Where, order: str = ID, after: Mapping[str, Any] | None = None
) -> None:
    """Raise ValueError when a condition or an order is not on a declared field, or a value of another type."""
    for name, condition in where.items():
        if isinstance(condition, OneOf):
            asked: Sequence[Any] = condition.values
        elif isinstance(condition, Span):
            asked = [end for end in (condition.at_least, condition.below) if end is not None]
        else:
            asked = [condition]
        for value in asked:
            _check_declared(collection, name, value)
    if order != ID and order not in collection.fields:
        message = f"{collection.name}: cannot be ordered by {order}; declared: {', '.join(collection.fields)}"
        raise ValueError(message)
    if after is not None and (ID not in after or order not in after):
        message = f"{collection.name}: a page goes on after a document with _id and {order}"
        raise ValueError(message)


def _check_values(collection: Collection, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name in collection.fields:
            _check_declared(collection, name, value)
    _check_json(collection, values)


def _check_declared(collection: Collection, name: str, value: Any) -> None:
    kind = {ID: str, REVISION: float, **collection.fields}.get(name)
    fits = isinstance(value, str) if kind is str else isinstance(value, int | float) and not isinstance(value, bool)
    if kind is None or not fits:
        expected = "a declared field" if kind is None else "text" if kind is str else "a number"
        message = f"{collection.name}: {name} = {value!r}; expected {expected}"
        raise ValueError(message)


def _check_json(collection: Collection, value: Any) -> None:
    """Accept what JSON and every database keep: text, 64-bit numbers, lists, mappings with plain keys."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) or not key or _FORBIDDEN_IN_KEYS.search(key):
                message = f"{collection.name}: {key!r} cannot be a key; expected text without '.', '$' and NUL"
                raise ValueError(message)
            _check_json(collection, inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_json(collection, inner)
    elif isinstance(value, str):
        # Half a surrogate pair is no text; NUL ends a text in some databases.
        if "\0" in value or value.encode("utf-8", "replace").decode() != value:
            message = f"{collection.name}: {value[:40]!a} is not text that a store can keep"
            raise ValueError(message)
    elif isinstance(value, float) and not math.isfinite(value):
        message = f"{collection.name}: {value} is not a finite number"
        raise ValueError(message)
    elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        message = f"{collection.name}: {value} does not fit into 64 bits"
        raise ValueError(message)
    elif value is not None and not isinstance(value, int | float):
        message = f"{collection.name}: {type(value).__name__} is not JSON"
        raise ValueError(message)

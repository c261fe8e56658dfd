"""What an object store offers: bytes under keys, put whole or not at all, replaced only on a stated condition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

BLOCK = 1 << 18
"""Bytes that are read at a time."""


@dataclass(frozen=True)
class ObjectEntry:
    """One object of a listing.

    Attributes:
        key: below the store, folders separated by slashes.
        size: bytes.
        modified: when it was put.
    """

    key: str
    size: int
    modified: datetime


class ObjectStore(ABC):
    """Objects below one place; safe to use from several threads and processes.

    Keys are relative paths of plain names. Every method raises ``StoreError`` when the store does not answer.

    Attributes:
        location: how users and messages call it.
    """

    location: str

    @abstractmethod
    def put_if(self, key: str, content: bytes, tag: str | None) -> bool:
        """Put a small object if its tag still is ``tag`` (None: if there is none); returns whether it was put."""

    @abstractmethod
    def put_file(self, key: str, source: Path, *, sha256: str) -> None:
        """Put a file of any size; it appears whole. An object that has this SHA-256 already is left alone."""

    @abstractmethod
    def get(self, key: str, most_bytes: int) -> bytes | None:
        """Return the first bytes of an object, None when there is none."""

    @abstractmethod
    def get_tagged(self, key: str) -> tuple[bytes, str] | None:
        """Return a small object with the tag that ``put_if`` takes, None when there is none."""

    @abstractmethod
    def stream(self, key: str, offset: int = 0) -> Iterator[bytes]:
        """Yield an object's bytes from ``offset``; StoreError when there is none."""

    @abstractmethod
    def entries(self, below: str = "") -> Iterator[ObjectEntry]:
        """Yield all objects whose key starts with ``below``, in any order."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""

    def delete_below(self, below: str) -> None:
        """Delete all objects whose key starts with ``below``."""
        for entry in list(self.entries(below)):
            self.delete(entry.key)

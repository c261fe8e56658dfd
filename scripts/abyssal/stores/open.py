"""Which metadata store is used: a MongoDB URL, a SQLite file, or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from abyssal.errors import UsageError
from abyssal.stores.documents import DocumentStore

MONGO_VARIABLE = "MONGO_URL"
METADATA_VARIABLE = "ABYSSAL_METADATA"
_MONGO = ("mongodb://", "mongodb+srv://")


def metadata_location(configured: str | None, environment: Mapping[str, str]) -> str | None:
    """Return where metadata are kept: MONGO_URL, else ABYSSAL_METADATA, else what the configuration says, else None."""
    return environment.get(MONGO_VARIABLE) or environment.get(METADATA_VARIABLE) or configured


def open_metadata_store(location: str) -> DocumentStore:
    """Open a metadata store.

    Args:
        location: a ``mongodb://`` URL, or the path of a SQLite file, which is made where it is missing.

    Raises:
        UsageError: the location makes no sense, or pymongo is not installed.
        StoreError: the store does not answer, or a newer Abyssal wrote it.
    """
    if location.startswith(_MONGO):
        try:
            from abyssal.stores.mongo import MongoStore
        except ImportError as error:
            message = f"MongoDB needs pymongo ({error.name} is missing); install pymongo==4.20.0"
            raise UsageError(message) from error
        return MongoStore(location)
    if "://" in location:
        scheme = location.partition("://")[0]
        message = (
            f"{scheme}://…: no metadata store of this kind; expected mongodb://HOST:PORT/DATABASE or a SQLite file"
        )
        raise UsageError(message)
    from abyssal.stores.sqlite import SqliteStore

    return SqliteStore(Path(location))

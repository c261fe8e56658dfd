"""``abyssal records``: look at the datasets, runs and models in the metadata store, and add what was not recorded."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from abyssal.errors import UsageError

if TYPE_CHECKING:
    from abyssal.stores.documents import Document, DocumentStore

_KINDS = ("datasets", "runs", "models")
_SHOWN = {
    "datasets": ("recorded", "kind", "study", "_id"),
    "runs": ("recorded", "study", "marker", "model", "_id"),
    "models": ("recorded", "name", "version", "marker", "_id"),
}
_ROWS = 50


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``records`` with its verbs."""
    parser = subparsers.add_parser("records", help="datasets, runs and models in the metadata store")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--store", metavar="PLACE", help="SQLite file or mongodb:// URL (default: $MONGO_URL, then $ABYSSAL_METADATA)"
    )
    listing = verbs.add_parser("list", help="one line a record, newest first", parents=[common])
    listing.add_argument("kind", choices=_KINDS)
    listing.add_argument("--limit", type=int, default=_ROWS, metavar="N", help=f"most lines (default: {_ROWS})")
    listing.set_defaults(run=run_list)
    show = verbs.add_parser("show", help="print a record and what it is linked with as JSON", parents=[common])
    show.add_argument("digest", metavar="DIGEST", help="of a dataset, run or model")
    show.set_defaults(run=run_show)
    add = verbs.add_parser(
        "add", help="record a finished study, for example one whose store was down", parents=[common]
    )
    add.add_argument("study", type=Path, metavar="DIR", help="results/<study>/<marker>/")
    add.set_defaults(run=run_add)


def run_list(arguments: argparse.Namespace) -> None:
    """Print one line a record."""
    from abyssal.stores.collections import COLLECTIONS

    collection = next(one for one in COLLECTIONS if one.name == arguments.kind)
    with _store(arguments) as store:
        found = store.find(collection, order="recorded", descending=True, limit=arguments.limit)
    for document in found:
        sys.stdout.write("\t".join(str(document.get(column, "-")) for column in _SHOWN[arguments.kind]) + "\n")


def run_show(arguments: argparse.Namespace) -> None:
    """Print a record with the records it is linked with."""
    from abyssal.files import to_json
    from abyssal.stores.collections import DATASETS, MODELS, RUNS

    with _store(arguments) as store:
        found = {one.name: store.get(one, arguments.digest) for one in (DATASETS, RUNS, MODELS)}
        shown: dict[str, object] = {name: document for name, document in found.items() if document}
        if not shown:
            message = f"{store.location}: holds no dataset, run or model {arguments.digest}; see abyssal records list"
            raise UsageError(message)
        if found["models"]:
            shown["runs"] = store.find(RUNS, {"model": arguments.digest}, order="recorded")
        inputs = (found["models"] or found["runs"] or {}).get("datasets", [])
        linked: list[Document | None] = [store.get(DATASETS, digest) for digest in inputs]
        if inputs:
            shown["datasets"] = [document for document in linked if document]
        sys.stdout.write(to_json(shown))


def run_add(arguments: argparse.Namespace) -> int:
    """Record a finished study; 1 when the store does not answer."""
    from abyssal.files import read_json
    from abyssal.stores.study_records import PROVENANCE, dataset_records, record, run_records

    directory = arguments.study.resolve()
    records = run_records(directory)
    reference = read_json(directory / PROVENANCE)["config"]["marker"]["reference"]
    receipt = record(_location(arguments), [*dataset_records(directory, reference), *records])
    for name in receipt.recorded:
        sys.stdout.write(f"recorded {name}\n")
    for name in receipt.not_recorded:
        sys.stderr.write(f"not recorded {name}: {receipt.problem}\n")
    return 1 if receipt.not_recorded else 0


def _location(arguments: argparse.Namespace) -> str:
    from abyssal.stores.open import METADATA_VARIABLE, MONGO_VARIABLE, metadata_location

    location: str | None = arguments.store or metadata_location(None, os.environ)
    if not location:
        message = f"no metadata store; give --store PLACE or set {METADATA_VARIABLE} or {MONGO_VARIABLE}"
        raise UsageError(message)
    return location


@contextmanager
def _store(arguments: argparse.Namespace) -> Iterator[DocumentStore]:
    from abyssal.stores.open import open_metadata_store

    location = _location(arguments)
    if "://" not in location and not Path(location).is_file():
        message = f"{location}: no such file; expected a metadata store (SQLite)"
        raise UsageError(message)
    store = open_metadata_store(location)
    try:
        yield store
    finally:
        store.close()

"""What a workflow run leaves in the metadata store: its datasets, the run itself and the model, linked by digests.

A dataset is named by the SHA-256 that the bundle's manifest states for it, a run by the SHA-256 of ``provenance.json``,
a model by the digest of its bundle: the same study recorded twice is one record, and every link can be checked against
files. Recording is a service to people; a store that is down is reported and stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from abyssal.bundle.provenance import data_digests
from abyssal.bundle.read import read_manifest
from abyssal.errors import StoreError, UsageError
from abyssal.files import read_json, sha256_file
from abyssal.stores.collections import DATASETS, MODELS, RUNS
from abyssal.stores.documents import ID, Collection, Document, DocumentStore
from abyssal.stores.open import open_metadata_store

LIBRARIES = "load/libraries.tsv"
PROVENANCE = "provenance.json"
PUBLISHED = "published.json"
BUNDLE = "bundle"
_REFERENCE_FILES = {
    "reference sequences": "load/reference.fasta.gz",
    "reference lineages": "load/lineages.tsv",
}
_MOST_ATTEMPTS = 20

Record = tuple[Collection, Document]


@dataclass(frozen=True)
class Receipt:
    """What became of records; ``collection/id`` each.

    Attributes:
        recorded: in the store now, whether from this run or an earlier one.
        not_recorded: not in the store, because of ``problem``.
        problem: what the store said; empty when all went well.
    """

    recorded: tuple[str, ...]
    not_recorded: tuple[str, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def dataset_records(directory: Path, reference: Mapping[str, Any] | None) -> list[Record]:
    """Return the datasets of a study's directory ``results/<study>/<marker>/``: reads, reference, lineages.

    Args:
        directory: where ``load/`` is.
        reference: name and version of the reference; None or empty for a study without one.

    Raises:
        UsageError: it is no study's directory.
    """
    libraries = directory / LIBRARIES
    if not libraries.is_file():
        message = f"{libraries}: no such file; expected a study's directory results/<study>/<marker>/"
        raise UsageError(message)
    files = {role: directory / path for role, path in _REFERENCE_FILES.items() if reference}
    records = []
    for role, digest in data_digests(files, libraries).items():
        kind, _, rest = role.partition(" (")
        document: Document = {
            ID: digest,
            "kind": kind,
            "study": directory.parent.name,
            "marker": directory.name,
            "recorded": _now(),
        }
        if kind == "reads":
            document["files"] = int(rest.partition(" ")[0])
        elif reference:
            document |= {key: str(reference[key]) for key in ("name", "version")}
        records.append((DATASETS, document))
    return records


def run_records(directory: Path) -> list[Record]:
    """Return the model of a finished study's directory and the run that made it.

    Raises:
        UsageError: the study is not finished.
    """
    source = directory / PROVENANCE
    if not source.is_file() or not (directory / BUNDLE).is_dir():
        message = f"{source}: no such file; run the workflow to its end first"
        raise UsageError(message)
    manifest, _ = read_manifest(directory / BUNDLE)
    digest = sha256_file(directory / BUNDLE / "manifest.json")
    shared = {
        "datasets": sorted(set(manifest.data_digests.values())), "marker": manifest.marker.name,
        "code_version": manifest.code_version, "config_digest": manifest.config_digest, "recorded": _now(),
    }  # fmt: skip
    model = {
        ID: digest, "name": manifest.name, "version": manifest.version, "ranks": list(manifest.ranks),
        "encoder_digest": manifest.encoder_digest, "published": _registries(directory), **shared,
    }  # fmt: skip
    run = {ID: sha256_file(source), "study": directory.parent.name, "model": digest, **shared}
    return [(MODELS, model), (RUNS, run)]


def record(location: str, records: Iterable[Record]) -> Receipt:
    """Put records into a metadata store; a store that does not answer is stated in the receipt, not raised."""
    waiting = [(collection, document, f"{collection.name}/{document[ID]}") for collection, document in records]
    done: list[str] = []
    try:
        store = open_metadata_store(location)
        try:
            for collection, document, name in waiting:
                _put(store, collection, document)
                done.append(name)
        finally:
            store.close()
    except StoreError as error:
        return Receipt(tuple(done), tuple(name for *_, name in waiting[len(done) :]), str(error))
    return Receipt(tuple(done))


def _put(store: DocumentStore, collection: Collection, document: Document) -> None:
    """Store a record; one that is there already learns where the model was published since."""
    if store.put(collection, document):
        return
    for _ in range(_MOST_ATTEMPTS):
        there = store.get(collection, document[ID])
        new = sorted(set(document.get("published", ())) - set((there or {}).get("published", ())))
        if there is None or not new or store.update(collection, there, {"published": [*there["published"], *new]}):
            return


def _registries(directory: Path) -> list[str]:
    source = directory / PUBLISHED
    return [read_json(source)["registry"]] if source.is_file() else []


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

"""Uploads in pieces, each an object at its offset that is put once: whatever dies, what was taken is there."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abyssal.stores.collections import UPLOADS
from abyssal.stores.documents import ID, Document
from abyssal.stores.objects import ObjectStore
from abyssal_server.datasets.names import is_archive, is_sheet, name_problem
from abyssal_server.datasets.sheets import MOST_SHEET_BYTES, check_sheet, looks_like_sheet
from abyssal_server.errors import Conflict, InvalidRequest, Missing, NotPossible, TooLarge
from abyssal_server.places import Places

PIECE_BYTES = 8 << 20
UPLOADING, READY, INVALID = "uploading", "ready", "invalid"
OPEN_STATES = (UPLOADING, INVALID)
_MOST_ATTEMPTS = 30


@dataclass(frozen=True)
class UploadLimits:
    """Caps on one dataset: files, and bytes as they are sent."""

    files: int
    bytes: int


class WrongOffset(Conflict):
    """A piece that does not go on where the file ends; ``offset`` is where it does."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the file goes on at byte {offset}; send Upload-Offset: {offset}")
        self.offset = offset


class Uploads:
    """Datasets while they come in.

    Args:
        places: the stores.
        limits: caps on one dataset.
    """

    def __init__(self, places: Places, limits: UploadLimits) -> None:
        self._places = places
        self._store = places.documents
        self._limits = limits

    def create(self, name: str, owner: str, files: Sequence[Mapping[str, Any]]) -> Document:
        """Begin a dataset; each file has ``name``, ``bytes`` and maybe ``sha256``.

        Raises:
            InvalidRequest: a name cannot be used or occurs twice.
            TooLarge: beyond a cap.
        """
        rows: list[dict[str, Any]] = []
        names: set[str] = set()
        total = 0
        for place, file in enumerate(files):
            total += file["bytes"]
            rows.append(self._row(names, total, file, place, f"#/files/{place}"))
            names.add(file["name"])
        document: Document = {
            ID: secrets.token_hex(16), "state": UPLOADING, "owner": owner, "created": time.time(), "name": name,
            "files": rows, "problems": [], "sheet": None, "contents": [],
        }  # fmt: skip
        self._store.put(UPLOADS, document)
        return self.get(document[ID])

    def get(self, identity: str) -> Document:
        """Return a dataset; raises Missing."""
        found = self._store.get(UPLOADS, identity)
        if found is None:
            raise Missing(kind="dataset", name=identity)
        return found

    def list(self, *, limit: int, after: Mapping[str, Any] | None) -> list[Document]:
        """Return datasets, newest first."""
        return self._store.find(UPLOADS, order="created", descending=True, limit=limit, after=after)

    def add_file(self, identity: str, file: Mapping[str, Any]) -> Document:
        """Add a file, or begin the one of that name anew.

        Raises:
            NotPossible: the dataset is complete.
            InvalidRequest, TooLarge: as ``create``.
        """
        for _ in range(_MOST_ATTEMPTS):
            dataset = self._open(identity)
            rows = [row for row in dataset["files"] if row["name"] != file["name"]]
            replaced = [row for row in dataset["files"] if row["name"] == file["name"]]
            number = max((row["index"] for row in dataset["files"]), default=-1) + 1
            total = sum(row["bytes"] for row in rows) + file["bytes"]
            rows.append(self._row({row["name"] for row in rows}, total, file, number, "#"))
            values = {"files": rows, "state": UPLOADING, "problems": [], "sheet": None}
            changed = self._store.update(UPLOADS, dataset, values)
            if changed is not None:
                for row in replaced:
                    self.pieces(identity, row["index"]).delete_below("")
                return changed
        message = "the dataset is changed by others all the time; try again"
        raise Conflict(message)

    def received(self, dataset: Mapping[str, Any]) -> dict[int, int]:
        """Return the bytes of each file that are there without a gap."""
        return {row["index"]: _end(self.pieces(dataset[ID], row["index"])) for row in dataset["files"]}

    def append(self, identity: str, index: int, offset: int, content: bytes) -> int:
        """Take the next piece of a file and return where the file goes on.

        Raises:
            WrongOffset: the file goes on elsewhere.
            TooLarge: the piece is too large, or goes beyond the end that was announced.
            NotPossible: the dataset is complete.
        """
        dataset = self._open(identity)
        row = file_of(dataset, index)
        pieces = self.pieces(identity, index)
        end = _end(pieces)
        if offset != end:
            raise WrongOffset(end)
        if len(content) > PIECE_BYTES or offset + len(content) > row["bytes"]:
            most = min(PIECE_BYTES, row["bytes"] - offset)
            message = f"{len(content)} bytes at once; {row['name']} takes {most} here"
            raise TooLarge(message, field="")
        if content and not pieces.put_if(f"{offset:015d}", content, None):
            raise WrongOffset(_end(pieces))
        if offset + len(content) == row["bytes"] and is_sheet(row["name"]) and row["bytes"] <= MOST_SHEET_BYTES:
            self._look_at_sheet(identity, row)
        return offset + len(content)

    def content(self, identity: str, row: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield a file's bytes."""
        pieces = self.pieces(identity, row["index"])
        for entry in _sorted(pieces):
            yield from pieces.stream(entry)

    def pieces(self, identity: str, index: int) -> ObjectStore:
        """Return where the pieces of a file are."""
        return self._places.objects(f"uploads/{identity}/{index}")

    def _look_at_sheet(self, identity: str, row: Mapping[str, Any]) -> None:
        """Check a sheet as soon as it is whole, against the names that were announced."""
        content = b"".join(self.content(identity, row))
        if not looks_like_sheet(content[:4096]):
            return
        dataset = self.get(identity)
        names = {one["name"]: f"file-{one['index']:04d}" for one in dataset["files"]}
        found = check_sheet(content, row["name"], names, complete=not any(map(is_archive, names)))
        values = {"problems": [vars(problem) for problem in found.problems], "sheet": found.summary or None}
        self._store.change_one(UPLOADS, {ID: identity, "state": UPLOADING}, values=values)

    def _open(self, identity: str) -> Document:
        dataset = self.get(identity)
        if dataset["state"] not in OPEN_STATES:
            message = "the dataset is complete; make a new one for other files"
            raise NotPossible(message)
        return dataset

    def _row(
        self, others: Collection[str], total: int, file: Mapping[str, Any], index: int, pointer: str
    ) -> dict[str, Any]:
        """Return the row of a file beside ``others``, with which the dataset has ``total`` bytes."""
        problem = "this name occurs twice" if file["name"] in others else name_problem(file["name"])
        if problem:
            raise InvalidRequest(problem, field=f"{pointer}/name")
        if len(others) >= self._limits.files:
            message = f"more than {self._limits.files} files; send an archive"
            raise TooLarge(message, field=f"{pointer}/name")
        if total > self._limits.bytes:
            message = f"more than {self._limits.bytes} bytes in one dataset"
            raise TooLarge(message, field=f"{pointer}/bytes")
        return {"index": index, "name": file["name"], "bytes": file["bytes"], "sha256": file.get("sha256")}


def file_of(dataset: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return a file of a dataset by its number; raises Missing."""
    found = [row for row in dataset["files"] if row["index"] == index]
    if not found:
        raise Missing(kind="file", name=str(index))
    return dict(found[0])


def _end(pieces: ObjectStore) -> int:
    """Return the end of the pieces that follow on each other."""
    end = 0
    for key, size in sorted((entry.key, entry.size) for entry in pieces.entries()):
        if int(key) != end:
            break
        end += size
    return end


def _sorted(pieces: ObjectStore) -> list[str]:
    return sorted(entry.key for entry in pieces.entries())


def write_file(target: Path, blocks: Iterator[bytes]) -> str:
    """Write blocks to a file and return their SHA-256."""
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for block in blocks:
            digest.update(block)
            out.write(block)
    return digest.hexdigest()

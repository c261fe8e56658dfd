"""The end of an upload: everything is put together, unpacked, checked and kept, or refused with reasons."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abyssal.files import sha256_file
from abyssal.stores.collections import UPLOADS
from abyssal.stores.documents import ID, Document
from abyssal_server.datasets.archives import RefusedFile, UnpackLimits, check_gzip, unpack
from abyssal_server.datasets.names import is_archive, is_sheet, neutral_name
from abyssal_server.datasets.sheets import MOST_SHEET_BYTES, CheckedSheet, SheetProblem, check_sheet, looks_like_sheet
from abyssal_server.datasets.uploads import INVALID, READY, Uploads, write_file
from abyssal_server.errors import Conflict, NotPossible
from abyssal_server.places import Places

SHEET = "samples.tsv"
"""Key of the sheet with neutral names, which the workflow reads."""


@dataclass
class _Contents:
    """Files found so far: name, size, SHA-256, neutral name; and what is wrong."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    sheets: list[tuple[str, bytes]] = field(default_factory=list)
    problems: list[SheetProblem] = field(default_factory=list)


def complete_upload(uploads: Uploads, places: Places, identity: str, limits: UnpackLimits) -> Document:
    """Check a dataset whose files are all there, and keep its contents under neutral names.

    Raises:
        NotPossible: bytes are missing, or it is complete already.
        Conflict: somebody changed it meanwhile.
    """
    dataset = uploads.get(identity)
    if dataset["state"] == READY:
        return dataset
    received = uploads.received(dataset)
    missing = [row["name"] for row in dataset["files"] if received[row["index"]] < row["bytes"]]
    if missing or not dataset["files"]:
        message = f"bytes of {', '.join(missing[:5]) or 'every file'} are missing; send them first"
        raise NotPossible(message)
    kept = places.objects(f"datasets/{identity}")
    contents = _Contents()
    with tempfile.TemporaryDirectory(prefix="abyssal-dataset-") as folder:
        for row in dataset["files"]:
            for name, file in _parts(uploads, identity, row, Path(folder), limits, contents):
                _take(kept, name, file, contents)
                file.unlink()
        sheet = _check_contents(contents)
        if sheet.text:
            text = Path(folder) / SHEET
            text.write_text(sheet.text, encoding="utf-8")
            kept.put_file(SHEET, text, sha256=sha256_file(text))
    problems = [*contents.problems, *sheet.problems]
    values = {
        "state": INVALID if problems else READY, "problems": [vars(one) for one in problems],
        "sheet": sheet.summary or None, "contents": contents.rows,
    }  # fmt: skip
    changed = uploads_update(places, dataset, values)
    if not problems:
        places.objects(f"uploads/{identity}").delete_below("")
    return changed


def uploads_update(places: Places, dataset: Document, values: Mapping[str, Any]) -> Document:
    """Change a dataset that was read before; raises Conflict when somebody else did meanwhile."""
    changed = places.documents.update(UPLOADS, dataset, values)
    if changed is None:
        message = "the dataset was changed by somebody else meanwhile; try again"
        raise Conflict(message)
    return changed


def delete_dataset(places: Places, identity: str) -> None:
    """Forget a dataset and its files."""
    places.documents.delete(UPLOADS, {ID: identity})
    for below in ("uploads", "datasets"):
        places.objects(f"{below}/{identity}").delete_below("")


def _parts(
    uploads: Uploads, identity: str, row: Mapping[str, Any], folder: Path, limits: UnpackLimits, contents: _Contents
) -> Iterator[tuple[str, Path]]:
    """Yield the file, or what is in it; what cannot be taken is a problem of the dataset."""
    whole = folder / "whole"
    digest = write_file(whole, uploads.content(identity, row))
    if row["sha256"] and row["sha256"] != digest:
        text = f"what arrived has the SHA-256 {digest}, not the one that was announced; send the file again"
        contents.problems.append(SheetProblem(row["name"], text))
        return
    try:
        if not is_archive(row["name"]):
            if row["name"].lower().endswith(".gz"):
                check_gzip(whole, limits)
            yield row["name"], whole
            return
        for name, file in unpack(whole, row["name"], folder, limits):
            if name.lower().endswith(".gz"):
                check_gzip(file, limits)
            yield name, file
        whole.unlink()
    except RefusedFile as error:
        contents.problems.append(SheetProblem(row["name"], str(error)))


def _take(kept: Any, name: str, file: Path, contents: _Contents) -> None:
    if any(row["name"] == name for row in contents.rows):
        contents.problems.append(SheetProblem(name, "occurs twice in the dataset; names must differ"))
        return
    neutral = neutral_name(len(contents.rows), name)
    digest, size = sha256_file(file), file.stat().st_size
    kept.put_file(neutral, file, sha256=digest)
    contents.rows.append({"name": name, "bytes": size, "sha256": digest, "file": neutral})
    if is_sheet(name) and size <= MOST_SHEET_BYTES:
        content = file.read_bytes()
        if looks_like_sheet(content[:4096]):
            contents.sheets.append((name, content))


def _check_contents(contents: _Contents) -> CheckedSheet:
    if not contents.sheets:
        text = "no sample sheet; send a .tsv or .csv file whose first row names the columns, one of them `sample`"
        return CheckedSheet([SheetProblem("", text)])
    if len(contents.sheets) > 1:
        names = ", ".join(name for name, _ in contents.sheets)
        return CheckedSheet([SheetProblem("", f"several files look like sample sheets ({names}); send one")])
    (name, content) = contents.sheets[0]
    return check_sheet(content, name, {row["name"]: row["file"] for row in contents.rows})

"""``libraries.tsv``: the checked rows of one marker with the SHA-256 of every file.

Columns: library, sample, run, marker, kind, control, r1, r2, asvs, table, their digests, own primers and tags,
latitude, longitude, depth_m, then every further column of the sheet as it was. It is what later stages read about
samples; none of them reads the sheet.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import cast

from abyssal.errors import DataError
from abyssal.files import open_atomic, sha256_file
from abyssal.samples.model import Kind, Library
from abyssal.samples.remote import address_of

_COLUMNS = (
    "library", "sample", "run", "marker", "kind", "control", "r1", "r2", "asvs", "table",
    "r1_sha256", "r2_sha256", "asvs_sha256", "table_sha256",
    "forward_primer", "reverse_primer", "forward_tag", "reverse_tag", "latitude", "longitude", "depth_m",
)  # fmt: skip


_FILES = ("r1", "r2", "asvs", "table")


def _file_cells(library: Library, digest: Callable[[Path], str]) -> list[str]:
    paths: dict[str, Path] = dict(
        zip(("asvs",) if library.kind == "asvs" else ("r1", "r2"), library.files, strict=False)
    )
    if library.table is not None:
        paths["table"] = library.table
    cells = [address_of(paths[column]) or paths[column].as_posix() if column in paths else "" for column in _FILES]
    return cells + [digest(paths[column]) if column in paths else "" for column in _FILES]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def files_of(libraries: Sequence[Library]) -> list[Path]:
    """Return the files of libraries, each once: reads and ready-made ASVs first, then tables of counts."""
    files = [path for row in libraries for path in row.files]
    return list(dict.fromkeys(files + [row.table for row in libraries if row.table]))


def write_libraries(target: Path, libraries: Sequence[Library], copies: Mapping[Path, Path] | None = None) -> None:
    """Write the table; digests are taken from the files now.

    Args:
        target: TSV.
        libraries: rows of one marker, in the order of the sheet.
        copies: where the files of an S3-compatible store lie on this machine.
    """
    here = copies or {}

    # Libraries told apart by tags share their files.
    @cache
    def digest(path: Path) -> str:
        return sha256_file(here.get(path, path))

    further = tuple(dict.fromkeys(column for library in libraries for column in library.metadata))
    with open_atomic(target) as out:
        out.write("\t".join([*_COLUMNS, *further]) + "\n")
        for row in libraries:
            names = [row.library, row.sample, row.run, row.marker, row.kind, row.control]
            position = [_number(row.latitude), _number(row.longitude), _number(row.depth_m)]
            texts = [" ".join(row.metadata.get(column, "").split()) for column in further]
            own = [*row.primers, *row.tags]
            out.write("\t".join([*names, *_file_cells(row, digest), *own, *position, *texts]) + "\n")


def read_libraries(source: Path) -> tuple[Library, ...]:
    """Read what ``write_libraries`` wrote.

    Raises:
        DataError: the columns are others.
    """
    with source.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        columns = tuple(rows.fieldnames or ())
        if columns[: len(_COLUMNS)] != _COLUMNS:
            message = f"{source}: expected the columns {', '.join(_COLUMNS)}; run the rule check_libraries again"
            raise DataError(message)
        return tuple(_library(row, columns[len(_COLUMNS) :], number) for number, row in enumerate(rows, start=2))


def _library(row: dict[str, str], further: Sequence[str], number: int) -> Library:
    latitude, longitude, depth = (
        float(row[name]) if row[name] else None for name in ("latitude", "longitude", "depth_m")
    )
    return Library(
        library=row["library"],
        sample=row["sample"],
        run=row["run"],
        marker=row["marker"],
        kind=cast("Kind", row["kind"]),
        files=tuple(Path(row[name]) for name in ("r1", "r2", "asvs") if row[name]),
        control=row["control"],
        row=number,
        latitude=latitude,
        longitude=longitude,
        depth_m=depth,
        metadata={name: row[name] for name in further if row[name]},
        primers=(row["forward_primer"], row["reverse_primer"]),
        tags=(row["forward_tag"], row["reverse_tag"]),
        table=Path(row["table"]) if row["table"] else None,
    )

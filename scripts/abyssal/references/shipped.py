"""Where the tables that ship with Abyssal lie: in the checkout, or inside the installed package."""

from __future__ import annotations

from pathlib import Path

import abyssal
from abyssal.errors import UsageError


def shipped_path(name: str) -> Path | None:
    """Return the file or folder ``resources/<name>``, None where this installation does not have it.

    A checkout keeps ``resources/`` beside ``scripts/``; a wheel carries the same folder as ``abyssal/resources``.
    """
    package = Path(abyssal.__file__).resolve().parent
    places = (package.parents[1] / "resources" / name, package / "resources" / name)
    return next((place for place in places if place.exists()), None)


def shipped_file(name: str) -> Path:
    """Return the path of ``resources/<name>``; UsageError where this installation does not have it."""
    place = shipped_path(name)
    if place is not None:
        return place
    message = f"resources/{name} is missing from this installation; install Abyssal again or work in a checkout"
    raise UsageError(message)


def read_shipped_table(name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a shipped TSV as dictionaries; UsageError when its header is not ``columns``."""
    source = shipped_file(name)
    header, *rows = source.read_text(encoding="utf-8").splitlines()
    if tuple(header.split("\t")) != columns:
        message = f"{source} line 1: expected the columns {', '.join(columns)}"
        raise UsageError(message)
    return [dict(zip(columns, row.split("\t"), strict=True)) for row in rows if row]

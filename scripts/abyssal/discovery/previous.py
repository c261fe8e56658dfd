"""The earlier run whose ids are kept: which file it is, and whether it can be of this study."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from abyssal.discovery.records import MEMBER_COLUMNS, StoredTaxon
from abyssal.errors import ConfigError, DataError

MARKER_WORD = "{marker}"
_KEY = "cluster.previous"
_ID = re.compile(r"[\w.-]+", re.ASCII)
"""What FASTA headers, changes.tsv and the exports hold without loss."""


def previous_members(folder: str | None, study: str, markers: Sequence[str]) -> dict[str, Path]:
    """Return the ``members.tsv`` of each marker's earlier run, none without a folder.

    Where the folder has ``{marker}`` in it, a marker that no earlier run had is left out, but not all of them.

    Raises:
        ConfigError: there is no such file; several markers share one folder; or this run would overwrite it.
    """
    if folder is None:
        return {}
    if len(markers) > 1 and MARKER_WORD not in folder:
        message = f"{_KEY}: {folder} is one directory for {len(markers)} markers; write {MARKER_WORD} for their names"
        raise ConfigError(message)
    found = {marker: Path(folder.replace(MARKER_WORD, marker), "members.tsv") for marker in markers}
    for marker, source in found.items():
        if source.resolve().parent == Path("results", study, marker, "cluster").resolve():
            message = (
                f"{_KEY}: {source.parent} is what this study's run will write; copy the directory elsewhere (cp -r) or "
                "give the run another study name, and name the copy"
            )
            raise ConfigError(message)
    there = {marker: source for marker, source in found.items() if source.is_file()}
    if not there:
        source = next(iter(found.values()))
        message = f"{_KEY}: {source}: no such file; expected the cluster/ directory of an earlier run"
        raise ConfigError(message)
    return there


def read_previous(source: Path, asvs: Collection[str]) -> list[StoredTaxon]:
    """Read the taxa and members of an earlier run of a study that now has these ASVs.

    Raises:
        DataError: it is no ``members.tsv`` or has an id that files cannot hold, names the row; or all of its ASVs are
            unknown to a study that has any.
    """
    home = _read_members(source)
    if home and asvs and home.keys().isdisjoint(asvs):
        message = (
            f"{source}: none of its {len(home):,} ASVs is in this study; {_KEY} must name a run of the same marker, "
            "with the same primers and trimming"
        )
        raise DataError(message)
    found: dict[str, set[str]] = {}
    for asv, taxon in home.items():
        found.setdefault(taxon, set()).add(asv)
    return [StoredTaxon(taxon, frozenset(members)) for taxon, members in found.items()]


def _read_members(source: Path) -> dict[str, str]:
    """Return the taxon of each ASV."""
    try:
        rows = source.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        message = f"{source}: not a text file ({error.reason} at byte {error.start:,}); copy it again"
        raise DataError(message) from None
    if not rows or tuple(rows[0].split("\t")) != MEMBER_COLUMNS:
        message = f"{source} row 1: expected the columns {', '.join(MEMBER_COLUMNS)}, found {rows[:1]}"
        raise DataError(message)
    home: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        cells = row.split("\t")
        if len(cells) != len(MEMBER_COLUMNS) or not all(cells[:2]):
            message = f"{source} row {number}: expected {len(MEMBER_COLUMNS)} cells, found {row!r}; copy the file again"
            raise DataError(message)
        if _ID.fullmatch(cells[1]) is None:
            message = f"{source} row {number}: id {cells[1]!r}; expected letters, digits and any of _.- only; rename it"
            raise DataError(message)
        if cells[0] in home:
            message = f"{source} row {number}: ASV {cells[0]} is there twice; copy the file again"
            raise DataError(message)
        home[cells[0]] = cells[1]
    return home

"""FASTA records joined with a table of lineages by identifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from abyssal.errors import ReferenceFormatError
from abyssal.references.formats.fasta import read_fasta
from abyssal.references.formats.raw import RawRecord, malformed
from abyssal.references.formats.tables import LineageTable


def first_word(header: str) -> str:
    """Return a header's identifier: up to the first blank or semicolon."""
    return header.split(maxsplit=1)[0].split(";", maxsplit=1)[0]


def joined_records(
    fasta: Path, table: LineageTable, *, identify: Callable[[str], str] = first_word
) -> Iterator[RawRecord]:
    """Yield FASTA records with their lineages; ``identify`` gives a header's key in the table.

    Raises:
        ReferenceFormatError: a record without a row; names the first one and how many rows the table has.
    """
    joined = 0
    for entry in read_fasta(fasta):
        identifier = identify(entry.header)
        row = table.rows.get(identifier)
        if row is None:
            raise malformed(
                fasta, entry.line, f"record {identifier!r} has no row in {table.source} ({len(table.rows)} rows)",
                mend=_hint(table, joined),
            )  # fmt: skip
        joined += 1
        yield RawRecord(identifier, entry.sequence, row[0], entry.line)
    if not joined:
        message = f"{fasta}: no records; expected FASTA sequences with rows in {table.source}"
        raise ReferenceFormatError(message)


def _hint(table: LineageTable, joined: int) -> str:
    first = next(iter(table.rows), "-")
    if joined == 0:
        return f"the table's identifiers look like {first!r}: check that the identifier is its first column"
    return "add the row or remove the record"

"""Tables with a sequence column, and FASTA beside a table with one column a rank."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from abyssal.errors import ReferenceFormatError
from abyssal.references.formats.fasta import read_start
from abyssal.references.formats.joined import joined_records
from abyssal.references.formats.raw import Preview, RawRecord, RawReference, malformed
from abyssal.references.formats.tables import (
    SEQUENCE_COLUMNS,
    Columns,
    read_lineage_table,
    row_names,
    table_columns,
    table_rows,
)
from abyssal.sequences.alphabet import first_invalid_letter, normalise

_PROBE_ROWS = 20
_MIN_SEQUENCE = 20


class TsvFormat:
    """A table whose columns are named after ranks; ``FILE#COLUMN`` picks one of several sequence columns."""

    name = "tsv"

    def recognises(self, preview: Preview) -> bool:
        if preview.headers:
            return bool(preview.table) and table_columns(preview.table[0]) is not None
        return table_columns(preview.first) is not None

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        if lineages is not None:
            table = read_lineage_table(lineages)
            return RawReference(self.name, fasta, table.ranks, joined_records(fasta, table))
        source, column = split_column(fasta)
        start = read_start(source, 1 + _PROBE_ROWS)
        columns = table_columns(start[0]) if start else None
        if columns is None:
            message = (
                f"{source} line 1: expected a table whose columns are named after ranks (kingdom ... species) "
                "and one column of sequences; for FASTA give a lineage table as well"
            )
            raise ReferenceFormatError(message)
        position = _sequence_column(source, columns, column)
        ranks = tuple(rank for rank, _ in columns.ranks)
        return RawReference(self.name, source, ranks, _table_records(source, columns, position))


def split_column(path: Path) -> tuple[Path, str | None]:
    """Split ``table.tsv#column``; a file that really has ``#`` in its name is taken as it is."""
    name, separator, column = path.name.rpartition("#")
    if not separator or path.exists():
        return path, None
    return path.with_name(name), column


def _sequence_column(source: Path, columns: Columns, wanted: str | None) -> int:
    if wanted is not None:
        if wanted in columns.names:
            return columns.names.index(wanted)
        message = f"{source} line 1: no column {wanted!r}; found {', '.join(columns.names)}"
        raise ReferenceFormatError(message)
    named = [position for position, name in enumerate(columns.names) if name.casefold() in SEQUENCE_COLUMNS]
    candidates = named or _columns_of_dna(source, columns)
    if len(candidates) == 1:
        return candidates[0]
    choice = ", ".join(columns.names[position] for position in candidates) or "none"
    message = (
        f"{source}: expected one column of sequences, found {len(candidates)} ({choice}); "
        f"name it, for example {source.name}#{columns.names[candidates[0]] if candidates else 'sequence'}"
    )
    raise ReferenceFormatError(message)


def _columns_of_dna(source: Path, columns: Columns) -> list[int]:
    rows = [cells for _, cells in zip(range(_PROBE_ROWS), (cells for _, cells in table_rows(source)), strict=False)][1:]
    ranked = {position for _, position in columns.ranks}
    return [
        position
        for position in range(len(columns.names))
        if position not in ranked and rows and all(len(row) <= position or _is_dna(row[position]) for row in rows)
    ]


def _is_dna(cell: str) -> bool:
    return len(cell) >= _MIN_SEQUENCE and first_invalid_letter(normalise(cell.replace("-", ""))) is None


def _table_records(source: Path, columns: Columns, position: int) -> Iterator[RawRecord]:
    rows = table_rows(source)
    next(rows)
    for line, cells in rows:
        names = row_names(source, line, cells, columns)
        accession = cells[columns.identifier]
        if not accession:
            raise malformed(source, line, f"column {columns.names[columns.identifier]!r} is empty")
        if cells[position]:
            yield RawRecord(accession, cells[position], names, line)

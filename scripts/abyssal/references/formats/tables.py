"""Tables of lineages: a column a rank, or one column with the whole lineage."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from abyssal.errors import ReferenceFormatError
from abyssal.references.formats.fasta import open_lines
from abyssal.references.formats.headers import (
    lettered_names,
    names_by_letter,
    order_letters,
    ranks_for_depth,
    ranks_of_letters,
)
from abyssal.references.formats.raw import check_names, check_no_dna, malformed, split_lineage

KNOWN_RANKS = frozenset(
    [
        "domain",
        "superkingdom",
        "realm",
        "kingdom",
        "subkingdom",
        "supergroup",
        "superdivision",
        "division",
        "subdivision",
        "superphylum",
        "phylum",
        "subphylum",
        "infraphylum",
        "superclass",
        "class",
        "subclass",
        "infraclass",
        "superorder",
        "order",
        "suborder",
        "infraorder",
        "parvorder",
        "superfamily",
        "family",
        "subfamily",
        "tribe",
        "subtribe",
        "genus",
        "subgenus",
        "species",
        "subspecies",
        "strain",
    ]
)
"""Column names that are taken as ranks; all other columns of a table are left alone."""

_ID_COLUMNS = (
    "id",
    "accession",
    "feature id",
    "featureid",
    "pr2_accession",
    "processid",
    "seqid",
    "sequence_id",
    "#id",
)
_LINEAGE_COLUMNS = frozenset({"taxon", "taxonomy", "lineage"})
SEQUENCE_COLUMNS = frozenset({"sequence", "nuc", "nucleotides", "seq"})


@dataclass(frozen=True, slots=True)
class Columns:
    """Which cells of a table hold what.

    Attributes:
        names: all column names as given.
        identifier: position of the identifier.
        ranks: (rank, position) pairs, in the file's order, which must be highest first.
    """

    names: tuple[str, ...]
    identifier: int
    ranks: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class LineageTable:
    """Lineages by identifier: ranks, and (names, line) for each."""

    source: Path
    ranks: tuple[str, ...]
    rows: dict[str, tuple[tuple[str, ...], int]]


def table_columns(first_line: str) -> Columns | None:
    """Return the layout of a table with rank columns, or None when the line names fewer than two ranks."""
    names = tuple(cell.strip().strip('"') for cell in first_line.split(delimiter_of(first_line)))
    lower = [name.casefold() for name in names]
    ranks = tuple((name, position) for position, name in enumerate(lower) if name in KNOWN_RANKS)
    if len(ranks) < 2:
        return None
    identifier = next((lower.index(name) for name in _ID_COLUMNS if name in lower), 0)
    return Columns(names, identifier, ranks)


def delimiter_of(first_line: str) -> str:
    """Return the delimiter of a table: a tab where there is one, else a comma."""
    return "\t" if "\t" in first_line else ","


def table_rows(source: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of a tab- or comma-separated file; empty lines are skipped, quotes only in CSV."""
    with open_lines(source) as lines:
        first = next(lines, "")
        delimiter = delimiter_of(first)
        yield 1, _cells(first, delimiter)
        for number, line in enumerate(lines, start=2):
            if line.strip():
                yield number, _cells(line, delimiter)


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == ",":
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    return [cell.strip() for cell in line.split("\t")]


def read_lineage_table(source: Path) -> LineageTable:
    """Read a table of lineages, whichever of the two layouts it has.

    Raises:
        ReferenceFormatError: no ranks can be found, rows of different width, DNA among the names, an identifier twice
            with different lineages, or lineages of different depth.
    """
    rows = table_rows(source)
    _, first = next(rows)
    if not any(first):
        message = f"{source}: the table is empty; expected an identifier and a lineage on every line"
        raise ReferenceFormatError(message)
    columns = table_columns("\t".join(first))
    if columns is not None:
        return _by_rank(source, columns, rows)
    return _by_text(source, first, rows)


def _by_rank(source: Path, columns: Columns, rows: Iterator[tuple[int, list[str]]]) -> LineageTable:
    ranks = tuple(rank for rank, _ in columns.ranks)
    found: dict[str, tuple[tuple[str, ...], int]] = {}
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    for line, cells in rows:
        names = row_names(source, line, cells, columns)
        identifier = cells[columns.identifier]
        check_no_dna(source, line, (identifier,))
        _add(source, found, identifier, shared.setdefault(names, names), line)
    return LineageTable(source, ranks, found)


def row_names(source: Path, line: int, cells: list[str], columns: Columns) -> tuple[str, ...]:
    """Return the names of one row; ReferenceFormatError for a wrong width or DNA among the names."""
    if len(cells) != len(columns.names):
        raise malformed(
            source, line, f"{len(cells)} cells, expected {len(columns.names)} as in the header",
            mend="look for missing or doubled tabs",
        )  # fmt: skip
    names = tuple(cells[position] for _, position in columns.ranks)
    check_no_dna(source, line, names)
    return names


def _by_text(source: Path, first: list[str], rows: Iterator[tuple[int, list[str]]]) -> LineageTable:
    texts: dict[str, tuple[tuple[str, ...], int]] = {}
    shared: dict[str, tuple[str, ...]] = {}
    start = [] if len(first) > 1 and first[1].casefold() in _LINEAGE_COLUMNS else [(1, first)]
    for line, cells in (*start, *rows) if start else rows:
        if len(cells) < 2:
            raise malformed(
                source, line, f"expected an identifier, a tab and a lineage, found {' '.join(cells)[:60]!r}",
                mend="use rank names as column headers, or the two columns Feature ID and Taxon",
            )  # fmt: skip
        if ";" in cells[0] and ";" not in cells[1]:
            raise malformed(source, line, "the lineage stands before the identifier", mend="swap the two columns")
        names = shared.setdefault(cells[1], split_lineage(cells[1]))
        check_no_dna(source, line, (cells[0], *names))
        _add(source, texts, cells[0], names, line)
    return _with_ranks(source, texts)


def _with_ranks(source: Path, texts: dict[str, tuple[tuple[str, ...], int]]) -> LineageTable:
    distinct = {names for names, _ in texts.values()}
    lettered = {names: lettered_names(names) for names in distinct}
    letters = order_letters(lettered.values())
    if letters:
        rows = {key: (names_by_letter(lettered[names], letters), line) for key, (names, line) in texts.items()}
        return LineageTable(source, ranks_of_letters(letters), rows)
    depth = len(next(iter(texts.values()))[0])
    for names, line in texts.values():
        if names != ("Unassigned",):
            check_names(source, line, names, depth)
    return LineageTable(source, ranks_for_depth(depth), texts)


def _add(
    source: Path, rows: dict[str, tuple[tuple[str, ...], int]], key: str, names: tuple[str, ...], line: int
) -> None:
    if not key:
        raise malformed(source, line, "the identifier is empty")
    previous = rows.setdefault(key, (names, line))
    if previous[0] != names:
        raise malformed(
            source, line, f"identifier {key!r} has another lineage on line {previous[1]}", mend="keep one of the two"
        )

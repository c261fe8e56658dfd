"""BOLD: the data package's TSV (processid, ranks, nuc), and FASTA with ``processid|...`` headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from abyssal.errors import ReferenceFormatError
from abyssal.references.formats.fasta import read_headers, read_start
from abyssal.references.formats.headers import header_records
from abyssal.references.formats.raw import Preview, RawRecord, RawReference, malformed
from abyssal.references.formats.tables import Columns, row_names, table_columns, table_rows

_SHORT_RANKS = ("genus", "species")
_LONG_RANKS = ("kingdom", "phylum", "class", "order", "family", "subfamily", "genus", "species")
_PROCESS_ID = re.compile(r"[A-Z]{2,10}\d+-\d{2}")
_MARKER = re.compile(r"COI-[35]P|ITS2?|rbcLa?|matK|18S.*|28S.*|12S|16S|CYTB|trnH-psbA", re.IGNORECASE)
_LONG_NAMES = (8, 9)


class BoldFormat:
    """FASTA headers give genus and species, or the lineage when they hold it with commas; the TSV gives all ranks."""

    name = "bold"

    def recognises(self, preview: Preview) -> bool:
        if preview.headers:
            return all(_PROCESS_ID.match(header) and "|" in header for header in preview.headers)
        return {"processid", "nuc"} <= set(preview.first.casefold().split("\t"))

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        headers = read_headers(fasta, 1)
        if not headers:
            return _read_package(fasta)
        ranks = _LONG_RANKS if _comma_lineage(headers[0]) else _SHORT_RANKS
        parse = _parse_long if _comma_lineage(headers[0]) else _parse_short
        records = header_records(fasta, ranks=ranks, parse=parse, expected=">processid|name|marker|accession")
        return RawReference(self.name, fasta, ranks, records)


def _comma_lineage(header: str) -> list[str]:
    names = header.rsplit("|", maxsplit=1)[-1].split(",")
    return names if len(names) in _LONG_NAMES else []


def _parse_short(header: str) -> tuple[str, tuple[str, ...]] | None:
    fields = [field.strip() for field in header.split("|")]
    if len(fields) < 2:
        return None
    name = next((field for field in fields[1:] if not _MARKER.fullmatch(field)), "")
    words = name.replace("_", " ").split()
    accession = fields[0]
    marker = next((field for field in fields[1:] if _MARKER.fullmatch(field)), "COI-5P")
    if marker.upper() != "COI-5P":
        accession = f"{accession}.{marker}"
    # A single word is a name at an unknown rank (BOLD writes a family or an order there): not a genus for sure.
    return accession, (words[0], name) if len(words) > 1 else ("", "")


def _parse_long(header: str) -> tuple[str, tuple[str, ...]] | None:
    names = _comma_lineage(header)
    if not names:
        return None
    cleaned = ["" if name == "None" else name.strip() for name in names]
    if len(cleaned) == len(_LONG_RANKS) + 1:
        # Nine names have the tribe between subfamily and genus.
        del cleaned[6]
    fields = header.split("|")
    marker = fields[1] if len(fields) > 2 else "COI-5P"
    accession = fields[0] if marker.upper() == "COI-5P" else f"{fields[0]}.{marker}"
    return accession, tuple(cleaned)


def _read_package(source: Path) -> RawReference:
    start = read_start(source, 1)
    columns = table_columns(start[0]) if start else None
    lower = [name.casefold() for name in columns.names] if columns else []
    if columns is None or "nuc" not in lower or "processid" not in lower:
        message = f"{source} line 1: expected BOLD's data package (columns processid, kingdom ... species, nuc)"
        raise ReferenceFormatError(message)
    ranks = tuple(rank for rank, _ in columns.ranks)
    return RawReference("bold", source, ranks, _package_records(source, columns, lower))


def _package_records(source: Path, columns: Columns, lower: list[str]) -> Iterator[RawRecord]:
    identifier, letters = lower.index("processid"), lower.index("nuc")
    marker = lower.index("marker_code") if "marker_code" in lower else None
    rows = table_rows(source)
    next(rows)
    for line, cells in rows:
        names = tuple("" if name == "None" else name for name in row_names(source, line, cells, columns))
        accession = cells[identifier]
        if not accession:
            raise malformed(source, line, "the column processid is empty")
        if marker is not None and cells[marker].upper() not in ("", "COI-5P"):
            accession = f"{accession}.{cells[marker]}"
        if cells[letters] and cells[letters] != "None":
            yield RawRecord(accession, cells[letters], names, line)

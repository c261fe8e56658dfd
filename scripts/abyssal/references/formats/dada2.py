"""DADA2 training sets: ``>Kingdom;...;Genus;`` without identifiers, and ``>ID Genus species`` (assignSpecies)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from abyssal.errors import ReferenceFormatError
from abyssal.references.formats.fasta import read_fasta, read_headers
from abyssal.references.formats.headers import header_records, ranks_for_depth, scan_headers
from abyssal.references.formats.raw import Preview, RawRecord, RawReference, check_no_dna, malformed, split_lineage

_SPECIES = re.compile(r"(\S+) ([A-Z][a-z-]+) ([a-z0-9-]{2,}.*)")
_MIN_LEVELS = 2


class Dada2Format:
    """Lineages may stop early; records are called ``record-<n>`` since their headers name no one record."""

    name = "dada2"

    def recognises(self, preview: Preview) -> bool:
        if not preview.headers or preview.table:
            return False
        return all(_is_lineage(header) for header in preview.headers) or all(
            _SPECIES.fullmatch(header) for header in preview.headers
        )

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        first = read_headers(fasta, 1)
        if first and not _is_lineage(first[0]) and _SPECIES.fullmatch(first[0]):
            ranks: tuple[str, ...] = ("genus", "species")
            records = header_records(fasta, ranks=ranks, parse=_parse_species, expected=">ID Genus species")
            return RawReference(self.name, fasta, ranks, records)
        depth = max((len(split_lineage(header)) for _, header in scan_headers(fasta)), default=0)
        if depth < _MIN_LEVELS:
            message = f"{fasta}: no header holds a lineage; expected >Kingdom;Phylum;Class;Order;Family;Genus;"
            raise ReferenceFormatError(message)
        return RawReference(self.name, fasta, ranks_for_depth(depth), _lineage_records(fasta, depth))


def _is_lineage(header: str) -> bool:
    return ";" in header and ";tax=" not in header and "|" not in header and "\t" not in header


def _lineage_records(fasta: Path, depth: int) -> Iterator[RawRecord]:
    for number, entry in enumerate(read_fasta(fasta), start=1):
        if ";" not in entry.header:
            raise malformed(
                fasta,
                entry.line,
                f"header {entry.header[:60]!r} holds no lineage",
                mend="expected >Kingdom;Phylum;...;",
            )
        names = split_lineage(entry.header)
        check_no_dna(fasta, entry.line, names)
        padded = names + ("",) * (depth - len(names))
        yield RawRecord(f"record-{number}", entry.sequence, padded, entry.line)


def _parse_species(header: str) -> tuple[str, tuple[str, ...]] | None:
    match = _SPECIES.fullmatch(header)
    return None if match is None else (match[1], (match[2], f"{match[2]} {match[3]}"))

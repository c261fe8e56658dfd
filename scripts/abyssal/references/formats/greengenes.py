"""Greengenes: lineage with ``k__`` prefixes after the identifier in the header, or in a table beside the FASTA."""

from __future__ import annotations

from pathlib import Path

from abyssal.references.formats.headers import (
    header_records,
    lettered_names,
    names_by_letter,
    order_letters,
    ranks_of_letters,
    scan_headers,
)
from abyssal.references.formats.joined import joined_records
from abyssal.references.formats.raw import Preview, RawReference, split_lineage
from abyssal.references.formats.tables import read_lineage_table


class GreengenesFormat:
    """``>1111847 k__Bacteria; p__...; s__mexicana``; an empty ``g__`` is unknown, ``s__`` holds the epithet."""

    name = "greengenes"

    def recognises(self, preview: Preview) -> bool:
        return bool(preview.headers) and not preview.table and all(_split(header) for header in preview.headers)

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        if lineages is not None:
            table = read_lineage_table(lineages)
            return RawReference(self.name, fasta, table.ranks, joined_records(fasta, table))
        letters = order_letters(parts[1] for _, header in scan_headers(fasta) if (parts := _split(header)))
        ranks = ranks_of_letters(letters)

        def parse(header: str) -> tuple[str, tuple[str, ...]] | None:
            parts = _split(header)
            return None if parts is None else (parts[0], names_by_letter(parts[1], letters))

        records = header_records(fasta, ranks=ranks, parse=parse, expected=">ID k__Bacteria; p__...; s__...")
        return RawReference(self.name, fasta, ranks, records)


def _split(header: str) -> tuple[str, dict[str, str]] | None:
    accession, _, text = header.partition(" ")
    lineage = lettered_names(split_lineage(text)) if "__" in text and "|" not in accession else {}
    return (accession, lineage) if lineage else None

"""SINTAX headers: ``ID;tax=d:Eukaryota,p:...,s:Species;`` (USEARCH, VSEARCH)."""

from __future__ import annotations

from pathlib import Path

from abyssal.errors import ReferenceFormatError
from abyssal.references.formats.headers import (
    header_records,
    names_by_letter,
    order_letters,
    ranks_of_letters,
    scan_headers,
)
from abyssal.references.formats.raw import LINEAGE_LETTERS, Preview, RawReference


class SintaxFormat:
    """Rank letters d, k, p, c, o, f, g, s, t; a lineage may leave ranks out."""

    name = "sintax"

    def recognises(self, preview: Preview) -> bool:
        return bool(preview.headers) and all(";tax=" in header for header in preview.headers)

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        letters = order_letters(lineage[1] for _, header in scan_headers(fasta) if (lineage := _split(header)))
        if not letters:
            message = f"{fasta}: no header holds ;tax= with rank letters; expected >ID;tax=d:Eukaryota,...;"
            raise ReferenceFormatError(message)

        def parse(header: str) -> tuple[str, tuple[str, ...]] | None:
            parts = _split(header)
            return None if parts is None else (parts[0], names_by_letter(parts[1], letters))

        records = header_records(
            fasta, ranks=ranks_of_letters(letters), parse=parse, expected=">ID;tax=d:Eukaryota,p:...,s:..."
        )
        return RawReference(self.name, fasta, ranks_of_letters(letters), records)


def _split(header: str) -> tuple[str, dict[str, str]] | None:
    accession, separator, text = header.partition(";tax=")
    if not separator:
        return None
    lineage: dict[str, str] = {}
    for item in text.split(";")[0].split(","):
        letter, colon, name = item.partition(":")
        if not colon:
            # A comma inside a name, as in "Vorticella, sp. A": it belongs to the name before it.
            if not lineage:
                return None
            last = next(reversed(lineage))
            lineage[last] += f",{item}"
        elif letter in LINEAGE_LETTERS:
            lineage[letter] = name
        else:
            return None
    return accession.strip(), lineage

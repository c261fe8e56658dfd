"""MitoFish: ``>gb|accession|Genus species ...``; only genus and species are known unless a lineage table is given."""

from __future__ import annotations

import re
from pathlib import Path

from abyssal.references.formats.headers import header_records
from abyssal.references.formats.joined import first_word, joined_records
from abyssal.references.formats.raw import Preview, RawReference
from abyssal.references.formats.tables import read_lineage_table

_RANKS = ("genus", "species")
_HEADER = re.compile(r"(?:gb|ref|dbj|emb)\|([A-Z]{1,2}_?[A-Z]{0,4}\d+(?:\.\d+)?)\|\s*(.+)")
_TRAILER = re.compile(r"\s*[(\[,].*$")


class MitoFishFormat:
    """Mitogenomes and fragments; the in-silico PCR finds the marker in them."""

    name = "mitofish"

    def recognises(self, preview: Preview) -> bool:
        return bool(preview.headers) and not preview.table and all(_HEADER.match(h) for h in preview.headers)

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        if lineages is not None:
            table = read_lineage_table(lineages)
            records = joined_records(fasta, table, identify=_accession)
            return RawReference(self.name, fasta, table.ranks, records)
        records = header_records(fasta, ranks=_RANKS, parse=_parse, expected=">gb|accession|Genus species")
        return RawReference(self.name, fasta, _RANKS, records)


def _accession(header: str) -> str:
    match = _HEADER.match(header)
    return match[1] if match else first_word(header)


def _parse(header: str) -> tuple[str, tuple[str, ...]] | None:
    match = _HEADER.match(header)
    if match is None:
        return None
    words = _TRAILER.sub("", match[2]).replace("_", " ").split()
    species = " ".join(words) if len(words) > 1 else ""
    return match[1], (words[0] if words else "", species)

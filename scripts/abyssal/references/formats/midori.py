"""MIDORI 2 (RAW, UNIQ, LONGEST, BLAST): ``>accession.<1.>600<TAB>root_1;Eukaryota_2759;...;Species name_taxid``."""

from __future__ import annotations

import re
from pathlib import Path

from abyssal.references.formats.headers import header_records
from abyssal.references.formats.raw import Preview, RawReference, split_lineage

_RANKS = ("superkingdom", "phylum", "class", "order", "family", "genus", "species")
_HEADER = re.compile(r"(\S+?)(?:###|\s+)(root_1;.*)")
_TAXID = re.compile(r"_\d+$")


class MidoriFormat:
    """Seven ranks below the root; the NCBI number behind each name is cut off."""

    name = "midori"

    def recognises(self, preview: Preview) -> bool:
        return bool(preview.headers) and all(_HEADER.fullmatch(header) for header in preview.headers)

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        records = header_records(
            fasta, ranks=_RANKS, parse=_parse, expected=">accession root_1;Eukaryota_2759;...;Species name_taxid"
        )
        return RawReference(self.name, fasta, _RANKS, records)


def _parse(header: str) -> tuple[str, tuple[str, ...]] | None:
    match = _HEADER.fullmatch(header)
    if match is None:
        return None
    names = split_lineage(match[2])[1:]
    return match[1], tuple(_TAXID.sub("", name) for name in names)

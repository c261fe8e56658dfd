"""PR2: ``>accession|gene|organelle|strain|Eukaryota|...|Species`` with 8 ranks, or 9 since version 5; or its tables."""

from __future__ import annotations

from pathlib import Path

from abyssal.errors import ReferenceFormatError
from abyssal.references.formats.fasta import read_headers
from abyssal.references.formats.headers import header_records
from abyssal.references.formats.joined import joined_records
from abyssal.references.formats.raw import RANKS_BY_DEPTH, Preview, RawReference
from abyssal.references.formats.tables import read_lineage_table
from abyssal.references.formats.tsv import TsvFormat

_FIXED_FIELDS = 4
_DEPTHS = (8, 9)


class Pr2Format:
    """The UTAX/long FASTA, the merged table (TSV), or FASTA beside the table or mothur's taxonomy file."""

    name = "pr2"

    def recognises(self, preview: Preview) -> bool:
        return bool(preview.headers) and all(_depth(header) in _DEPTHS for header in preview.headers)

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        if lineages is not None:
            table = read_lineage_table(lineages)
            return RawReference(self.name, fasta, table.ranks, joined_records(fasta, table, identify=_accession))
        first = read_headers(fasta, 1)
        if not first:
            raw = TsvFormat().read(fasta, None)
            return RawReference(self.name, raw.source, raw.ranks, raw.records)
        depth = _depth(first[0])
        if depth not in _DEPTHS:
            message = (
                f"{fasta} line 1: header {first[0][:80]!r} has {depth} names after accession|gene|organelle|strain; "
                "PR2 has 8, or 9 since version 5"
            )
            raise ReferenceFormatError(message)
        ranks = RANKS_BY_DEPTH[depth]
        records = header_records(
            fasta, ranks=ranks, parse=_parse, expected=">accession|gene|organelle|strain|Eukaryota|...|species"
        )
        return RawReference(self.name, fasta, ranks, records)


def _accession(header: str) -> str:
    return header.split(maxsplit=1)[0].split("|", maxsplit=1)[0]


def _depth(header: str) -> int:
    fields = header.split("|")
    return len(fields) - _FIXED_FIELDS if len(fields) > _FIXED_FIELDS and "__" not in header else 0


def _parse(header: str) -> tuple[str, tuple[str, ...]] | None:
    fields = header.split("|")
    return (fields[0], tuple(fields[_FIXED_FIELDS:])) if len(fields) > _FIXED_FIELDS else None

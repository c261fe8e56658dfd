"""UNITE general FASTA release: ``>Name|accession|SH|type|k__Fungi;p__...;s__Name``."""

from __future__ import annotations

from pathlib import Path

from abyssal.references.formats.headers import header_records, lettered_names, names_by_letter
from abyssal.references.formats.raw import RANKS_BY_DEPTH, Preview, RawReference, split_lineage

_LETTERS = ("k", "p", "c", "o", "f", "g", "s")
_MIN_FIELDS = 4


class UniteFormat:
    """The accession is ``accession|SH``, since one GenBank record can stand for several species hypotheses."""

    name = "unite"

    def recognises(self, preview: Preview) -> bool:
        return bool(preview.headers) and all(
            "|k__" in header and _parse(header) is not None for header in preview.headers
        )

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        ranks = RANKS_BY_DEPTH[len(_LETTERS)]
        records = header_records(fasta, ranks=ranks, parse=_parse, expected=">Name|accession|SH...|type|k__...;s__...")
        return RawReference(self.name, fasta, ranks, records)


def _parse(header: str) -> tuple[str, tuple[str, ...]] | None:
    fields = header.split("|")
    lineage = lettered_names(split_lineage(fields[-1]))
    if len(fields) < _MIN_FIELDS or "k" not in lineage:
        return None
    return "|".join(fields[1:3]), names_by_letter(lineage, _LETTERS)

"""QIIME 2: FASTA beside a two-column table (Feature ID, Taxon), with or without its header; also mothur's taxonomy."""

from __future__ import annotations

from pathlib import Path

from abyssal.errors import UsageError
from abyssal.references.formats.joined import joined_records
from abyssal.references.formats.raw import Preview, RawReference
from abyssal.references.formats.tables import read_lineage_table, table_columns


class Qiime2Format:
    """Lineages with ``k__`` or ``D_0__`` prefixes, or bare names of one depth."""

    name = "qiime2"

    def recognises(self, preview: Preview) -> bool:
        return (
            bool(preview.headers)
            and bool(preview.table)
            and table_columns(preview.table[0]) is None
            and all("\t" in line for line in preview.table)
        )

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        if lineages is None:
            message = f"{fasta}: the format qiime2 needs a lineage table (Feature ID, Taxon) beside the FASTA"
            raise UsageError(message)
        table = read_lineage_table(lineages)
        return RawReference(self.name, fasta, table.ranks, joined_records(fasta, table))

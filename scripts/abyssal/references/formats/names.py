"""FASTA headers that are nothing but ``Family_Genus_species`` (barque's databases)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from abyssal.references.formats.headers import header_records
from abyssal.references.formats.raw import Preview, RawRecord, RawReference

_HEADER = re.compile(r"([A-Z][A-Za-z-]+)_([A-Z][A-Za-z-]+)_([A-Za-z0-9.-]+(?:_[A-Za-z0-9.-]+)*)(?:\s.*)?")

# barque writes Fish_, Bird_ or Mammal_ where the family is not known.
_FAMILY = re.compile(r"[A-Z][a-z]+(?:idae|aceae)")


class NamesFormat:
    """Names only: a record is called by its header, with a number from the second of that name on."""

    name = "names"

    def recognises(self, preview: Preview) -> bool:
        return bool(preview.headers) and not preview.table and all(_HEADER.fullmatch(h) for h in preview.headers)

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        return RawReference(self.name, fasta, ("family", "genus", "species"), _numbered(fasta))


def _numbered(fasta: Path) -> Iterator[RawRecord]:
    seen: Counter[str] = Counter()
    records = header_records(fasta, ranks=("family", "genus", "species"), parse=_parse, expected="Family_Genus_species")
    for record in records:
        seen[record.accession] += 1
        times = seen[record.accession]
        accession = record.accession if times == 1 else f"{record.accession}.{times}"
        yield RawRecord(accession, record.sequence, record.names, record.line)


def _parse(header: str) -> tuple[str, tuple[str, ...]] | None:
    match = _HEADER.fullmatch(header)
    if match is None:
        return None
    family, genus, species = match.groups()
    return header.split(maxsplit=1)[0], (family if _FAMILY.fullmatch(family) else "", genus, f"{genus}_{species}")

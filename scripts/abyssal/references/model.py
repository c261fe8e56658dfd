"""A checked reference: distinct amplicons, each with every lineage that carries it.

On disk it is a pair of files. ``reference.fasta.gz`` has one record for each amplicon; ``lineages.tsv`` has one row for
every distinct (amplicon, lineage) pair: ``amplicon`` (the FASTA id), ``accession`` (first record with that pair), and a
column for every rank, highest first, an empty cell meaning *unknown at this rank*. Placeholders never appear: they are
unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from abyssal.errors import ReferenceFormatError
from abyssal.files import open_atomic
from abyssal.sequences.records import read_records, write_fasta

Lineage = tuple[str | None, ...]
"""Names from the highest rank to the lowest; None where the name is unknown or a placeholder."""

_FIXED_COLUMNS = ("amplicon", "accession")


@dataclass(frozen=True)
class AmpliconReference:
    """Distinct amplicons with their lineages.

    Attributes:
        ranks: rank names, highest first; ordered by the reference, never hard-coded.
        ids: one id an amplicon.
        sequences: upper-case amplicons without primers, in primer orientation, all distinct.
        members: for each amplicon its distinct (accession, lineage) pairs, at least one.
    """

    ranks: tuple[str, ...]
    ids: tuple[str, ...]
    sequences: tuple[str, ...]
    members: tuple[tuple[tuple[str, Lineage], ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def lineages(self) -> tuple[Lineage, ...]:
        """The lowest common ancestor of each amplicon's lineages: what the amplicon can say at most."""
        return tuple(common_lineage([lineage for _, lineage in pairs]) for pairs in self.members)

    def subset(self, keep: list[int]) -> AmpliconReference:
        """Return the amplicons at these positions, in this order."""
        return AmpliconReference(
            self.ranks,
            tuple(self.ids[i] for i in keep),
            tuple(self.sequences[i] for i in keep),
            tuple(self.members[i] for i in keep),
        )


def common_lineage(lineages: list[Lineage]) -> Lineage:
    """Return the names all lineages agree on from the top; None from the first rank where two known names differ.

    A name that is unknown in one lineage does not contradict the others.
    """
    common: list[str | None] = []
    for names in zip(*lineages, strict=True):
        known = {name for name in names if name is not None}
        if len(known) > 1:
            break
        common.append(known.pop() if known else None)
    return tuple(common) + (None,) * (len(lineages[0]) - len(common))


def write_reference(reference: AmpliconReference, fasta: Path, lineages: Path) -> None:
    """Write the two files of a checked reference."""
    write_fasta(fasta, zip(reference.ids, reference.sequences, strict=True))
    with open_atomic(lineages) as out:
        out.write("\t".join((*_FIXED_COLUMNS, *reference.ranks)) + "\n")
        for amplicon, pairs in zip(reference.ids, reference.members, strict=True):
            for accession, lineage in pairs:
                out.write("\t".join((amplicon, accession, *(name or "" for name in lineage))) + "\n")


def read_reference(fasta: Path, lineages: Path) -> AmpliconReference:
    """Read what ``write_reference`` wrote.

    Raises:
        ReferenceFormatError: columns, row widths or ids do not fit; names file and row.
    """
    rows = lineages.read_text(encoding="utf-8").splitlines()
    header = rows[0].split("\t") if rows else []
    if tuple(header[:2]) != _FIXED_COLUMNS or len(header) < 3:
        message = f"{lineages} row 1: expected the columns amplicon, accession and at least one rank, found {header}"
        raise ReferenceFormatError(message)
    members: dict[str, list[tuple[str, Lineage]]] = {}
    for number, row in enumerate(rows[1:], start=2):
        cells = row.split("\t")
        if len(cells) != len(header):
            message = f"{lineages} row {number}: {len(cells)} cells, expected {len(header)}"
            raise ReferenceFormatError(message)
        members.setdefault(cells[0], []).append((cells[1], tuple(name or None for name in cells[2:])))
    records = list(read_records(fasta))
    missing = [record.id for record in records if record.id not in members]
    if missing or len(members) != len(records):
        message = f"{fasta} and {lineages} do not hold the same amplicons (first missing: {(missing or ['-'])[0]})"
        raise ReferenceFormatError(message)
    return AmpliconReference(
        tuple(header[2:]),
        tuple(record.id for record in records),
        tuple(record.sequence for record in records),
        tuple(tuple(members[record.id]) for record in records),
    )

"""The truth beside a simulated study: per read, per molecule, per library.

``<library>_truth.tsv.gz`` has one row a pair (READ_COLUMNS), ``molecules.fasta.gz`` and ``molecules.tsv`` every
molecule that got a read, ``truth_reads.tsv`` the reads of each (library, molecule) with the lineage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.files import open_atomic
from abyssal.sequences.records import write_fasta
from abyssal.simulate.molecules import Molecule

READ_COLUMNS = (
    "read", "origin", "molecule", "status", "templates", "breakpoints", "strand", "pcr_errors",
    "substitutions_1", "indels_1", "substitutions_2", "indels_2",
)  # fmt: skip
"""``origin``: the library whose molecule it is (another one after a tag jump); ``molecule``: MD5 of the amplicon;
``breakpoints``: first position of each later parent; ``strand``: ``-`` when the reverse primer starts read 1."""

_COUNT_COLUMNS = ("sample", "molecule", "status", "templates", "reads", "reads_from_other_libraries")


def describe(molecule: Molecule) -> str:
    """Return the columns ``molecule`` to ``breakpoints`` of a read's row."""
    breakpoints = ";".join(map(str, molecule.breakpoints))
    return "\t".join((molecule.id, molecule.status, ";".join(molecule.templates), breakpoints))


def packed(texts: Iterable[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the texts as one byte array and the start of each, with the end of the last."""
    encoded = [text.encode("utf-8") for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(text) for text in encoded])]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8).copy(), starts


def write_molecules(molecules: Sequence[Molecule], counts: NDArray[np.int64], target: Path) -> None:
    """Write the molecules that got reads; ``counts``: (libraries, molecules, 2), own reads and jumped ones.

    Molecules with the same amplicon are one FASTA record and keep a row each in the table.
    """
    present = [position for position in range(len(molecules)) if counts[:, position].any()]
    distinct = {molecules[position].id: molecules[position].sequence for position in present}
    write_fasta(target / "molecules.fasta.gz", sorted(distinct.items()))
    with open_atomic(target / "molecules.tsv") as out:
        out.write("molecule\tstatus\ttemplates\tbreakpoints\tlength\treads\n")
        for position in present:
            molecule = molecules[position]
            reads = int(counts[:, position].sum())
            out.write(f"{describe(molecule)}\t{len(molecule.sequence)}\t{reads}\n")


def write_counts(
    libraries: Sequence[str],
    molecules: Sequence[Molecule],
    counts: NDArray[np.int64],
    ranks: Sequence[str],
    target: Path,
) -> None:
    """Write the reads of each library by molecule; identical amplicons with the same status are summed."""
    with open_atomic(target) as out:
        out.write("\t".join((*_COUNT_COLUMNS, *ranks)) + "\n")
        for library, name in enumerate(libraries):
            for row in _rows(name, molecules, counts[library], len(ranks)):
                out.write("\t".join(row) + "\n")


def _rows(name: str, molecules: Sequence[Molecule], counts: NDArray[np.int64], ranks: int) -> list[tuple[str, ...]]:
    summed: dict[tuple[str, str], NDArray[np.int64]] = defaultdict(lambda: np.zeros(2, dtype=np.int64))
    members: dict[tuple[str, str], list[Molecule]] = defaultdict(list)
    for position in np.flatnonzero(counts.any(axis=1)).tolist():
        molecule = molecules[position]
        summed[molecule.id, molecule.status] += counts[position]
        members[molecule.id, molecule.status].append(molecule)
    rows = []
    for (identifier, status), (own, jumped) in summed.items():
        parts = members[identifier, status]
        templates = "|".join(dict.fromkeys(";".join(part.templates) for part in parts))
        rows.append(
            (name, identifier, status, templates, str(own + jumped), str(jumped), *_common(parts, ranks))
        )  # fmt: skip
    return sorted(rows, key=lambda row: (-int(row[4]), row[1], row[2]))


def _common(molecules: Sequence[Molecule], ranks: int) -> list[str]:
    """Return the names that all lineages share, empty where they differ or are unknown."""
    names = []
    for rank in range(ranks):
        found = {m.lineage[rank] if rank < len(m.lineage) else None for m in molecules}
        only = found.pop() if len(found) == 1 else None
        names.append(only or "")
    return names

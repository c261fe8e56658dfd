"""What every reference format is turned into, and what a format has to offer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from abyssal.errors import ReferenceFormatError

LINEAGE_LETTERS = {
    "d": "domain", "k": "kingdom", "p": "phylum", "c": "class", "o": "order", "f": "family", "g": "genus",
    "s": "species", "t": "strain",
}  # fmt: skip
"""Rank letters of SINTAX, Greengenes, UNITE and QIIME 2 lineages."""

RANKS_BY_DEPTH = {
    6: ("kingdom", "phylum", "class", "order", "family", "genus"),
    7: ("kingdom", "phylum", "class", "order", "family", "genus", "species"),
    8: ("kingdom", "supergroup", "division", "class", "order", "family", "genus", "species"),
    9: ("domain", "supergroup", "division", "subdivision", "class", "order", "family", "genus", "species"),
}
"""Ranks of lineages that do not say what their levels are; 8 and 9 are PR2 before and since version 5."""

_DNA = re.compile(r"[ACGTUNacgtun-]{25,}")


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One labelled sequence as its file has it.

    Attributes:
        accession: identifier, unique in its reference.
        sequence: letters as given; case, gaps and U are not yet dealt with.
        names: one name a rank, highest first; placeholders are still there, an empty string is unknown.
        line: 1-based line of the record's header or table row.
    """

    accession: str
    sequence: str
    names: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class RawReference:
    """A reference's ranks (highest first) and a stream of its records, which can be read once."""

    format: str
    source: Path
    ranks: tuple[str, ...]
    records: Iterator[RawRecord]


@dataclass(frozen=True, slots=True)
class Preview:
    """The beginning of a reference, by which formats recognise their own.

    Attributes:
        first: the first line of the sequence file.
        headers: up to 50 FASTA headers without ``>``; empty when the file is not FASTA.
        table: up to 5 lines of the lineage table; empty without one.
    """

    first: str
    headers: tuple[str, ...]
    table: tuple[str, ...]


class ReferenceFormat(Protocol):
    """One way of writing labelled sequences; implementations are modules of this package."""

    name: str

    def recognises(self, preview: Preview) -> bool:
        """Return whether the files look like this format."""

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        """Open the files; records are parsed while they are read.

        Raises:
            ReferenceFormatError: names file and line.
        """


def malformed(source: Path, line: int, problem: str, *, mend: str = "") -> ReferenceFormatError:
    """Return the error for a line of a reference: where, what, how to mend."""
    return ReferenceFormatError(f"{source} line {line}: {problem}" + (f"; {mend}" if mend else ""))


def check_names(source: Path, line: int, names: tuple[str, ...], expected: int) -> None:
    """Raise ReferenceFormatError for a wrong number of names or for DNA where a name belongs."""
    if len(names) != expected:
        raise malformed(
            source, line, f"{len(names)} lineage names, expected {expected} as in the first record",
            mend="a reference must use one set of ranks throughout",
        )  # fmt: skip
    check_no_dna(source, line, names)


def check_no_dna(source: Path, line: int, names: tuple[str, ...]) -> None:
    """Raise ReferenceFormatError when a name is a sequence."""
    for name in names:
        if len(name) >= 25 and _DNA.fullmatch(name):
            raise malformed(
                source, line, f"a DNA sequence ({name[:20]}...) stands where a taxon's name belongs",
                mend="check that the columns are not swapped",
            )  # fmt: skip


def split_lineage(text: str) -> tuple[str, ...]:
    """Split a lineage at semicolons; a trailing semicolon adds no name."""
    return tuple(name.strip() for name in text.strip().rstrip(";").split(";"))


def strip_prefix(name: str) -> tuple[str | None, str]:
    """Split ``g__Name`` into its rank letter and its name; the letter is None without such a prefix."""
    if len(name) >= 3 and name[1:3] == "__" and name[0].lower() in LINEAGE_LETTERS:
        return name[0].lower(), name[3:]
    return None, name

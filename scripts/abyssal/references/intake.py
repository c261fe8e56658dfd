"""Raw records checked and labelled: letters, identifiers, names."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from abyssal.references.formats.raw import RawRecord, malformed
from abyssal.references.lineage import LineageBook
from abyssal.sequences.alphabet import first_invalid_letter, normalise

_GAPS = str.maketrans("", "", "-. \t")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A checked record: upper-case IUPAC sequence and the position of its lineage in the book."""

    accession: str
    sequence: str
    lineage: int


class Counts(Protocol):
    """What the intake reports to."""

    records: int

    def drop(self, accession: str, reason: str) -> None:
        """Count a record as dropped."""


class Intake:
    """Checks records one by one; remembers identifiers as hashes so that a million of them stay small."""

    def __init__(self, source: Path, book: LineageBook, counts: Counts) -> None:
        self._source = source
        self._book = book
        self._counts = counts
        self._seen: dict[str, int] = {}
        self._contents = array("q")
        self._lines = array("q")

    def accept(self, records: Iterable[RawRecord]) -> Iterator[Labelled]:
        """Yield checked records; drops exact repetitions and records without any known name.

        Raises:
            ReferenceFormatError: a letter outside IUPAC, or an identifier that comes again with other contents.
        """
        for record in records:
            self._counts.records += 1
            sequence = self._checked_sequence(record)
            if self._is_repeated(record, sequence):
                self._counts.drop(record.accession, "duplicate")
                continue
            lineage = self._book.add(record.names, record.line)
            if not any(self._book.lineages[lineage]):
                self._counts.drop(record.accession, "no_known_name")
                continue
            yield Labelled(record.accession, sequence, lineage)

    def _checked_sequence(self, record: RawRecord) -> str:
        sequence = normalise(record.sequence.translate(_GAPS))
        invalid = first_invalid_letter(sequence)
        if invalid is not None:
            position, letter = invalid
            raise malformed(
                self._source, record.line,
                f"record {record.accession!r}: letter {letter!r} at position {position + 1} of its sequence is not a "
                f"nucleotide (sequence begins {sequence[:20]!r})",
                mend="expected IUPAC letters; check that the columns are not swapped",
            )  # fmt: skip
        return sequence

    def _is_repeated(self, record: RawRecord, sequence: str) -> bool:
        position = self._seen.setdefault(record.accession, len(self._lines))
        content = hash((sequence, record.names))
        if position == len(self._lines):
            self._lines.append(record.line)
            self._contents.append(content)
            return False
        if self._contents[position] != content:
            raise malformed(
                self._source, record.line,
                f"identifier {record.accession!r} has another sequence or lineage on line {self._lines[position]}",
                mend="give every record its own identifier",
            )  # fmt: skip
        return True

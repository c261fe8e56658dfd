"""GenBank flat files (Biopython): accession, organism, and the lineage as far as names betray their rank.

GenBank lists a lineage without ranks. A name is placed only where a nomenclature code fixes its ending (family -idae or
-aceae, order -ales or -iformes, class -phyceae or -mycetes, phylum -phyta or -mycota); everything else stays unknown.
With a lineage table, keyed by accession, the table is used instead.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from abyssal.errors import ReferenceFormatError, UsageError
from abyssal.references.formats.fasta import open_lines
from abyssal.references.formats.raw import Preview, RawRecord, RawReference, malformed
from abyssal.references.formats.tables import LineageTable, read_lineage_table

_RANKS = ("superkingdom", "phylum", "class", "order", "family", "genus", "species")
_ENDINGS = {
    "phylum": re.compile(r"[A-Z][a-z]+(?:phyta|mycota)"),
    "class": re.compile(r"[A-Z][a-z]+(?:phyceae|mycetes|opsida)"),
    "order": re.compile(r"[A-Z][a-z]+(?:ales|iformes)"),
    "family": re.compile(r"[A-Z][a-z]+(?:idae|aceae)"),
}


class GenbankFormat:
    """Whole records; the in-silico PCR finds the marker in them."""

    name = "genbank"

    def recognises(self, preview: Preview) -> bool:
        return preview.first.startswith("LOCUS ")

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        table = read_lineage_table(lineages) if lineages is not None else None
        ranks = table.ranks if table is not None else _RANKS
        return RawReference(self.name, fasta, ranks, _records(fasta, table))


class _CountingStream:
    """Text lines for Biopython, which asks for ``readline`` and iteration, counted for error messages."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.count = 0

    def readline(self) -> str:
        line = next(self._lines, None)
        if line is None:
            return ""
        self.count += 1
        return line + "\n"

    def read(self, size: int = -1) -> str:
        return "" if size == 0 else self.readline()

    def __iter__(self) -> Iterator[str]:
        while line := self.readline():
            yield line


def _records(source: Path, table: LineageTable | None) -> Iterator[RawRecord]:
    parse = _parser()
    with open_lines(source) as lines:
        stream = _CountingStream(lines)
        records = parse(stream)
        while True:
            start = stream.count + 1
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    record = next(records, None)
                    letters = str(record.seq) if record is not None else ""
            except (ValueError, KeyError, AssertionError, AttributeError) as error:
                raise malformed(source, start, f"not a well-formed GenBank record: {error}") from error
            if record is None:
                break
            yield _raw(source, record, letters, table, start)
        if stream.count and start == 1:
            message = f"{source} line 1: no GenBank records; expected a flat file that starts with LOCUS"
            raise ReferenceFormatError(message)


def _parser() -> Any:
    try:
        from Bio.GenBank.Scanner import GenBankScanner
    except ImportError as error:
        message = "GenBank records need Biopython; install it with: pip install 'abyssal[workflow]'"
        raise UsageError(message) from error

    def parse(stream: _CountingStream) -> Iterator[Any]:
        scanner: Any = GenBankScanner
        return iter(scanner().parse_records(stream, do_features=False))

    return parse


def _raw(source: Path, record: Any, letters: str, table: LineageTable | None, line: int) -> RawRecord:
    accession = str(record.id)
    if table is not None:
        row = table.rows.get(accession) or table.rows.get(accession.split(".", maxsplit=1)[0])
        if row is None:
            raise malformed(source, line, f"record {accession!r} has no row in {table.source}", mend="add the row")
        return RawRecord(accession, letters, row[0], line)
    return RawRecord(accession, letters, _names(record.annotations), line)


def _names(annotations: dict[str, Any]) -> tuple[str, ...]:
    organism = str(annotations.get("organism", ""))
    levels = [str(name) for name in annotations.get("taxonomy", [])]
    names = dict.fromkeys(_RANKS, "")
    names["superkingdom"] = levels[0] if levels else ""
    for level in levels[1:]:
        for rank, ending in _ENDINGS.items():
            if ending.fullmatch(level):
                names[rank] = level
    words = organism.split()
    if len(words) > 1 and words[0] in levels:
        names["genus"] = words[0]
    names["species"] = organism if len(words) > 1 else ""
    return tuple(names.values())

"""Reference formats: a small module each, one interface (``raw.ReferenceFormat``), known by their first records."""

from __future__ import annotations

from pathlib import Path

from abyssal.errors import ReferenceFormatError, UsageError
from abyssal.references.formats.bold import BoldFormat
from abyssal.references.formats.dada2 import Dada2Format
from abyssal.references.formats.fasta import read_headers, read_start
from abyssal.references.formats.genbank import GenbankFormat
from abyssal.references.formats.greengenes import GreengenesFormat
from abyssal.references.formats.midori import MidoriFormat
from abyssal.references.formats.mitofish import MitoFishFormat
from abyssal.references.formats.names import NamesFormat
from abyssal.references.formats.pr2 import Pr2Format
from abyssal.references.formats.qiime2 import Qiime2Format
from abyssal.references.formats.raw import Preview, RawRecord, RawReference, ReferenceFormat
from abyssal.references.formats.silva import SilvaFormat
from abyssal.references.formats.sintax import SintaxFormat
from abyssal.references.formats.tsv import TsvFormat, split_column
from abyssal.references.formats.unite import UniteFormat

__all__ = ["FORMATS", "RawRecord", "RawReference", "open_reference", "recognise"]

# The order matters for recognition only: a format stands before those that are more permissive.
FORMATS: dict[str, ReferenceFormat] = {
    found.name: found
    for found in (
        GenbankFormat(), UniteFormat(), MidoriFormat(), SilvaFormat(), SintaxFormat(), MitoFishFormat(), Pr2Format(),
        BoldFormat(), GreengenesFormat(), Qiime2Format(), TsvFormat(), NamesFormat(), Dada2Format(),
    )
}  # fmt: skip

_HEADERS = 50
_TABLE_LINES = 5


def open_reference(fasta: Path, lineages: Path | None = None, *, format_name: str = "auto") -> RawReference:
    """Open a reference's files in the named format, or in the one its first records look like.

    Args:
        fasta: FASTA, GenBank flat file or table with sequences; ``table.tsv#column`` picks a sequence column.
        lineages: table of lineages beside it, for formats that need or allow one.
        format_name: a key of ``FORMATS`` or ``auto``.

    Raises:
        UsageError: no such file or no such format.
        ReferenceFormatError: the format cannot be recognised, or the files are malformed.
    """
    if format_name == "auto":
        return recognise(fasta, lineages).read(fasta, lineages)
    if format_name not in FORMATS:
        message = f"unknown reference format {format_name!r}; expected auto or one of {', '.join(sorted(FORMATS))}"
        raise UsageError(message)
    return FORMATS[format_name].read(fasta, lineages)


def recognise(fasta: Path, lineages: Path | None = None) -> ReferenceFormat:
    """Return the first format that recognises the files; ReferenceFormatError shows what was seen."""
    source, _ = split_column(fasta)
    start = read_start(source, 1)
    if not start:
        message = f"{source}: the file is empty; expected a reference"
        raise ReferenceFormatError(message)
    headers = read_headers(source, _HEADERS) if start[0].startswith(">") else ()
    table = read_start(lineages, _TABLE_LINES) if lineages is not None else ()
    if lineages is not None and not table:
        message = f"{lineages}: the file is empty; expected a row of identifier and lineage for each record of {source}"
        raise ReferenceFormatError(message)
    preview = Preview(start[0], headers, table)
    for found in FORMATS.values():
        if found.recognises(preview):
            return found
    begun = f"{source} line 1: no known reference format begins with {start[0][:80]!r}"
    expected = f"name the format (one of {', '.join(sorted(FORMATS))})"
    if table:
        message = f"{begun} beside {lineages} with {table[0][:80]!r}; check that it is tab-separated, or {expected}"
    else:
        message = f"{begun}; give a lineage table beside the FASTA, or {expected}"
    raise ReferenceFormatError(message)

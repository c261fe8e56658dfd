"""What formats share that carry the lineage in the FASTA header."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from abyssal.references.formats.fasta import open_lines, read_fasta
from abyssal.references.formats.raw import (
    LINEAGE_LETTERS,
    RANKS_BY_DEPTH,
    RawRecord,
    check_names,
    malformed,
    strip_prefix,
)

_SILVA_PREFIX = re.compile(r"D_(\d+)__(.*)", re.DOTALL)
_SILVA_LETTERS = "dpcofgst"

Parse = Callable[[str], tuple[str, tuple[str, ...]] | None]
"""Header without ``>`` to (accession, names); None when the header is not of the format."""


def header_records(fasta: Path, *, ranks: tuple[str, ...], parse: Parse, expected: str) -> Iterator[RawRecord]:
    """Yield records whose headers ``parse`` understands; ReferenceFormatError at the first one it does not."""
    for entry in read_fasta(fasta):
        parsed = parse(entry.header)
        if parsed is None or not parsed[0]:
            raise malformed(
                fasta, entry.line, f"header {entry.header[:80]!r} is not of the expected form {expected}",
                mend="name the right format, or remove the record",
            )  # fmt: skip
        accession, names = parsed
        check_names(fasta, entry.line, names, len(ranks))
        yield RawRecord(accession, entry.sequence, names, entry.line)


def scan_headers(fasta: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, header) of every record; a first pass that learns which ranks a file uses."""
    with open_lines(fasta) as lines:
        for number, line in enumerate(lines, start=1):
            if line.startswith(">"):
                yield number, line[1:].strip()


def ranks_for_depth(depth: int) -> tuple[str, ...]:
    """Return the rank names of lineages that do not name their levels."""
    return RANKS_BY_DEPTH.get(depth) or tuple(f"level_{level}" for level in range(1, depth + 1))


def lettered_names(names: Iterable[str]) -> dict[str, str]:
    """Return name by rank letter for ``k__Name`` and ``D_0__Name``; names without a prefix are left out."""
    found: dict[str, str] = {}
    for name in names:
        silva = _SILVA_PREFIX.fullmatch(name)
        if silva and int(silva[1]) < len(_SILVA_LETTERS):
            found[_SILVA_LETTERS[int(silva[1])]] = silva[2]
            continue
        letter, bare = strip_prefix(name)
        if letter is not None:
            found[letter] = bare
    return found


def order_letters(lineages: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Return all rank letters in use, highest rank first."""
    used = {letter for lineage in lineages for letter in lineage}
    return tuple(letter for letter in LINEAGE_LETTERS if letter in used)


def names_by_letter(lineage: Mapping[str, str], letters: tuple[str, ...]) -> tuple[str, ...]:
    """Return one name a letter, empty where the lineage has none."""
    return tuple(lineage.get(letter, "") for letter in letters)


def ranks_of_letters(letters: tuple[str, ...]) -> tuple[str, ...]:
    """Return the rank names of letters."""
    return tuple(LINEAGE_LETTERS[letter] for letter in letters)

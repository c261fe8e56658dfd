"""SILVA: ``>accession.start.stop Bacteria;...;organism``, where the number of levels differs from lineage to lineage.

Only SILVA's taxmap (``tax_slv_ssu_*.txt``: path, taxid, rank) says which level is which rank; give it as the lineage
table and every name lands at its rank. Without it, a lineage of exactly six levels and an organism is read as domain to
genus; of any other, only the domain, the genus (where the organism's first word repeats the last level) and the
organism are used, and what stands between is unknown rather than guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from abyssal.errors import ReferenceFormatError
from abyssal.references.formats.fasta import open_lines
from abyssal.references.formats.headers import header_records
from abyssal.references.formats.raw import Preview, RawReference, malformed, split_lineage

_RANKS = ("domain", "phylum", "class", "order", "family", "genus", "species")
_HEADER = re.compile(r"([A-Za-z0-9_]+\.\d+\.\d+)\s+((?:Bacteria|Archaea|Eukaryota);.*)")
_TAXMAP_COLUMNS = 3


class SilvaFormat:
    """SSU and LSU exports, full, NR99 or truncated; U is read as T."""

    name = "silva"

    def recognises(self, preview: Preview) -> bool:
        return bool(preview.headers) and all(_HEADER.fullmatch(header) for header in preview.headers)

    def read(self, fasta: Path, lineages: Path | None) -> RawReference:
        name_levels: Callable[[tuple[str, ...]], tuple[str, ...]] = _by_depth
        if lineages is not None:
            ranks_of_paths = _read_taxmap(lineages)

            def name_levels(levels: tuple[str, ...]) -> tuple[str, ...]:
                return _by_taxmap(levels, ranks_of_paths)

        def parse(header: str) -> tuple[str, tuple[str, ...]] | None:
            match = _HEADER.fullmatch(header)
            return None if match is None else (match[1], name_levels(split_lineage(match[2])))

        records = header_records(fasta, ranks=_RANKS, parse=parse, expected=">accession.start.stop Bacteria;...;name")
        return RawReference(self.name, fasta, _RANKS, records)


def _by_depth(levels: tuple[str, ...]) -> tuple[str, ...]:
    if len(levels) == len(_RANKS):
        return levels
    organism = levels[-1] if len(levels) > 1 else ""
    last = levels[-2] if len(levels) > 2 else ""
    genus = last if organism.split(" ")[0] == last else ""
    return (levels[0], "", "", "", "", genus, organism)


def _by_taxmap(levels: tuple[str, ...], ranks_of_paths: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    names = dict.fromkeys(_RANKS, "")
    for depth in range(1, len(levels)):
        rank = ranks_of_paths.get(levels[:depth])
        if rank in names:
            names[rank] = levels[depth - 1]
    names["species"] = levels[-1] if len(levels) > 1 else ""
    return tuple(names.values())


def _read_taxmap(source: Path) -> dict[tuple[str, ...], str]:
    paths: dict[tuple[str, ...], str] = {}
    for line, cells in _taxmap_rows(source):
        if len(cells) < _TAXMAP_COLUMNS or not cells[1].isdigit():
            raise malformed(
                source, line, f"expected path, number and rank separated by tabs, found {' '.join(cells)[:60]!r}",
                mend="SILVA's lineage table is tax_slv_ssu_<version>.txt; for another table use format tsv or qiime2",
            )  # fmt: skip
        paths[split_lineage(cells[0])] = cells[2].casefold()
    if not paths:
        message = f"{source}: no rows; expected SILVA's taxmap (path, number, rank)"
        raise ReferenceFormatError(message)
    return paths


def _taxmap_rows(source: Path) -> Iterator[tuple[int, list[str]]]:
    with open_lines(source) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line.split("\t")

"""Template sequences: what may be in a sample, with ids, labels and lineages."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from abyssal.errors import ReferenceFormatError, SequenceFormatError, UsageError
from abyssal.references.markers import ResolvedMarker
from abyssal.references.model import AmpliconReference
from abyssal.references.pcr import Site, amplify
from abyssal.sequences.alphabet import IUPAC_BASES, first_invalid_letter, normalise
from abyssal.sequences.records import read_records

logger = logging.getLogger(__name__)

_SHORTEST = 20


@dataclass(frozen=True)
class Template:
    """One amplicon without primers, in primer orientation.

    Attributes:
        id: what truth tables call it.
        sequence: upper-case A, C, G, T.
        label: status of its reads in the truth tables ("known", "new_species" ...).
        lineage: names from the highest rank down, None where unknown.
        primed: whether the marker's primers flank it.
        parent: id of the template that an intraspecific variant comes from, or None.
    """

    id: str
    sequence: str
    label: str = "known"
    lineage: tuple[str | None, ...] = ()
    primed: bool = True
    parent: str | None = None


def templates_from_reference(reference: AmpliconReference, *, label: str = "known") -> list[Template]:
    """Return one template an amplicon, with the lineage common to its members."""
    rows = zip(reference.ids, reference.sequences, reference.lineages, strict=True)
    return [Template(name, sequence, label, lineage) for name, sequence, lineage in rows]


def read_templates(
    fasta: Path, rng: np.random.Generator, *, lineages: Path | None = None, label: str = "known", primed: bool = True
) -> list[Template]:
    """Read templates from a FASTA file; letters that stand for several bases are resolved at random.

    Args:
        fasta: amplicons without primers; ids must be unique.
        rng: source of randomness for degenerate letters.
        lineages: table whose first column is the id and whose other columns are ranks.
        label, primed: status of their reads; whether primers flank them.

    Raises:
        SequenceFormatError: a sequence is too short or has letters outside IUPAC.
        ReferenceFormatError: an id occurs twice, or the table lacks one.
        UsageError: the file holds no sequence.
    """
    known = _read_lineages(lineages) if lineages is not None else None
    templates: dict[str, Template] = {}
    for number, record in enumerate(read_records(fasta), start=1):
        sequence = normalise(record.sequence)
        where = f"{fasta} record {number} ({record.id})"
        invalid = first_invalid_letter(sequence)
        if invalid is not None:
            message = f"{where}: letter {invalid[1]!r} at position {invalid[0] + 1} is not a nucleotide"
            raise SequenceFormatError(message)
        if len(sequence) < _SHORTEST:
            message = f"{where}: {len(sequence)} bp, expected at least {_SHORTEST}"
            raise SequenceFormatError(message)
        if record.id in templates:
            message = f"{where}: this id occurs twice; give every template its own"
            raise ReferenceFormatError(message)
        if known is not None and record.id not in known:
            message = f"{where}: no row in {lineages}; its first column must hold every id"
            raise ReferenceFormatError(message)
        lineage = known[record.id] if known is not None else ()
        templates[record.id] = Template(record.id, resolve(sequence, rng), label, lineage, primed)
    if not templates:
        message = f"{fasta}: no sequences; expected at least one template"
        raise UsageError(message)
    return list(templates.values())


def read_ranks(lineages: Path) -> tuple[str, ...]:
    """Return the rank names of a lineage table."""
    return tuple(_header(lineages)[1:])


def _header(lineages: Path) -> list[str]:
    with _open(lineages) as rows:
        header = next(iter(rows), "").rstrip("\r\n").split("\t")
    if len(header) < 2:
        message = f"{lineages} row 1: expected tab-separated columns, the id and at least one rank, found {header}"
        raise ReferenceFormatError(message)
    return header


def _read_lineages(lineages: Path) -> dict[str, tuple[str | None, ...]]:
    width = len(_header(lineages))
    found: dict[str, tuple[str | None, ...]] = {}
    with _open(lineages) as rows:
        for number, row in enumerate(rows, start=1):
            cells = row.rstrip("\r\n").split("\t")
            if len(cells) != width:
                message = f"{lineages} row {number}: {len(cells)} cells, expected {width}"
                raise ReferenceFormatError(message)
            if number > 1:
                found[cells[0]] = tuple(name or None for name in cells[1:])
    return found


def _open(table: Path) -> IO[str]:
    if not table.is_file():
        message = f"{table}: no such table of lineages"
        raise UsageError(message)
    return gzip.open(table, "rt", encoding="utf-8") if table.suffix == ".gz" else table.open(encoding="utf-8")


def resolve(sequence: str, rng: np.random.Generator) -> str:
    """Replace each letter that stands for several bases by one of them."""
    if not set(sequence) - set("ACGT"):
        return sequence
    return "".join(str(rng.choice(list(IUPAC_BASES[letter]))) for letter in sequence)


def add_variants(
    templates: Sequence[Template], rng: np.random.Generator, *, mean: float, divergence: float
) -> list[Template]:
    """Return the templates followed by intraspecific variants of them.

    Args:
        templates: the originals.
        rng: source of randomness.
        mean: variants per template, Poisson.
        divergence: substitutions per base of a variant, at least one.
    """
    variants = []
    for template, count in zip(templates, rng.poisson(mean, len(templates)), strict=True):
        for number in range(1, int(count) + 1):
            sequence = substitute(template.sequence, max(1, rng.poisson(divergence * len(template.sequence))), rng)
            variants.append(replace(template, id=f"{template.id}.v{number}", sequence=sequence, parent=template.id))
    return [*templates, *variants]


def substitute(sequence: str, count: int, rng: np.random.Generator) -> str:
    """Return the sequence with ``count`` distinct positions replaced by another base."""
    letters = list(sequence)
    for position in rng.choice(len(letters), size=min(count, len(letters)), replace=False):
        others = [base for base in "ACGT" if base != letters[position]]
        letters[position] = others[int(rng.integers(3))]
    return "".join(letters)


def by_id(templates: Iterable[Template]) -> dict[str, int]:
    """Return the position of each id."""
    return {template.id: position for position, template in enumerate(templates)}


def take_out(
    templates: Sequence[Template], count: int, rng: np.random.Generator, *, label: str
) -> tuple[list[Template], list[Template]]:
    """Draw ``count`` templates, give them another label, and return (those, the rest).

    Raises:
        UsageError: nothing would be left.
    """
    if count >= len(templates):
        message = f"{count} of {len(templates)} templates asked as {label}; nothing would be left, ask for fewer"
        raise UsageError(message)
    drawn = set(rng.permutation(len(templates))[:count].tolist())
    taken = [replace(templates[position], label=label) for position in sorted(drawn)]
    return taken, [template for position, template in enumerate(templates) if position not in drawn]


def cut_templates(templates: Sequence[Template], marker: ResolvedMarker, *, max_mismatches: int = 3) -> list[Template]:
    """Return the amplicons of longer templates; those without both primer sites are left out.

    Raises:
        UsageError: no template has both sites.
    """
    results = amplify([template.sequence for template in templates], marker, max_mismatches=max_mismatches)
    cut = [
        replace(template, sequence=result.sequence)
        for template, result in zip(templates, results, strict=True)
        if result.site is Site.AMPLIFIED
    ]
    if not cut:
        message = f"none of {len(templates)} templates has both primer sites of {marker.name}; is it the right marker?"
        raise UsageError(message)
    logger.info("%d of %d templates have both primer sites", len(cut), len(templates))
    return cut

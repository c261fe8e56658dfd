"""Made-up references: sequences with known primer sites and lineages."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from abyssal.references.formats.raw import RawRecord, RawReference
from abyssal.references.markers import ResolvedMarker
from abyssal.references.model import AmpliconReference

RANKS = ("phylum", "family", "genus", "species")
MARKER = ResolvedMarker("made", "GGATTAGATACCCTGGTA", "CCGTCAATTCCTTTGAGT", 100, 200)
FORWARD_SITE = "GGATTAGATACCCTGGTA"
REVERSE_SITE = "ACTCAAAGGAATTGACGG"


def random_dna(rng: np.random.Generator, length: int) -> str:
    """Return random A, C, G, T."""
    return "".join(np.array(list("ACGT"))[rng.integers(0, 4, size=length)])


def mutate(rng: np.random.Generator, sequence: str, share: float) -> str:
    """Substitute a share of the letters by other ones."""
    letters = np.array(list(sequence))
    places = rng.choice(letters.size, size=round(share * letters.size), replace=False)
    for place in places:
        letters[place] = rng.choice([base for base in "ACGT" if base != letters[place]])
    return "".join(letters)


def raw(records: Iterable[RawRecord], ranks: tuple[str, ...] = RANKS) -> RawReference:
    """Wrap records as an opened reference."""
    return RawReference("tsv", Path("made.tsv"), ranks, iter(records))


def tree_reference(
    rng: np.random.Generator, *, families: int = 12, genera: int = 3, species: int = 4, length: int = 300
) -> AmpliconReference:
    """A reference grown along a tree: families 20 % apart from their root, genera 6 %, species 1 %."""
    root = random_dna(rng, length)
    sequences: dict[str, tuple[str, ...]] = {}
    for family in range(families):
        family_sequence = mutate(rng, root, 0.20)
        for genus in range(genera):
            genus_sequence = mutate(rng, family_sequence, 0.06)
            for number in range(species):
                name = f"F{family:02d}g{genus}"
                lineage = ("Phylum", f"F{family:02d}idae", name, f"{name}_s{number}")
                sequences[mutate(rng, genus_sequence, 0.01)] = lineage
    ids = tuple(f"r{number:04d}" for number in range(len(sequences)))
    members = tuple(((name, lineage),) for name, lineage in zip(ids, sequences.values(), strict=True))
    return AmpliconReference(RANKS, ids, tuple(sequences), members)


def write_text(path: Path, text: str) -> Path:
    """Write a text file, gzipped when its name says so, and return its path."""
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path

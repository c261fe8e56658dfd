"""A small reference with a known tree: sequences drift apart rank by rank, so that every taxon can be told."""

from __future__ import annotations

import numpy as np

from abyssal.references.model import AmpliconReference
from abyssal.sequences.alphabet import sequence_id

RANKS = ("kingdom", "order", "family", "genus", "species")
_CHILDREN = (3, 3, 3, 3)
_DRIFT = (0.25, 0.12, 0.06, 0.02)
_VARIANTS = 3
LENGTH = 240


def mutate(sequence: str, rate: float, rng: np.random.Generator) -> str:
    """Replace a share of the letters by other ones."""
    letters = np.array(list(sequence))
    hit = rng.random(letters.size) < rate
    letters[hit] = rng.choice(list("ACGT"), size=int(hit.sum()))
    return "".join(letters)


def evolved_reference(seed: int = 7) -> AmpliconReference:
    """Return 81 species of 27 genera, 9 families and 3 orders, three amplicons each."""
    rng = np.random.default_rng(seed)
    root = "".join(rng.choice(list("ACGT"), size=LENGTH))
    found: dict[str, list[tuple[str, tuple[str | None, ...]]]] = {}

    def grow(sequence: str, names: tuple[str, ...]) -> None:
        depth = len(names) - 1
        if depth == len(_CHILDREN):
            for _ in range(_VARIANTS):
                variant = mutate(sequence, 0.006, rng)
                found.setdefault(variant, []).append((f"r{len(found)}", names))
            return
        for child in range(_CHILDREN[depth]):
            grow(mutate(sequence, _DRIFT[depth], rng), (*names, f"{names[-1]}{'ofgs'[depth]}{child}"))

    grow(root, ("k",))
    sequences = tuple(sorted(found))
    ids = tuple(sequence_id(sequence) for sequence in sequences)
    members = tuple(tuple({lineage: (name, lineage) for name, lineage in found[s]}.values()) for s in sequences)
    return AmpliconReference(RANKS, ids, sequences, members)

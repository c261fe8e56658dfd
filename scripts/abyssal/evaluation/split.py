"""Held-out queries from a reference: taxa chosen by the hash of their names, known species with unseen sequences.

The taxa are those of ``abyssal.splits``' *report* part: no encoder may train on them and no calibrator sees them here.
The split depends on names and sequences only, so it is the same on every machine and stable while a reference grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from abyssal.references.model import AmpliconReference, Lineage
from abyssal.splits import genus_part, species_part

KNOWN_SHARE = 0.04
"""Share of amplicons of repeated species that become queries of a known species."""


@dataclass(frozen=True)
class HeldOutQuery:
    """One graded sequence.

    Attributes:
        id: id of the amplicon in the reference.
        sequence: its letters.
        lineage: one true lineage.
    """

    id: str
    sequence: str
    lineage: Lineage


@dataclass(frozen=True)
class EvaluationSplit:
    """What is fitted on and what is asked.

    Attributes:
        fitted: reference without the held-out taxa and amplicons.
        kept: positions in the whole reference of the amplicons of ``fitted``.
        queries: graded sequences; none of them is in ``fitted``.
    """

    fitted: AmpliconReference
    kept: tuple[int, ...]
    queries: tuple[HeldOutQuery, ...]


def split_reference(
    reference: AmpliconReference, most: int, seed: int, *, seen: Callable[[str], bool] = lambda _: False
) -> EvaluationSplit:
    """Split a reference; at most ``most`` queries are asked, chosen evenly over new and known taxa.

    An amplicon that a held-out and a remaining taxon share stays in the reference and is not asked: nobody could tell.
    Nor is one asked that an encoder has been trained on, as ``seen`` tells.
    """
    counts = _species_counts(reference)
    kept: list[int] = []
    queries: list[HeldOutQuery] = []
    members = []
    for place, pairs in enumerate(reference.members):
        left = tuple(pair for pair in pairs if not _held_out(reference.ranks, pair[1]))
        known = any(counts.get(lineage[-1] or "", 0) > 1 for _, lineage in left)
        if left and not (len(left) == len(pairs) and known and _uniform(reference.sequences[place]) < KNOWN_SHARE):
            kept.append(place)
            members.append(left)
        else:
            queries.append(HeldOutQuery(reference.ids[place], reference.sequences[place], pairs[0][1]))
    ids = tuple(reference.ids[place] for place in kept)
    sequences = tuple(reference.sequences[place] for place in kept)
    fitted = AmpliconReference(reference.ranks, ids, sequences, tuple(members))
    queries = [query for query in queries if not seen(query.sequence)]
    if len(queries) > most:
        chosen = np.random.default_rng(seed).choice(len(queries), size=most, replace=False)
        queries = [queries[place] for place in np.sort(chosen)]
    return EvaluationSplit(fitted, tuple(kept), tuple(queries))


def _held_out(ranks: tuple[str, ...], lineage: Lineage) -> bool:
    """Whether the genus (second lowest rank) or the species (lowest) is kept for reporting."""
    genus = lineage[-2] if len(ranks) > 1 else None
    if genus is not None and genus_part(genus) == "report":
        return True
    return lineage[-1] is not None and species_part(lineage[-1]) == "report"


def _species_counts(reference: AmpliconReference) -> dict[str, int]:
    counts: dict[str, int] = {}
    for pairs in reference.members:
        for name in {lineage[-1] for _, lineage in pairs if lineage[-1] is not None}:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _uniform(sequence: str) -> float:
    digest = hashlib.sha256(f"abyssal-evaluation-1:{sequence}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64

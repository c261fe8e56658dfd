"""Label noise planted on purpose, to measure how much of it the suspect search finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abyssal.errors import UsageError
from abyssal.references.model import AmpliconReference, Lineage
from abyssal.references.suspects import SuspectSettings, find_suspects, suspect_rank


@dataclass(frozen=True, slots=True)
class NoiseScore:
    """What became of planted labels, in records.

    Attributes:
        planted: labels that were changed.
        suspected: records suspected afterwards.
        found: planted labels among them.
        already: records among them that were suspected before anything was planted (the reference's own noise).
    """

    planted: int
    suspected: int
    found: int
    already: int

    @property
    def recall(self) -> float:
        """Share of the planted labels that were found, 0 to 1."""
        return self.found / self.planted if self.planted else 0.0

    @property
    def precision(self) -> float:
        """Planted share of the suspects that were not suspected before, 0 to 1."""
        return self.found / (self.suspected - self.already) if self.found else 0.0

    @property
    def strict_precision(self) -> float:
        """Planted share of all suspects, as if the reference were free of errors of its own, 0 to 1."""
        return self.found / self.suspected if self.found else 0.0


def plant_noise(
    reference: AmpliconReference, share: float, *, rank: str, rng: np.random.Generator
) -> tuple[AmpliconReference, set[tuple[str, str]]]:
    """Give a share of the records the lineage of another record that differs at ``rank``.

    Returns:
        The altered reference and the (amplicon id, accession) pairs that were altered.
    """
    position = reference.ranks.index(rank)
    slots = [
        (amplicon, place)
        for amplicon, pairs in enumerate(reference.members)
        for place, (_, lineage) in enumerate(pairs)
        if lineage[position] is not None
    ]
    names = {reference.members[a][p][1][position] for a, p in slots}
    if len(names) < 2:
        message = f"noise needs two names or more at rank {rank!r}, this reference has {len(names)}"
        raise UsageError(message)
    members = [list(pairs) for pairs in reference.members]
    planted: set[tuple[str, str]] = set()
    for choice in sorted(rng.choice(len(slots), size=round(share * len(slots)), replace=False).tolist()):
        amplicon, place = slots[choice]
        accession, lineage = reference.members[amplicon][place]
        members[amplicon][place] = (accession, _foreign(reference, slots, lineage, position, rng))
        planted.add((reference.ids[amplicon], accession))
    altered = AmpliconReference(reference.ranks, reference.ids, reference.sequences, tuple(map(tuple, members)))
    return altered, planted


def _foreign(
    reference: AmpliconReference,
    slots: list[tuple[int, int]],
    lineage: Lineage,
    rank: int,
    rng: np.random.Generator,
) -> Lineage:
    while True:
        amplicon, place = slots[int(rng.integers(len(slots)))]
        other = reference.members[amplicon][place][1]
        if other[rank] != lineage[rank]:
            return other


def measure_suspects(
    reference: AmpliconReference,
    share: float,
    *,
    rank: str | None = None,
    settings: SuspectSettings | None = None,
    seed: int = 1,
) -> NoiseScore:
    """Plant noise, search for it and count."""
    rank = rank or suspect_rank(reference.ranks)
    before = {(s.amplicon, s.accession) for s in find_suspects(reference, rank=rank, settings=settings)}
    altered, planted = plant_noise(reference, share, rank=rank, rng=np.random.default_rng(seed))
    suspects = {(s.amplicon, s.accession) for s in find_suspects(altered, rank=rank, settings=settings)}
    already = (suspects & before) - planted
    return NoiseScore(len(planted), len(suspects), len(suspects & planted), len(already))

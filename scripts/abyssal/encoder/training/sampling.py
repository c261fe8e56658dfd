"""Batches with hard negatives: relatives of one family stand beside each other, so that telling them apart pays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.encoder.training.corpus import MarkerCorpus

GENERA_A_FAMILY = 4
SPECIES_A_GENUS = 3
AMPLICONS_A_SPECIES = 2


@dataclass(frozen=True)
class _Tree:
    """Amplicon indices of one marker: family, then genus, then species; an unknown name is a group of its own."""

    families: tuple[tuple[tuple[NDArray[np.int64], ...], ...], ...]


class BatchSampler:
    """Draws amplicons of one marker at a time, markers in proportion to the square root of their size."""

    def __init__(self, corpora: tuple[MarkerCorpus, ...]) -> None:
        self._trees = [_grow(corpus.labels) for corpus in corpora]
        sizes = np.sqrt([len(corpus.sequences) for corpus in corpora])
        self._shares = sizes / sizes.sum()

    def draw(self, size: int, rng: np.random.Generator) -> tuple[int, NDArray[np.int64]]:
        """Return (number of the marker, indices of at most ``size`` distinct amplicons of it)."""
        marker = int(rng.choice(len(self._trees), p=self._shares))
        families = self._trees[marker].families
        drawn: list[int] = []
        for family in rng.permutation(len(families)):
            genera = families[family]
            for genus in rng.permutation(len(genera))[:GENERA_A_FAMILY]:
                species = genera[genus]
                for one in rng.permutation(len(species))[:SPECIES_A_GENUS]:
                    drawn.extend(int(index) for index in rng.permutation(species[one])[:AMPLICONS_A_SPECIES])
            if len(drawn) >= size:
                break
        return marker, np.array(drawn[:size], dtype=np.int64)


def _grow(labels: NDArray[np.int64]) -> _Tree:
    groups: dict[int, dict[int, dict[int, list[int]]]] = {}
    for index, (species, genus, family) in enumerate(labels):
        unknown = -index - 1
        by_genus = groups.setdefault(int(family) if family >= 0 else unknown, {})
        by_species = by_genus.setdefault(int(genus) if genus >= 0 else unknown, {})
        by_species.setdefault(int(species) if species >= 0 else unknown, []).append(index)
    return _Tree(
        tuple(
            tuple(
                tuple(np.array(indices, dtype=np.int64) for indices in by_species.values())
                for by_species in by_genus.values()
            )
            for by_genus in groups.values()
        )
    )

"""Leave-taxa-out cases: new genera, new species of known genera, and unseen sequences of known species.

Only names that no encoder trains on (``abyssal.splits``) are drawn, so that every query is new to the encoder too. What
a held-out taxon shares with a remaining one stays in the reference and is not asked: nobody could tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from abyssal.benchmark.cases import Case
from abyssal.evaluation.split import HeldOutQuery
from abyssal.references.model import AmpliconReference, Lineage
from abyssal.splits import genus_part, species_part

Positions = dict[str, list[int]]


def taxa_out_case(reference: AmpliconReference, number: int, most: int) -> Case:
    """Return random split ``number``: up to a third of ``most`` queries of each of the three kinds."""
    rng = np.random.default_rng([2026, number])
    third = most // 3
    genera, species = carriers(reference, -2), carriers(reference, -1)
    new_genera = _draw_genera(reference, genera, third, rng)
    new_species = _draw_species(reference, species, new_genera, third, rng)

    def gone(lineage: Lineage) -> bool:
        return lineage[-2] in new_genera or lineage[-1] in new_species

    whole = [all(gone(lineage) for _, lineage in pairs) for pairs in reference.members]
    known = _draw_known(reference, species, whole, third, rng)
    of_genera = [place for place, out in enumerate(whole) if out and reference.members[place][0][1][-2] in new_genera]
    of_species = [place for place, out in enumerate(whole) if out and place not in set(of_genera)]
    asked = sorted({*_some(of_genera, third, rng), *_some(of_species, third, rng), *known})
    held = {place for place, out in enumerate(whole) if out} | set(known)
    return Case.plain(
        without(reference, held, gone),
        [HeldOutQuery(reference.ids[p], reference.sequences[p], reference.members[p][0][1]) for p in asked],
    )


def carriers(reference: AmpliconReference, rank: int) -> Positions:
    """Return the amplicons of each name at a rank."""
    found: Positions = {}
    for place, pairs in enumerate(reference.members):
        for name in {lineage[rank] for _, lineage in pairs if lineage[rank] is not None}:
            found.setdefault(str(name), []).append(place)
    return found


def without(reference: AmpliconReference, held: set[int], gone: Callable[[Lineage], bool]) -> AmpliconReference:
    """Return the reference without the amplicons ``held`` and without the lineages that are ``gone``."""
    keep = [place for place in range(len(reference)) if place not in held]
    members = tuple(
        tuple(pair for pair in reference.members[place] if not gone(pair[1])) or reference.members[place]
        for place in keep
    )
    part = reference.subset(keep)
    return AmpliconReference(part.ranks, part.ids, part.sequences, members)


def _draw_genera(reference: AmpliconReference, genera: Positions, third: int, rng: np.random.Generator) -> set[str]:
    """Draw genera whose family keeps another one, until they have enough amplicons."""
    family_of = {
        str(lineage[-2]): lineage[-3] for pairs in reference.members for _, lineage in pairs if lineage[-2] is not None
    }
    left: dict[str | None, int] = {}
    for family in family_of.values():
        left[family] = left.get(family, 0) + 1
    drawn: set[str] = set()
    amplicons = 0
    for name in _shuffled([name for name in genera if genus_part(name) != "train"], rng):
        family = family_of[name]
        if amplicons >= third or family is None or left[family] < 2:
            continue
        left[family] -= 1
        drawn.add(name)
        amplicons += len(genera[name])
    return drawn


def _draw_species(
    reference: AmpliconReference, species: Positions, new_genera: set[str], third: int, rng: np.random.Generator
) -> set[str]:
    """Draw species whose genus is not new and keeps another species, until they have enough amplicons."""
    genus_of = {
        str(lineage[-1]): lineage[-2] for pairs in reference.members for _, lineage in pairs if lineage[-1] is not None
    }
    left: dict[str | None, int] = {}
    for genus in genus_of.values():
        left[genus] = left.get(genus, 0) + 1
    drawn: set[str] = set()
    amplicons = 0
    for name in _shuffled([name for name in species if species_part(name) != "train"], rng):
        genus = genus_of[name]
        if amplicons >= third or genus is None or genus in new_genera or left[genus] < 2:
            continue
        left[genus] -= 1
        drawn.add(name)
        amplicons += len(species[name])
    return drawn


def _draw_known(
    reference: AmpliconReference, species: Positions, whole: list[bool], third: int, rng: np.random.Generator
) -> list[int]:
    """Draw amplicons of one species only, at most half of each species' amplicons."""
    drawn: list[int] = []
    for name in _shuffled([name for name in species if species_part(name) != "train"], rng):
        places = [place for place in species[name] if not whole[place]]
        alone = [place for place in places if len(reference.members[place]) == 1]
        drawn += _some(alone, min(len(places) // 2, third - len(drawn)), rng)
        if len(drawn) >= third:
            break
    return drawn


def _shuffled(names: list[str], rng: np.random.Generator) -> list[str]:
    ordered = sorted(names)
    return [ordered[place] for place in rng.permutation(len(ordered))]


def _some(places: list[int], most: int, rng: np.random.Generator) -> list[int]:
    if len(places) <= most:
        return places
    return [places[row] for row in np.sort(rng.choice(len(places), size=max(most, 0), replace=False))]

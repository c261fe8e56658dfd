"""From groups of amplicons to putative-taxon records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from abyssal.discovery.nearest import NearestNamed, find_nearest, lineage_text, rank_distances, rank_of_novelty
from abyssal.discovery.neighbours import search
from abyssal.discovery.records import PutativeTaxon
from abyssal.reads.consensus import majority
from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.approximate import EXACT_LIMIT

RADIUS_FLOOR = 0.05
"""Smallest radius: the 6-mer cosine distance that three substitutions make in 380 bp, so that a taxon of one ASV still
takes in its own sequencing errors."""

RADIUS_QUANTILE = 0.95
_SMALL = 20
_MOST_VOTERS = 200
"""Most members, by reads, whose letters make the consensus."""


@dataclass(frozen=True)
class StudyAmplicons:
    """The ASVs of one marker of a study.

    Attributes:
        ids: MD5 names, one an ASV.
        sequences: n upper-case sequences in primer orientation.
        vectors: (n, d) float32 unit rows.
        samples: names of the samples.
        counts: (n, samples) int64 reads.
    """

    ids: tuple[str, ...]
    sequences: tuple[str, ...]
    vectors: NDArray[np.float32]
    samples: tuple[str, ...]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def reads(self) -> NDArray[np.int64]:
        """Reads of each ASV in all samples."""
        return np.asarray(self.counts.sum(axis=1, dtype=np.int64))


@dataclass(frozen=True)
class EmbeddedReference:
    """A reference with its vectors and the gate that belongs to it.

    Attributes:
        reference: the checked amplicons.
        vectors: (n, d) float32 unit rows in their order.
        gate_distance: k-mer cosine distance beyond which an amplicon is not explained, 0..1.
        k: length of the gate's k-mers.
    """

    reference: AmpliconReference
    vectors: NDArray[np.float32]
    gate_distance: float
    k: int


@dataclass(frozen=True)
class Group:
    """Positions of a group's ASVs: the clustered ones and the error satellites that follow them."""

    clustered: tuple[int, ...]
    satellites: tuple[int, ...]

    def members(self, study: StudyAmplicons) -> list[int]:
        """Return all positions, most abundant first, ties by id."""
        reads = study.reads
        return sorted((*self.clustered, *self.satellites), key=lambda i: (-int(reads[i]), study.ids[i]))


def describe_groups(
    study: StudyAmplicons,
    groups: Sequence[Group],
    ids: Sequence[str],
    stability: NDArray[np.float64] | None,
    named: EmbeddedReference | None,
    *,
    seed: int,
    exact_limit: int = EXACT_LIMIT,
) -> list[PutativeTaxon]:
    """Return one record a group, by falling reads, then id; above ``exact_limit`` groups the next one is looked for."""
    medoids = [_medoid(study, group) for group in groups]
    separation = _separations(study.vectors[medoids], exact_limit=exact_limit)
    nearest, novel = _relatives(study, medoids, named, seed=seed)
    taxa = []
    for number, (group, medoid) in enumerate(zip(groups, medoids, strict=True)):
        members = group.members(study)
        distances = _distances(study, members, medoid)
        relative, place = nearest[number], None if named is None else named.reference
        taxa.append(
            PutativeTaxon(
                id=ids[number],
                members=tuple(study.ids[i] for i in members),
                satellites=frozenset(study.ids[i] for i in group.satellites),
                sample_reads=tuple(int(reads) for reads in study.counts[members].sum(axis=0)),
                exemplar=study.ids[medoid],
                sequence=study.sequences[medoid],
                consensus=_consensus(study, members, medoid),
                radius=_radius(distances),
                nearest_id="" if relative is None or place is None else place.ids[relative.position],
                nearest_lineage=_lineage_of(place, relative),
                nearest_identity=None if relative is None else relative.identity,
                nearest_similarity=None if relative is None else relative.similarity,
                novel_rank=novel[number],
                cohesion=round(1.0 - float(distances.mean(dtype=np.float64)), 6),
                separation=separation[number], stability=_known(stability, number),
                distances=tuple(float(distance) for distance in distances),
            )
        )  # fmt: skip
    return sorted(taxa, key=lambda taxon: (-taxon.reads, taxon.id))


def _lineage_of(reference: AmpliconReference | None, relative: NearestNamed | None) -> str:
    return "" if relative is None or reference is None else lineage_text(reference.lineages[relative.position])


def _known(values: NDArray[np.float64] | None, number: int) -> float | None:
    return None if values is None or not np.isfinite(values[number]) else float(values[number])


def _medoid(study: StudyAmplicons, group: Group) -> int:
    """Return the clustered member nearest to all others, weighted by reads; the most abundant of several."""
    members = sorted(group.clustered, key=lambda i: (-int(study.reads[i]), study.ids[i]))
    weights = np.maximum(study.reads[members], 1).astype(np.float64)
    vectors = study.vectors[members].astype(np.float64)
    # The weighted sum of cosines to all members is one product with their weighted sum: no n x n matrix.
    closeness = np.round(vectors @ (weights @ vectors) / weights.sum(), 6)
    return members[int(np.argmax(closeness))]


def _distances(study: StudyAmplicons, members: Sequence[int], medoid: int) -> NDArray[np.float32]:
    """Return the cosine distance of each member to the exemplar, whose own is 0 however float32 rounds its length."""
    distances = np.round(np.clip(1.0 - study.vectors[members] @ study.vectors[medoid], 0.0, 2.0), 6) + 0.0
    distances[members.index(medoid)] = 0.0
    return np.asarray(distances, dtype=np.float32)


def _consensus(study: StudyAmplicons, members: Sequence[int], medoid: int) -> str:
    voters = [(study.sequences[i], max(int(study.reads[i]), 1)) for i in members[:_MOST_VOTERS]]
    return majority(study.sequences[medoid], voters)


def _radius(distances: NDArray[np.floating]) -> float:
    reach = distances.max() if distances.size <= _SMALL else np.quantile(distances, RADIUS_QUANTILE)
    return round(max(float(reach), RADIUS_FLOOR), 6)


def _separations(exemplars: NDArray[np.float32], *, exact_limit: int) -> list[float | None]:
    """Return the distance of each exemplar to the next one; None for the only one."""
    nearest: list[float | None] = [None] * len(exemplars)
    if len(exemplars) < 2:
        return nearest
    for found in search(exemplars, exemplars, 2, exact_limit=exact_limit):
        others = np.where(found.places == found.rows[:, None], -2.0, found.similarity).max(axis=1)
        for row, similarity in zip(found.rows.tolist(), others.tolist(), strict=True):
            # Nothing else in the lists visited: it is at least as far as the farthest of anything.
            nearest[row] = round(min(max(1.0 - similarity, 0.0), 2.0), 6)
    return nearest


def _relatives(
    study: StudyAmplicons, medoids: Sequence[int], named: EmbeddedReference | None, *, seed: int
) -> tuple[Sequence[NearestNamed | None], list[str]]:
    if named is None or not medoids or len(named.reference) == 0:
        return [None] * len(medoids), [""] * len(medoids)
    found = find_nearest(
        [study.sequences[i] for i in medoids], study.vectors[list(medoids)], named.reference, named.vectors
    )
    typical = rank_distances(named.reference, named.vectors, seed=seed)
    lineages = named.reference.lineages
    novel = [
        rank_of_novelty(relative.similarity, lineages[relative.position], named.reference.ranks, typical)
        for relative in found
    ]
    return found, novel

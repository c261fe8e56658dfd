"""The cluster stage: what the reference does not explain becomes putative taxa.

Order: error satellites are folded into their parents first, because a satellite of a known amplicon may itself lie
beyond the gate; then off-target amplicons are set aside and the gate is applied to the parents; the rest is clustered.
An amplicon that no density cluster takes is a putative taxon of its own, so that every read beyond the gate has an id.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.config.models import ClusterConfig
from abyssal.discovery.clusterers import Clusterer, ClusterItems, Labels, by_label
from abyssal.discovery.describe import EmbeddedReference, Group, StudyAmplicons, describe_groups
from abyssal.discovery.gate import GateDecision, decide
from abyssal.discovery.layout import MapPoint, lay_out
from abyssal.discovery.matching import Change, match_previous
from abyssal.discovery.methods import choose_method
from abyssal.discovery.nearest import lineage_text
from abyssal.discovery.records import PutativeTaxon, StoredTaxon
from abyssal.discovery.satellites import find_parents
from abyssal.discovery.selection import Selection
from abyssal.discovery.stability import grouped_with_stability

logger = logging.getLogger(__name__)

_MOST_ASVS_ON_MAP = 5_000
_FEWEST_OTHERS = 1_000
"""ASVs in no putative taxon that are on the map where there are so many."""

_MOST_ANCHORS = 500


@dataclass(frozen=True)
class Verdict:
    """Where one ASV went: ``explained``, ``beyond``, ``off_target`` or ``satellite`` (of ``parent``)."""

    asv: str
    similarity: float | None
    verdict: str
    parent: str


@dataclass(frozen=True)
class Discovery:
    """Everything the stage found out."""

    taxa: list[PutativeTaxon]
    verdicts: list[Verdict]
    changes: list[Change]
    points: list[MapPoint]
    coordinates: NDArray[np.float64]
    selection: Selection


def discover(
    study: StudyAmplicons,
    named: EmbeddedReference | None,
    settings: ClusterConfig,
    *,
    seed: int,
    length_window: tuple[int | None, int | None] = (None, None),
    previous: Sequence[StoredTaxon] = (),
    log: Path | None = None,
) -> Discovery:
    """Group the ASVs that the reference does not explain; all ASVs when there is no reference."""
    parents = find_parents(study.sequences, study.reads)
    limit = settings.exact_limit
    decision = _gate(study, named, seed=seed, length_window=length_window, exact_limit=limit)
    verdicts = _verdicts(study, decision, parents, gated=named is not None)
    grouped = int((decision.beyond & (parents == np.arange(len(study)))).sum())
    method = choose_method(settings, named, expected=grouped, seed=seed, log=log)
    groups, stability = _groups(study, decision, parents, method.clusterer, settings.resamples, seed=seed)
    reads = dict(zip(study.ids, study.reads.tolist(), strict=True))
    members = [[study.ids[i] for i in group.members(study)] for group in groups]
    ids, changes = match_previous(members, previous, reads=reads)
    taxa = describe_groups(study, groups, ids, stability, named, seed=seed, exact_limit=limit)
    points, vectors = _map_points(study, named, taxa, verdicts, seed=seed)
    logger.info("%d ASVs, %d beyond the gate, %d putative taxa", len(study), int(decision.beyond.sum()), len(taxa))
    return Discovery(taxa, verdicts, changes, points, lay_out(vectors, seed=seed), method.selection)


def _gate(
    study: StudyAmplicons,
    named: EmbeddedReference | None,
    *,
    seed: int,
    length_window: tuple[int | None, int | None],
    exact_limit: int,
) -> GateDecision:
    if named is None:
        count = len(study)
        return GateDecision(np.zeros(count), np.ones(count, dtype=bool), np.zeros(count, dtype=bool))
    return decide(
        study.sequences,
        named.reference.sequences,
        distance=named.gate_distance,
        seed=seed,
        length_window=length_window,
        k=named.k,
        exact_limit=exact_limit,
    )


def _verdicts(
    study: StudyAmplicons, decision: GateDecision, parents: NDArray[np.int64], *, gated: bool
) -> list[Verdict]:
    verdicts = []
    for i, asv in enumerate(study.ids):
        kind = "off_target" if decision.off_target[i] else "beyond" if decision.beyond[i] else "explained"
        parent = ""
        if parents[i] != i:
            kind, parent = "satellite", study.ids[parents[i]]
        verdicts.append(Verdict(asv, float(decision.similarity[i]) if gated else None, kind, parent))
    return verdicts


def _groups(
    study: StudyAmplicons,
    decision: GateDecision,
    parents: NDArray[np.int64],
    clusterer: Clusterer,
    resamples: int,
    *,
    seed: int,
) -> tuple[list[Group], NDArray[np.float64] | None]:
    is_parent = parents == np.arange(len(study))
    chosen = np.flatnonzero(is_parent & decision.beyond)
    if chosen.size == 0:
        return [], None
    # In the order in which clusterers see them, which spares a copy of all vectors.
    chosen = np.array(sorted(chosen.tolist(), key=study.sequences.__getitem__), dtype=np.int64)
    total = np.zeros(len(study), dtype=np.int64)
    np.add.at(total, parents, study.reads)
    items = ClusterItems(study.vectors[chosen], tuple(study.sequences[i] for i in chosen), total[chosen])
    random = np.random.default_rng(seed)
    labels, stability = grouped_with_stability(clusterer, items, resamples=resamples, random=random)
    return _collect(chosen, labels, parents, is_parent), stability


def _collect(
    chosen: NDArray[np.int64], labels: Labels, parents: NDArray[np.int64], is_parent: NDArray[np.bool_]
) -> list[Group]:
    followers: dict[int, list[int]] = {}
    for child in np.flatnonzero(~is_parent):
        followers.setdefault(int(parents[child]), []).append(int(child))
    groups = []
    for places in by_label(labels):
        clustered = chosen[places].tolist()
        satellites = [child for i in clustered for child in followers.get(i, [])]
        groups.append(Group(tuple(clustered), tuple(satellites)))
    return groups


def _map_points(
    study: StudyAmplicons,
    named: EmbeddedReference | None,
    taxa: Sequence[PutativeTaxon],
    verdicts: Sequence[Verdict],
    *,
    seed: int,
) -> tuple[list[MapPoint], NDArray[np.float32]]:
    """Return the points of the map and their vectors: members of putative taxa, other ASVs, references near them."""
    reads = study.reads
    home = {asv: taxon.id for taxon in taxa for asv in taxon.members}
    order = sorted(range(len(study)), key=lambda i: (-int(reads[i]), study.ids[i]))
    others = [i for i in order if study.ids[i] not in home]
    spared = others[: max(_FEWEST_OTHERS, _MOST_ASVS_ON_MAP - (len(order) - len(others)))]
    shown = [i for i in order if study.ids[i] in home][: _MOST_ASVS_ON_MAP - len(spared)] + spared
    nearest = _nearest_positions(study.vectors[shown], named)
    anchors = _anchors(nearest, named, seed=seed)
    points = []
    for place, i in enumerate(shown):
        lineage = lineage_text(named.reference.lineages[nearest[place]]) if named is not None and nearest.size else ""
        verdict = verdicts[i].verdict
        points.append(MapPoint(study.ids[i], "asv", verdict, home.get(study.ids[i], ""), lineage, int(reads[i])))
    vectors = [study.vectors[shown]]
    if named is not None:
        lineages = named.reference.lineages
        points += [MapPoint(named.reference.ids[a], "reference", "", "", lineage_text(lineages[a]), 0) for a in anchors]
        vectors.append(named.vectors[anchors])
    return points, np.concatenate(vectors)


def _nearest_positions(vectors: NDArray[np.float32], named: EmbeddedReference | None) -> NDArray[np.int64]:
    if named is None or len(named.reference) == 0:
        return np.zeros(0, dtype=np.int64)
    blocks = [vectors[start : start + 512] for start in range(0, len(vectors), 512)]
    found = [np.argmax(np.round(block @ named.vectors.T, 6), axis=1) for block in blocks]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _anchors(nearest: NDArray[np.int64], named: EmbeddedReference | None, *, seed: int) -> list[int]:
    """Return the references nearest to any shown ASV, thinned at random when there are too many."""
    if named is None:
        return []
    wanted = np.unique(nearest)
    if wanted.size > _MOST_ANCHORS:
        wanted = np.sort(np.random.default_rng(seed).permutation(wanted)[:_MOST_ANCHORS])
    return [int(position) for position in wanted]

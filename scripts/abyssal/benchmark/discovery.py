"""Discovery on taxa that nothing has seen: Abyssal's putative taxa beside what the field uses.

A hash of its name puts every species into one of three parts. What is fitted or chosen, by us or for a baseline, sees
the first two (reference, development) only; the third is reported on. Vectors are plain 6-mer profiles, of which no
encoder has learnt anything, so that a reported taxon is new to every part of every method. All methods get the same
amplicons, without abundances; an amplicon in no group counts as a group of its own.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from abyssal.config.models import ClusterConfig
from abyssal.discovery.clusterers import (
    Clusterer,
    ClusterItems,
    Labels,
    ManifoldDensityClusterer,
    SwarmClusterer,
    VsearchClusterer,
    density_labels,
)
from abyssal.discovery.describe import EmbeddedReference
from abyssal.discovery.methods import PAIR_DISTANCES, choose_method
from abyssal.discovery.pair_linkage import PairLinkageClusterer, link
from abyssal.discovery.pairs import KnownTaxa
from abyssal.discovery.stability import singletons_for_noise
from abyssal.encoder.kmers import DEFAULT_K, kmer_profiles
from abyssal.references.model import AmpliconReference, read_reference

logger = logging.getLogger(__name__)

SPLITS = 5
AMPLICONS = 600
TUNING_DRAWS = 3
KMER_DISTANCES = tuple(round(0.01 * step, 2) for step in range(1, 80))
IDENTITIES = (0.97, 0.95, 0.90)
ORACLE_IDENTITIES = (0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.90, 0.87, 0.84, 0.80)
DENSITY_SIZES = (2, 3, 5, 8)
OURS = "abyssal"

Partition = Callable[[ClusterItems], Labels]
Candidates = Callable[[ClusterItems], list[Labels]]


@dataclass(frozen=True)
class Answer:
    """One method's groups of one split and, where it has a threshold, its groups at every candidate."""

    labels: Labels
    candidates: tuple[Labels, ...]


@dataclass(frozen=True)
class SplitAnswers:
    """The taxon of each amplicon of a split, and each method's answer by name."""

    truth: NDArray[np.int64]
    answers: dict[str, Answer]


def part_of(taxon: str) -> str:
    """Return what a taxon is used for: 40 % reference, 20 % development, 40 % report, by the hash of its name."""
    tenth = int(hashlib.sha256(f"discovery:{taxon}".encode()).hexdigest()[:8], 16) % 10
    return "reference" if tenth < 4 else "development" if tenth < 6 else "report"


def run_dataset(folder: Path, *, seed: int, reported: str = "report") -> list[SplitAnswers]:
    """Fit on the taxa that are not reported and answer five splits of those that are.

    Args:
        folder: ``reference.fasta.gz`` and ``lineages.tsv`` of a dataset.
        seed: draws the splits and seeds the methods.
        reported: part that is asked: ``report``, or ``development`` while a method is being developed.
    """
    reference = read_reference(folder / "reference.fasta.gz", folder / "lineages.tsv")
    named = _embedded(reference, "reference" if reported == "development" else "reference development")
    asked = KnownTaxa.of(_embedded(reference, reported), -1, seed=seed)
    methods = _methods(named, seed=seed)
    found = []
    for number in range(SPLITS):
        drawn = asked.draw(np.random.default_rng([seed, number]), AMPLICONS)
        items = asked.items(drawn)
        answers = {name: method(items) for name, method in methods.items()}
        found.append(SplitAnswers(asked.taxa[drawn], answers))
        logger.info("split %d: %d amplicons", number, len(items))
    return found


def _embedded(reference: AmpliconReference, parts: str) -> EmbeddedReference:
    """Return the amplicons of one species each whose species is in one of these parts, with their 6-mer profiles."""
    keep = [
        place
        for place, pairs in enumerate(reference.members)
        if len(names := {lineage[-1] for _, lineage in pairs}) == 1
        and (name := next(iter(names))) is not None
        and part_of(name) in parts.split()
    ]
    part = reference.subset(keep)
    return EmbeddedReference(part, kmer_profiles(part.sequences), 0.0, DEFAULT_K)


def _methods(named: EmbeddedReference, *, seed: int) -> dict[str, Callable[[ClusterItems], Answer]]:
    """Return every method, its threshold chosen on draws of known taxa."""
    chosen = choose_method(ClusterConfig(), named, expected=AMPLICONS, seed=seed)
    logger.info("chose %s", chosen.selection)
    known = KnownTaxa.of(named, -1, seed=seed)
    random = np.random.default_rng([seed, 2])
    tuning = [known.draw(random, AMPLICONS) for _ in range(TUNING_DRAWS)]
    draws = [(known.items(drawn), known.taxa[drawn]) for drawn in tuning]
    methods = {OURS: _ours(chosen.clusterer)}
    identities = {identity: _identity(identity) for identity in IDENTITIES}
    methods |= {f"vsearch {identity:.0%}": method for identity, method in identities.items()}
    methods["swarm"] = lambda items: Answer(SwarmClusterer().partition(items), ())
    methods["6-mer average linkage"] = _tuned(_average_linkage, draws, "6-mer average linkage")
    methods["UMAP + HDBSCAN on 6-mers"] = _tuned(_density(seed), draws, "UMAP + HDBSCAN on 6-mers")
    return methods


def _ours(clusterer: Clusterer) -> Callable[[ClusterItems], Answer]:
    def answer(items: ClusterItems) -> Answer:
        if not isinstance(clusterer, PairLinkageClusterer):
            return Answer(clusterer.partition(items), ())
        pairs = clusterer.model.probabilities(items)
        candidates = tuple(link(len(items), pairs, distance) for distance in PAIR_DISTANCES)
        return Answer(link(len(items), pairs, clusterer.distance), candidates)

    return answer


def _identity(identity: float) -> Callable[[ClusterItems], Answer]:
    def answer(items: ClusterItems) -> Answer:
        oracle = ORACLE_IDENTITIES if identity == IDENTITIES[-1] else ()
        candidates = tuple(VsearchClusterer(other).partition(items) for other in oracle)
        return Answer(VsearchClusterer(identity).partition(items), candidates)

    return answer


def _tuned(
    candidates: Candidates, draws: Sequence[tuple[ClusterItems, NDArray[np.int64]]], name: str
) -> Callable[[ClusterItems], Answer]:
    """Return the method at the candidate with the best mean adjusted Rand index over the draws."""
    from sklearn.metrics import adjusted_rand_score

    scores = [
        [adjusted_rand_score(truth, singletons_for_noise(labels)) for labels in candidates(items)]
        for items, truth in draws
    ]
    best = int(np.argmax(np.mean(scores, axis=0)))
    logger.info("%s: candidate %d, %s", name, best, np.round(np.mean(scores, axis=0), 3).tolist())

    def answer(items: ClusterItems) -> Answer:
        found = candidates(items)
        return Answer(found[best], tuple(found))

    return answer


def _average_linkage(items: ClusterItems) -> list[Labels]:
    """Return the groups at every distance; the items are linked once."""
    merges = linkage(np.clip(pdist(items.vectors, "cosine"), 0.0, 2.0), "average")
    return [np.asarray(fcluster(merges, distance, "distance"), dtype=np.int64) for distance in KMER_DISTANCES]


def _density(seed: int) -> Candidates:
    def groups(items: ClusterItems) -> list[Labels]:
        points = ManifoldDensityClusterer(seed=seed).points(items)
        return [density_labels(points, size) for size in DENSITY_SIZES]

    return groups

"""Above the exact limit neighbours are looked for in lists; here the limit is lowered to where both can be compared."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score
from support.amplicons import random_sequence, substitute

from abyssal.config.models import ClusterConfig
from abyssal.discovery.clusterers import AverageLinkageClusterer, ClusterItems
from abyssal.discovery.describe import EmbeddedReference, StudyAmplicons
from abyssal.discovery.gate import best_similarity
from abyssal.discovery.methods import choose_method
from abyssal.discovery.neighbours import alike, near_pairs
from abyssal.discovery.parts import PartwiseClusterer, parts
from abyssal.discovery.sparse_linkage import average_linkage
from abyssal.discovery.stability import singletons_for_noise
from abyssal.discovery.stage import discover
from abyssal.encoder.kmers import kmer_profiles
from abyssal.references.model import AmpliconReference
from abyssal.sequences.alphabet import sequence_id

LIMIT = 150
ALIKE = ("average-linkage", "kmeans", "hdbscan")


def evolved(seed: int, genera: int, species: int, members: int) -> tuple[list[str], np.ndarray]:
    """Sequences of species that differ by 24 letters within a genus, their members by two; and their species."""
    random = np.random.default_rng(seed)
    marker = random_sequence(np.random.default_rng(1), 240)
    sequences: list[str] = []
    for _ in range(genera):
        root = substitute(random, marker, 24)
        for _ in range(species):
            ancestor = substitute(random, root, 12)
            sequences += [substitute(random, ancestor, 2) for _ in range(members)]
    return sequences, np.repeat(np.arange(genera * species), members)


def vectors_of(sequences: list[str]) -> np.ndarray:
    """6-mer profiles in fewer dimensions, which lists and parts are quicker with."""
    axes = np.linalg.qr(np.random.default_rng(2).normal(size=(4096, 96)))[0]
    found = kmer_profiles(sequences) @ axes.astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="module")
def study() -> StudyAmplicons:
    sequences, _ = evolved(3, 30, 3, 8)
    counts = np.random.default_rng(4).integers(2, 30, size=(len(sequences), 3)).astype(np.int64)
    ids = tuple(map(sequence_id, sequences))
    return StudyAmplicons(ids, tuple(sequences), vectors_of(sequences), ("a", "b", "c"), counts)


@pytest.fixture(scope="module")
def named() -> EmbeddedReference:
    """Forty other genera, and the first five genera of the study."""
    known, _ = evolved(9, 40, 2, 4)
    sequences = [*known, *evolved(3, 30, 3, 8)[0][: 5 * 3 * 8]]
    lineages = [(f"G{i // 8}", f"G{i // 8} s{i // 4 % 2}") for i in range(320)]
    lineages += [(f"H{i // 24}", f"H{i // 24} s{i // 8 % 3}") for i in range(120)]
    ids = tuple(f"r{number}" for number in range(len(sequences)))
    members = tuple(((name, lineage),) for name, lineage in zip(ids, lineages, strict=True))
    found = AmpliconReference(("genus", "species"), ids, tuple(sequences), members)
    return EmbeddedReference(found, vectors_of(sequences), 0.05, 6)


def items_of(study: StudyAmplicons) -> ClusterItems:
    return ClusterItems(study.vectors, study.sequences, study.reads)


@pytest.mark.parametrize(
    "chosen", [{}, *({"method": method, "distance": 0.3, "min_cluster_size": 2} for method in ALIKE)],
    ids=["automatic", *ALIKE],
)  # fmt: skip
def test_lists_and_parts_give_nearly_the_same_groups(
    chosen: dict, study: StudyAmplicons, named: EmbeddedReference
) -> None:
    settings = ClusterConfig(**chosen)
    exact, large = (
        choose_method(settings.model_copy(update={"exact_limit": limit}), named, expected=len(study), seed=1)
        for limit in (50_000, LIMIT)
    )
    assert large.selection == exact.selection
    labels = [singletons_for_noise(found.clusterer.partition(items_of(study))) for found in (exact, large)]
    assert adjusted_rand_score(*labels) > 0.95
    assert adjusted_rand_score(evolved(3, 30, 3, 8)[1], labels[1]) > 0.9


@pytest.mark.slow
def test_a_large_study_has_the_same_taxa(study: StudyAmplicons, named: EmbeddedReference) -> None:
    exact, found = (
        discover(study, named, ClusterConfig(resamples=3, exact_limit=limit), seed=1) for limit in (50_000, LIMIT)
    )
    assert [verdict.verdict for verdict in found.verdicts] == [verdict.verdict for verdict in exact.verdicts]
    members = [{frozenset(taxon.members) for taxon in taken.taxa} for taken in (exact, found)]
    assert len(members[0] & members[1]) > 0.9 * len(members[0]) > 50
    far = [[taxon.separation or 0.0 for taxon in taken.taxa] for taken in (exact, found)]
    np.testing.assert_allclose(np.median(far[1]), np.median(far[0]), atol=0.02)
    assert np.mean([taxon.stability or 0.0 for taxon in found.taxa]) > 0.9


def test_without_a_reference_a_large_study_is_grouped_by_average_linkage(study: StudyAmplicons) -> None:
    small, large = (
        choose_method(ClusterConfig(exact_limit=limit), None, expected=len(study), seed=1) for limit in (50_000, LIMIT)
    )
    assert (small.selection.method, large.selection.method) == ("umap-hdbscan", "average-linkage")


def test_a_shortlist_by_shorter_words_finds_the_nearest_reference(
    study: StudyAmplicons, named: EmbeddedReference
) -> None:
    exact = best_similarity(study.sequences, named.reference.sequences)
    found = best_similarity(study.sequences, named.reference.sequences, exact_limit=LIMIT)
    assert (found <= exact + 1e-5).all()
    near = exact > 0.5
    assert near.sum() >= 120
    np.testing.assert_allclose(found[near], exact[near], atol=1e-5)


def test_only_large_sets_are_dealt_out_and_chains_stay_whole(study: StudyAmplicons, named: EmbeddedReference) -> None:
    method = choose_method(ClusterConfig(method="kmeans", distance=0.4, exact_limit=LIMIT), named, expected=9, seed=1)
    assert isinstance(method.clusterer, PartwiseClusterer)
    dealt = parts(study.vectors, 0.3, LIMIT)
    assert max(map(len, dealt)) <= LIMIT
    assert sorted(np.concatenate(dealt).tolist()) == list(range(len(study)))
    chains = alike(study.vectors, 0.3, exact_limit=LIMIT)
    assert sum(np.unique(chains[part]).size for part in dealt) == np.unique(chains).size
    # One chain of everything is cut by k-means.
    assert max(map(len, parts(study.vectors, 2.0, LIMIT))) <= LIMIT
    assert [len(part) for part in parts(np.full((40, 4), 0.5, dtype=np.float32), 0.1, 30)] == [30, 10]


def test_a_chain_too_long_for_a_matrix_is_linked_by_its_nearest_pairs(
    study: StudyAmplicons, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = AverageLinkageClusterer(0.3)
    exact = wide._link(study.vectors)
    monkeypatch.setattr("abyssal.discovery.clusterers.AVERAGE_LINKAGE_LIMIT", 20)
    assert adjusted_rand_score(exact, wide._link(study.vectors)) > 0.9


def test_pairs_are_each_items_nearest(study: StudyAmplicons) -> None:
    pairs = near_pairs(study.vectors, 7, 0.0)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    similarity = study.vectors @ study.vectors.T
    np.fill_diagonal(similarity, -1.0)
    expected = {tuple(sorted((row, int(near)))) for row in range(len(study)) for near in [similarity[row].argmax()]}
    assert expected <= set(map(tuple, pairs.tolist()))
    in_lists = set(map(tuple, near_pairs(study.vectors, 7, 0.0, exact_limit=LIMIT).tolist()))
    assert len(in_lists & set(map(tuple, pairs.tolist()))) > 0.95 * len(pairs)


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0])
def test_sparse_linkage_is_that_of_the_whole_matrix(density: float) -> None:
    random = np.random.default_rng(int(100 * density))
    for _ in range(20):
        count = int(random.integers(2, 50))
        similarity = np.triu(np.where(random.random((count, count)) < density, random.random((count, count)), 0.0), 1)
        low, high = np.nonzero(similarity)
        least = float(random.choice([0.05, 0.3, 0.6]))
        found = average_linkage(count, np.stack([low, high], axis=1).astype(np.int32), similarity[low, high], least)
        apart = 1.0 - similarity - similarity.T
        np.fill_diagonal(apart, 0.0)
        whole = fcluster(linkage(squareform(apart, checks=False), "average"), 1.0 - least, "distance")
        assert adjusted_rand_score(whole, singletons_for_noise(found)) == 1.0

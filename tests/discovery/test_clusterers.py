"""The contract every clusterer meets, whatever its method."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from abyssal.config.models import ClusterConfig
from abyssal.discovery.clusterers import (
    NOISE,
    AverageLinkageClusterer,
    Choice,
    Clusterer,
    ClusterItems,
    DensityClusterer,
    KMeansClusterer,
    ManifoldDensityClusterer,
    SwarmClusterer,
    VsearchClusterer,
    make_clusterer,
)
from abyssal.discovery.describe import EmbeddedReference
from abyssal.discovery.pair_linkage import PairLinkageClusterer
from abyssal.discovery.pairs import fit_pairs
from abyssal.discovery.parts import PartwiseClusterer
from abyssal.discovery.stability import singletons_for_noise

needs_swarm = pytest.mark.skipif(shutil.which("swarm") is None, reason="swarm is not installed (apt-get install swarm)")
CLUSTERERS = [
    pytest.param(ManifoldDensityClusterer(distance=0.4), id="umap-hdbscan"),
    pytest.param(DensityClusterer(distance=0.4), id="hdbscan"),
    pytest.param(KMeansClusterer(0.4), id="kmeans"),
    pytest.param(AverageLinkageClusterer(0.4), id="average-linkage"),
    pytest.param(VsearchClusterer(0.9), id="vsearch"),
    pytest.param("pair-linkage", id="pair-linkage"),
    pytest.param(PartwiseClusterer(KMeansClusterer(0.4), 0.4, 20), id="kmeans in parts"),
    pytest.param(SwarmClusterer(), id="swarm", marks=needs_swarm),
]
FINDS_FAMILIES = CLUSTERERS[1:-1]
"""Without UMAP, which is slow, and swarm, to which members four substitutions apart are strangers."""


@pytest.fixture(scope="module")
def pair_linkage(named_families: EmbeddedReference) -> PairLinkageClusterer:
    """Has learnt on other families."""
    model = fit_pairs(named_families, 0, seed=1)
    assert model is not None
    return PairLinkageClusterer(model, 0.6)


@pytest.fixture
def clusterer(request: pytest.FixtureRequest, pair_linkage: PairLinkageClusterer) -> Clusterer:
    """The clusterer of a parameter, which names the one that has to learn first."""
    return pair_linkage if request.param == "pair-linkage" else request.param


def empty_items() -> ClusterItems:
    return ClusterItems(np.zeros((0, 8), dtype=np.float32), (), np.zeros(0, dtype=np.int64))


@pytest.mark.parametrize("clusterer", CLUSTERERS, indirect=True)
def test_no_items_give_no_labels(clusterer: Clusterer) -> None:
    labels = clusterer.partition(empty_items())
    assert labels.shape == (0,)
    assert labels.dtype == np.int64


@pytest.mark.parametrize("clusterer", CLUSTERERS, indirect=True)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_items_each_get_a_label(clusterer: Clusterer, count: int, families) -> None:
    items = families(count, 1).items
    labels = clusterer.partition(items)
    assert labels.shape == (count,)
    # Unrelated sequences never share a group, and a density method may call them noise.
    assert len(set(singletons_for_noise(labels).tolist())) == count


@pytest.mark.parametrize("clusterer", FINDS_FAMILIES, indirect=True)
def test_families_are_found(clusterer: Clusterer, families) -> None:
    made = families(6, 8)
    assert adjusted_rand_score(made.truth, singletons_for_noise(clusterer.partition(made.items))) > 0.9


@pytest.mark.parametrize("clusterer", CLUSTERERS[1:], indirect=True)
def test_the_order_of_items_does_not_matter(clusterer: Clusterer, families) -> None:
    made = families(6, 8)
    labels = clusterer.partition(made.items)
    order = np.random.default_rng(3).permutation(len(made.items))
    shuffled = clusterer.partition(made.items.take(order))
    # Not merely the same partition: the same numbers, since groups are numbered by size.
    np.testing.assert_array_equal(shuffled, labels[order])


@pytest.mark.parametrize("clusterer", CLUSTERERS[1:], indirect=True)
def test_subsets_are_grouped_as_if_alone(clusterer: Clusterer, families) -> None:
    items = families(6, 8, seed=7).items
    order = np.random.default_rng(2).permutation(len(items))
    subset = order[:30]
    whole, part = clusterer.partitions(items.take(order), [np.arange(30)])
    np.testing.assert_array_equal(whole, clusterer.partition(items)[order])
    np.testing.assert_array_equal(part, clusterer.partition(items.take(subset)))


@pytest.mark.parametrize("clusterer", CLUSTERERS[1:], indirect=True)
def test_the_same_items_give_the_same_labels(clusterer: Clusterer, families) -> None:
    items = families(4, 5, seed=9).items
    np.testing.assert_array_equal(clusterer.partition(items), clusterer.partition(items))


@pytest.mark.parametrize("clusterer", CLUSTERERS, indirect=True)
def test_labels_count_up_by_falling_size(clusterer: Clusterer, families) -> None:
    big, small = families(1, 9, seed=5).items, families(1, 4, seed=6).items
    items = ClusterItems(
        np.concatenate([small.vectors, big.vectors]),
        small.sequences + big.sequences,
        np.concatenate([small.abundances, big.abundances]),
    )
    labels = clusterer.partition(items)
    sizes = np.bincount(labels[labels != NOISE])
    assert (np.diff(sizes) <= 0).all()
    assert set(labels.tolist()) <= set(range(-1, sizes.size))


@pytest.mark.slow
def test_umap_finds_families_in_any_order_and_repeats_itself(families) -> None:
    made = families(6, 12)
    clusterer = ManifoldDensityClusterer(distance=0.4, seed=4)
    labels = clusterer.partition(made.items)
    assert adjusted_rand_score(made.truth, singletons_for_noise(labels)) > 0.8
    order = np.random.default_rng(3).permutation(len(made.items))
    np.testing.assert_array_equal(clusterer.partition(made.items.take(order)), labels[order])


def test_umap_with_few_items_is_hdbscan_on_the_vectors(families) -> None:
    items = families(3, 5).items
    assert len(items) < ManifoldDensityClusterer().smallest
    np.testing.assert_array_equal(
        ManifoldDensityClusterer().partition(items), DensityClusterer().partition(items)
    )  # fmt: skip


@needs_swarm
def test_swarm_follows_single_differences_and_leaves_other_letters_alone() -> None:
    steps = ["ACGTACGTACGTACGTAAAA", "ACGTACGTACGTACGTAAAC", "ACGTACGTACGTACGTAACC", "ACGTACGTACGTACGTCCCG"]
    sequences = (*steps, steps[0][:-1] + "N")
    items = ClusterItems(np.ones((5, 1), dtype=np.float32), sequences, np.array([90, 9, 5, 30, 8], dtype=np.int64))
    assert SwarmClusterer().partition(items).tolist() == [0, 0, 0, 1, NOISE]


def test_kmeans_needs_no_number_of_groups(families) -> None:
    labels = KMeansClusterer(0.4).partition(families(7, 6, seed=2).items)
    assert labels.max() + 1 == 7


def test_kmeans_ends_where_a_sequence_is_too_short_for_a_vector() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 0], [0, 0]], dtype=np.float32)
    items = ClusterItems(vectors, ("ACGTACGT", "ACGTACGA", "ACG", "NNNNNNNN"), np.ones(4, dtype=np.int64))
    assert KMeansClusterer(0.15).partition(items).tolist() == [1, 1, 0, 0]


def test_average_linkage_at_a_wide_distance_makes_one_group(families) -> None:
    assert set(AverageLinkageClusterer(2.0).partition(families(3, 3).items).tolist()) == {0}


@pytest.mark.parametrize("method", ["umap-hdbscan", "hdbscan", "kmeans", "average-linkage", "vsearch", "swarm"])
def test_every_configured_method_has_a_clusterer_with_its_settings(method: str) -> None:
    settings = ClusterConfig(method=method, identity=0.93, neighbours=7)
    made = make_clusterer(settings, Choice(0.31, 3), seed=5)
    expected = {
        "umap-hdbscan": ManifoldDensityClusterer(3, 0.31, 7, settings.dimensions, 5),
        "hdbscan": DensityClusterer(3, 0.31),
        "kmeans": KMeansClusterer(0.31),
        "average-linkage": AverageLinkageClusterer(0.31),
        "vsearch": VsearchClusterer(0.93),
        "swarm": SwarmClusterer(),
    }
    assert made == expected[method]

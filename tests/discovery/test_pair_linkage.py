"""What is learnt about pairs of amplicons, and average linkage on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from abyssal.config.models import ClusterConfig
from abyssal.discovery import pairs
from abyssal.discovery.clusterers import AverageLinkageClusterer, ClusterItems
from abyssal.discovery.describe import EmbeddedReference
from abyssal.discovery.methods import choose_method
from abyssal.discovery.pair_linkage import PairLinkageClusterer, link
from abyssal.discovery.pairs import LEAST_COSINE, KnownTaxa, Pairs, describe_pairs, fit_pairs
from abyssal.encoder.kmers import kmer_profiles
from abyssal.references.model import AmpliconReference

LENGTH = 200


def change(random: np.random.Generator, letters: np.ndarray, count: int) -> np.ndarray:
    changed = letters.copy()
    for place in random.choice(LENGTH, size=count, replace=False):
        changed[place] = random.choice([base for base in "ACGT" if base != changed[place]])
    return changed


def two_paces(seed: int) -> tuple[list[str], list[str]]:
    """Species of four amplicons: in slow genera they differ by eight letters, in fast ones their own members do."""
    random = np.random.default_rng(seed)
    sequences, names = [], []
    for genus in range(16):
        between, within = ((8, 0), (60, 8))[genus % 2]
        root = random.choice(list("ACGT"), size=LENGTH)
        for species in range(5):
            ancestor = change(random, root, between)
            for _ in range(4):
                sequences.append("".join(change(random, ancestor, within if within else int(random.integers(0, 2)))))
                names.append(f"G{genus} s{species}")
    return sequences, names


@pytest.fixture(scope="module")
def named() -> EmbeddedReference:
    sequences, names = two_paces(4)
    kept = dict(zip(sequences, names, strict=True))
    ids = tuple(f"r{number}" for number in range(len(kept)))
    members = tuple(((ids[number], (name.split()[0], name)),) for number, name in enumerate(kept.values()))
    reference = AmpliconReference(("genus", "species"), ids, tuple(kept), members)
    return EmbeddedReference(reference, kmer_profiles(tuple(kept)), 0.1, 6)


def hide_half(named: EmbeddedReference) -> tuple[EmbeddedReference, ClusterItems, np.ndarray]:
    """Return the reference without two species of every genus, and those as what is grouped."""
    names = [lineage[1] for lineage in named.reference.lineages]
    out = [place for place, name in enumerate(names) if name is not None and name[-1] in "34"]
    kept = [place for place in range(len(names)) if place not in set(out)]
    part = EmbeddedReference(named.reference.subset(kept), named.vectors[kept], 0.1, 6)
    items = ClusterItems(
        named.vectors[out], tuple(named.reference.sequences[i] for i in out), np.ones(len(out), dtype=np.int64)
    )
    return part, items, np.unique([str(names[i]) for i in out], return_inverse=True)[1]


def test_taxa_of_different_width_are_told_apart_where_no_single_distance_does(named: EmbeddedReference) -> None:
    known, items, truth = hide_half(named)
    method = choose_method(ClusterConfig(), known, expected=len(items), seed=1)
    assert isinstance(method.clusterer, PairLinkageClusterer)
    assert method.selection.method == "pair-linkage"
    assert method.selection.rank == "species"
    ours = adjusted_rand_score(truth, method.clusterer.partition(items))
    fixed = max(
        adjusted_rand_score(truth, AverageLinkageClusterer(distance).partition(items))
        for distance in np.arange(0.02, 0.9, 0.04)
    )
    assert ours > fixed + 0.1, (ours, fixed)


def test_the_order_of_items_does_not_matter(named: EmbeddedReference) -> None:
    known, items, _ = hide_half(named)
    model = fit_pairs(known, 1, seed=1)
    assert model is not None
    clusterer = PairLinkageClusterer(model, 0.6)
    order = np.random.default_rng(3).permutation(len(items))
    np.testing.assert_array_equal(clusterer.partition(items.take(order)), clusterer.partition(items)[order])
    for count in (0, 1, 2):
        assert clusterer.partition(items.take(np.arange(count))).shape == (count,)


def test_a_pair_is_described_beside_the_taxa_that_are_not_hidden(named: EmbeddedReference) -> None:
    known = KnownTaxa.of(named, 1, seed=1)
    drawn = known.draw(np.random.default_rng(1), 40)
    items = known.items(drawn)
    seen, hidden = (describe_pairs(items, beside) for beside in (known, known.without(known.taxa[drawn])))
    np.testing.assert_array_equal(seen.places, hidden.places)
    assert (seen.values[:, 2] == 0).all(), "each item is its own nearest known amplicon"
    assert (hidden.values[:, 2] > 0).all()
    assert (hidden.values[:, 0] <= 0.3).all()


def test_pairs_that_are_not_aligned_are_unrelated(named: EmbeddedReference, monkeypatch: pytest.MonkeyPatch) -> None:
    unrelated = 0.1
    monkeypatch.setattr(pairs, "UNRELATED", unrelated)
    known, items, _ = hide_half(named)
    model = fit_pairs(known, 1, seed=1)
    assert model is not None
    every = describe_pairs(items, model.known)
    probable = np.round(model.trees.predict_proba(every.values)[:, 1], 6)
    found = replace(model, least_cosine=LEAST_COSINE).probabilities(items)
    np.testing.assert_array_equal(found.places, every.places[probable >= unrelated])
    np.testing.assert_array_equal(found.values, probable[probable >= unrelated])
    every.values[:, 0] = 0.0
    assert (model.trees.predict_proba(every.values)[:, 1] < unrelated).sum() > 0, "none was spared"


def test_a_fixed_distance_is_kept_and_nothing_is_learnt_without_a_reference(named: EmbeddedReference) -> None:
    given = choose_method(ClusterConfig(method="pair-linkage", distance=0.45), named, expected=9, seed=1)
    assert given.selection.reason == "given"
    assert given.selection.choice.distance == 0.45
    for method, instead in (("automatic", "umap-hdbscan"), ("pair-linkage", "average-linkage")):
        assert choose_method(ClusterConfig(method=method), None, expected=9, seed=1).selection.method == instead


def test_pairs_are_linked_as_the_whole_matrix_would_be() -> None:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    random = np.random.default_rng(2)
    apart = np.ones((30, 30))
    for block in (slice(0, 12), slice(12, 20), slice(20, 30)):
        values = random.random(apart[block, block].shape) * 0.95
        apart[block, block] = (values + values.T) / 2
    np.fill_diagonal(apart, 0.0)
    low, high = np.nonzero(np.triu(apart < 1, 1))
    found = link(30, Pairs(np.stack([low, high], axis=1).astype(np.int32), 1.0 - apart[low, high]), 0.5)
    whole = fcluster(linkage(squareform(apart, checks=False), "average"), 0.5, "distance")
    assert adjusted_rand_score(whole, found) == 1.0

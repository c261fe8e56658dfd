"""The nearest named relative and the rank at which something seems new."""

from __future__ import annotations

import numpy as np
import pytest

from abyssal.discovery.nearest import find_nearest, global_identity, lineage_text, rank_distances, rank_of_novelty
from abyssal.encoder.kmers import kmer_profiles
from abyssal.references.model import AmpliconReference


@pytest.mark.parametrize(
    ("first", "second", "identity"),
    [("ACGT", "ACGT", 1.0), ("ACGT", "ACCT", 0.75), ("ACGT", "ACGTT", 0.8), ("ACGT", "", 0.0), ("AAAA", "TTTT", 0.0)],
)
def test_identity_counts_matching_columns(first: str, second: str, identity: float) -> None:
    assert global_identity(first, second) == pytest.approx(identity)
    assert global_identity(second, first) == pytest.approx(identity)


@pytest.fixture
def reference() -> AmpliconReference:
    """Two families; in each two genera; in each two species, two amplicons each; relatives share most letters."""
    random = np.random.default_rng(4)

    def vary(parent: str, count: int) -> str:
        letters = list(parent)
        for place in random.choice(len(letters), size=count, replace=False):
            letters[place] = str(random.choice([base for base in "ACGT" if base != letters[place]]))
        return "".join(letters)

    root = "".join(random.choice(list("ACGT"), size=300))
    sequences, members = [], []
    for f in range(2):
        family = vary(root, 60)
        for g in range(2):
            genus = vary(family, 25)
            for s in range(2):
                species = vary(genus, 8)
                for a in range(2):
                    sequences.append(vary(species, 1))
                    members.append(((f"r{f}{g}{s}{a}", (f"family{f}", f"genus{f}{g}", f"species{f}{g}{s}")),))
    ids = tuple(pairs[0][0] for pairs in members)
    return AmpliconReference(("family", "genus", "species"), ids, tuple(sequences), tuple(members))


def test_nearest_is_found_and_the_rank_of_novelty_follows_the_distance(reference: AmpliconReference) -> None:
    vectors = kmer_profiles(reference.sequences)
    typical = rank_distances(reference, vectors, seed=1)
    assert typical[0] < typical[1] < typical[2]
    swap = str.maketrans("ACGT", "CATG")

    def query(every: int) -> str:
        return "".join(b.translate(swap) if i % every == 0 else b for i, b in enumerate(reference.sequences[5]))

    ranks = []
    for every in (300, 12, 4):
        nearest = find_nearest([query(every)], kmer_profiles([query(every)]), reference, vectors)[0]
        lineage = reference.lineages[nearest.position]
        ranks.append(rank_of_novelty(nearest.similarity, lineage, reference.ranks, typical))
    assert ranks == ["", "species", "family"]
    same = find_nearest([reference.sequences[5]], vectors[5:6], reference, vectors)[0]
    assert (same.position, same.identity, same.similarity) == (5, 1.0, pytest.approx(1.0))


def test_a_rank_without_two_known_taxa_has_no_distance_and_is_never_new(reference: AmpliconReference) -> None:
    one_family = reference.subset(list(range(8)))
    typical = rank_distances(one_family, kmer_profiles(one_family.sequences), seed=1)
    assert typical[0] is None
    assert rank_of_novelty(-1.0, one_family.lineages[0], one_family.ranks, typical) == "genus"


def test_an_unknown_name_of_the_relative_is_not_called_new() -> None:
    assert rank_of_novelty(0.1, ("a", None, "c"), ("x", "y", "z"), (0.05, 0.5, 0.9)) == "z"
    assert lineage_text(("a", None, "c")) == "a; c"

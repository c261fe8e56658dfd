"""How fine groups are is chosen on taxa treated as unknown, and the choice is recorded."""

from __future__ import annotations

import numpy as np
import pytest

from abyssal.config.models import ClusterConfig
from abyssal.discovery.clusterers import Choice
from abyssal.discovery.describe import EmbeddedReference
from abyssal.discovery.selection import DISTANCES, SIZES, select
from abyssal.encoder.kmers import kmer_profiles
from abyssal.references.model import AmpliconReference


def reference(taxa: int, edits: int) -> EmbeddedReference:
    """Return taxa of four amplicons each, ``edits`` substitutions from their ancestor; taxa are unrelated."""
    random = np.random.default_rng(6)
    sequences, members = [], []
    for taxon in range(taxa):
        ancestor = random.choice(list("ACGT"), size=200)
        for number in range(4):
            letters = ancestor.copy()
            for place in random.choice(200, size=edits, replace=False):
                letters[place] = random.choice([base for base in "ACGT" if base != letters[place]])
            sequences.append("".join(letters))
            members.append(((f"r{taxon}_{number}", ("Alpha", f"Genus{taxon} species")),))
    ids = tuple(pairs[0][0] for pairs in members)
    found = AmpliconReference(("phylum", "species"), ids, tuple(sequences), tuple(members))
    return EmbeddedReference(found, kmer_profiles(sequences), 0.1, 6)


def test_the_distance_that_recovers_known_taxa_is_chosen_and_recorded() -> None:
    settings = ClusterConfig(method="average-linkage")
    selection = select(settings, reference(30, edits=6), expected=40, seed=1)
    assert selection.choice.distance >= 0.35
    assert selection.rank == "species"
    assert selection.scores[0] == (selection.choice, pytest.approx(1.0))
    scores = {choice.distance: score for choice, score in selection.scores}
    assert scores[0.1] < 0.2
    values = selection.values()
    assert values["reason"] == "chosen on pseudo-novel taxa"
    assert {row["distance"] for row in values["candidates"]} == set(DISTANCES) - {2.0}


def test_tight_taxa_call_for_no_wider_distance_than_they_need() -> None:
    selection = select(ClusterConfig(method="average-linkage"), reference(30, edits=1), expected=40, seed=1)
    assert selection.choice.distance <= 0.15, "of equally good distances the smallest is taken"


def test_density_methods_choose_their_smallest_group_as_well() -> None:
    selection = select(ClusterConfig(method="hdbscan"), reference(30, edits=6), expected=40, seed=1)
    assert {choice.min_cluster_size for choice, _ in selection.scores} == set(SIZES)
    assert selection.scores[0][1] > 0.9


def test_what_the_configuration_gives_is_kept() -> None:
    settings = ClusterConfig(method="average-linkage", distance=0.17, min_cluster_size=2)
    assert select(settings, reference(30, edits=6), expected=40, seed=1).choice == Choice(0.17, 2)
    half = ClusterConfig(method="hdbscan", min_cluster_size=3)
    assert select(half, reference(30, edits=6), expected=40, seed=1).choice.min_cluster_size == 3


@pytest.mark.parametrize(
    ("named", "expected", "reason"),
    [
        (None, 40, "there is no reference to choose on"),
        (reference(5, edits=6), 40, "fewer than 15 taxa of the reference have two amplicons"),
        (reference(30, edits=6), 0, "nothing is to be grouped"),
    ],
)
def test_defaults_are_taken_and_the_reason_is_told(named, expected: int, reason: str) -> None:
    selection = select(ClusterConfig(method="average-linkage"), named, expected=expected, seed=1)
    assert selection.choice == Choice()
    assert selection.reason == f"default: {reason}"


def test_the_choice_repeats_itself() -> None:
    settings = ClusterConfig(method="average-linkage")
    first = select(settings, reference(30, edits=6), expected=40, seed=7)
    assert first == select(settings, reference(30, edits=6), expected=40, seed=7)

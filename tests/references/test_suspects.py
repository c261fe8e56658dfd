"""Wrong labels are found where neighbours and own taxon contradict each other, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.references_made import mutate, random_dna, tree_reference

from abyssal.errors import UsageError
from abyssal.references.composition import composition_profiles
from abyssal.references.model import AmpliconReference
from abyssal.references.noise import measure_suspects, plant_noise
from abyssal.references.suspects import find_suspects, without_suspects, write_suspects


@pytest.fixture(scope="module")
def clean() -> AmpliconReference:
    return tree_reference(np.random.default_rng(5), families=20, genera=4, species=6)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.10])
def test_planted_noise_is_found(clean: AmpliconReference, share: float) -> None:
    score = measure_suspects(clean, share, seed=3)
    assert score.planted == round(share * 480)
    assert score.recall >= 0.8
    assert score.strict_precision >= 0.8


def test_a_clean_reference_has_no_suspects(clean: AmpliconReference) -> None:
    assert find_suspects(clean) == []


def test_evidence_is_written_and_exclusion_removes_exactly_the_suspects(
    clean: AmpliconReference, tmp_path: Path
) -> None:
    noisy, planted = plant_noise(clean, 0.02, rank="family", rng=np.random.default_rng(4))
    suspects = find_suspects(noisy)
    write_suspects(tmp_path / "suspects.tsv", suspects)
    header, *rows = (tmp_path / "suspects.tsv").read_text().splitlines()
    assert header.split("\t")[:5] == ["amplicon", "accession", "rank", "label", "consensus"]
    assert len(rows) == len(suspects) > 0
    truth = {accession: lineage for pairs in clean.members for accession, lineage in pairs}
    for suspect in suspects:
        assert suspect.similarity > suspect.own_similarity
        if (suspect.amplicon, suspect.accession) in planted:
            assert suspect.consensus == truth[suspect.accession][1]
    rest = without_suspects(noisy, suspects)
    assert set(noisy.ids) - set(rest.ids) == {suspect.amplicon for suspect in suspects}


def test_the_order_of_amplicons_does_not_matter(clean: AmpliconReference) -> None:
    noisy, _ = plant_noise(clean, 0.05, rank="family", rng=np.random.default_rng(6))
    turned = noisy.subset(list(range(len(noisy)))[::-1])
    assert {s.accession for s in find_suspects(noisy)} == {s.accession for s in find_suspects(turned)}


def test_a_rank_that_is_not_there(clean: AmpliconReference) -> None:
    with pytest.raises(UsageError, match="no rank 'tribe'"):
        find_suspects(clean, rank="tribe")


def test_a_family_with_one_amplicon_is_never_suspected(clean: AmpliconReference) -> None:
    lineage = ("Phylum", "Lonelyidae", "Lonely", "Lonely_s")
    members = ((("r0000", lineage),), *clean.members[1:])
    altered = AmpliconReference(clean.ranks, clean.ids, clean.sequences, members)
    assert find_suspects(altered) == []


def test_scattered_small_families_are_found_by_the_rank_above() -> None:
    # Every family of the order has two amplicons only: no family can outvote a wrong label, the order can.
    rng = np.random.default_rng(9)
    made = tree_reference(rng, families=24, genera=1, species=2)
    roots = [random_dna(rng, 300) for _ in range(2)]
    members, sequences = [], []
    for position, pairs in enumerate(made.members):
        accession, (_, family, genus, species) = pairs[0]
        order = position // 24
        lineage = ("Phylum", f"Order{order}", family, genus, species)
        members.append(((accession, lineage),))
        sequences.append(mutate(rng, roots[order], 0.12))
    ranks = ("phylum", "order", "family", "genus", "species")
    wrong = AmpliconReference(ranks, made.ids, tuple(sequences), tuple(members))
    swapped = list(members)
    swapped[0] = (("r0000", members[40][0][1]),)
    altered = AmpliconReference(ranks, made.ids, tuple(sequences), tuple(swapped))
    assert {s.accession for s in find_suspects(altered)} - {s.accession for s in find_suspects(wrong)} == {"r0000"}
    found = next(s for s in find_suspects(altered) if s.accession == "r0000")
    assert (found.rank, found.consensus) == ("order", "Order0")


def test_transitions_do_not_hide_relatives() -> None:
    rng = np.random.default_rng(3)
    root = random_dna(rng, 300)
    swap = str.maketrans("AGCT", "GATC")
    # Every third base has changed to its partner: hardly a 6-mer is left, all two-letter 12-mers are.
    relative = "".join(base.translate(swap) if i % 3 == 2 else base for i, base in enumerate(root))
    profiles = composition_profiles([root, relative, random_dna(rng, 300), "NNNN", "ACG"], k=6)
    assert profiles.shape == (5, 2 * 4**6)
    assert profiles[0] @ profiles[1] > 0.6
    assert profiles[0] @ profiles[2] < 0.2
    assert np.linalg.norm(profiles, axis=1) == pytest.approx([1, 1, 1, 0, 0], abs=1e-5)

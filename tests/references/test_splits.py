"""Nothing crosses a split: no sequence, no identifier, no held-out taxon, no near relative."""

from __future__ import annotations

import edlib
import numpy as np
import pytest
from support.references_made import tree_reference

from abyssal.errors import UsageError
from abyssal.references.model import AmpliconReference
from abyssal.references.splits import (
    Split,
    cross_validate,
    hash_parts,
    leave_taxa_out,
    split_by_hash,
    split_by_identity,
)
from abyssal.splits import encoder_may_train_on, species_part


@pytest.fixture(scope="module")
def reference() -> AmpliconReference:
    made = tree_reference(np.random.default_rng(8), families=10, genera=3, species=4)
    # Two amplicons carry two species each, as equivalence sets do.
    members = list(made.members)
    members[0] = (*members[0], ("twin0", made.members[40][0][1]))
    members[1] = (*members[1], ("twin1", made.members[80][0][1]))
    return AmpliconReference(made.ranks, made.ids, made.sequences, tuple(members))


def nothing_crosses(reference: AmpliconReference, split: Split) -> None:
    train, test = reference.subset(list(split.train)), reference.subset(list(split.test))
    assert not set(train.ids) & set(test.ids)
    assert not set(train.sequences) & set(test.sequences)
    accessions = [{accession for pairs in part.members for accession, _ in pairs} for part in (train, test)]
    assert not accessions[0] & accessions[1]


def names(reference: AmpliconReference, positions: tuple[int, ...], rank: str) -> set[str | None]:
    level = reference.ranks.index(rank)
    return {lineage[level] for position in positions for _, lineage in reference.members[position]} - {None}


def test_hash_split_trains_on_nothing_an_encoder_may_not_see(reference: AmpliconReference) -> None:
    parts = hash_parts(reference)
    for position, part in enumerate(parts):
        allowed = all(encoder_may_train_on(lineage[2], lineage[3]) for _, lineage in reference.members[position])
        assert (part == "train") == allowed
    split = split_by_hash(reference)
    nothing_crosses(reference, split)
    assert split.train
    assert split.test
    held = {name for name in names(reference, split.test, "species") if species_part(str(name)) != "train"}
    assert held
    assert not held & names(reference, split.train, "species")


@pytest.mark.parametrize("rank", ["family", "genus", "species"])
def test_taxa_left_out_are_only_in_the_test_side(reference: AmpliconReference, rank: str) -> None:
    split = leave_taxa_out(reference, rank=rank, share=0.3, rng=np.random.default_rng(1))
    nothing_crosses(reference, split)
    level = reference.ranks.index(rank)
    held = {reference.members[p][0][1][level] for p in split.test} - names(reference, split.train, rank)
    # A taxon whose only amplicon is shared with one that was drawn is left out along with it.
    drawn = round(0.3 * len(names(reference, tuple(range(len(reference))), rank)))
    assert drawn <= len(held) <= drawn + 2
    for position in split.test:
        assert held & {lineage[level] for _, lineage in reference.members[position]}
    assert len(split.train) + len(split.test) == len(reference)


def test_a_parent_that_must_stay_known_stays_known(reference: AmpliconReference) -> None:
    split = leave_taxa_out(reference, rank="genus", share=0.9, rng=np.random.default_rng(2), parent="family")
    assert names(reference, split.test, "family") <= names(reference, split.train, "family")


@pytest.mark.parametrize("identity", [0.99, 0.97, 0.95, 0.90])
def test_identity_split_keeps_relatives_together(reference: AmpliconReference, identity: float) -> None:
    split = split_by_identity(reference, identity=identity, share=0.3, rng=np.random.default_rng(3))
    nothing_crosses(reference, split)
    assert 0 < len(split.test) <= 0.3 * len(reference)
    nearest = min(
        edlib.align(reference.sequences[test], reference.sequences[train])["editDistance"]
        for test in split.test
        for train in split.train
    )
    length = min(map(len, reference.sequences))
    # Edit distance counts every edit, vsearch's identity leaves end gaps out: one base of tolerance.
    assert nearest + 1 >= (1 - identity) * length


def test_identity_one_divides_single_amplicons(reference: AmpliconReference) -> None:
    split = split_by_identity(reference, identity=1.0, share=0.5, rng=np.random.default_rng(4))
    assert len(split.test) == len(reference) // 2
    nothing_crosses(reference, split)


def test_folds_cover_everything_once_and_keep_groups(reference: AmpliconReference) -> None:
    def genus(position: int) -> str:
        return str(reference.members[position][0][1][2])

    folds = cross_validate(reference, folds=5, rng=np.random.default_rng(5), group=genus)
    assert sorted(position for fold in folds for position in fold.test) == list(range(len(reference)))
    for fold in folds:
        nothing_crosses(reference, fold)
        assert not {genus(p) for p in fold.train} & {genus(p) for p in fold.test}


def test_splits_are_reproducible(reference: AmpliconReference) -> None:
    first, second = (leave_taxa_out(reference, rank="genus", share=0.2, rng=np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_wrong_arguments_say_what_is_allowed(reference: AmpliconReference) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="expected one of phylum, family"):
        leave_taxa_out(reference, rank="tribe", share=0.1, rng=rng)
    with pytest.raises(UsageError, match="expected a number between 0 and 1"):
        leave_taxa_out(reference, rank="genus", share=2, rng=rng)
    with pytest.raises(UsageError, match=r"0\.5 to 1"):
        split_by_identity(reference, identity=0.2, share=0.1, rng=rng)
    with pytest.raises(UsageError, match="at least 2"):
        cross_validate(reference, folds=1, rng=rng)

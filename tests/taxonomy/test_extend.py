"""New taxa in a fitted model: known at once, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.evolved_taxa import evolved_reference, mutate

from abyssal.errors import ReferenceFormatError
from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.classifications import tsv_rows
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.extend import extend_model, extend_reference
from abyssal.taxonomy.model import load_model, save_model
from abyssal.taxonomy.neighbourhood import surroundings
from abyssal.taxonomy.retrieval import CANDIDATE_FACTOR, neighbours_of

from .conftest import MARKER, NEW_GENUS, Trained


def held_out(trained: Trained) -> AmpliconReference:
    whole = evolved_reference()
    kept = set(trained.reference.sequences)
    return whole.subset([place for place, sequence in enumerate(whole.sequences) if sequence not in kept])


def extended(trained: Trained, new: AmpliconReference) -> Classifier:
    classifier = trained.classifier
    extension = extend_reference(classifier.model.index.reference, new, source="new.tsv")
    model = extend_model(classifier.model, extension, classifier.encoder.embed)
    return Classifier(model, classifier.encoder, classifier.marker, classifier.putative)


def test_an_added_taxon_is_named(trained: Trained) -> None:
    new = held_out(trained)
    classifier = extended(trained, new)
    rng = np.random.default_rng(2)
    reads = [mutate(sequence, 0.004, rng) for sequence in trained.new_genus]
    before, after = trained.classifier.classify(reads), classifier.classify(reads)
    assert {row[3] for row in before.labels} != {NEW_GENUS}
    assert np.mean([row[3] == NEW_GENUS for row in after.labels]) > 0.9
    assert (after.accepted >= 3).mean() > (before.accepted >= 3).mean()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_answers_without_an_added_neighbour_stay_the_same(trained: Trained, data: st.DataObject) -> None:
    whole = held_out(trained)
    chosen = data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4, unique=True))
    classifier = extended(trained, whole.subset(sorted(chosen)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    reads = [mutate(sequence, float(rng.choice([0.0, 0.02, 0.08])), rng) for sequence in trained.reference.sequences]
    model = classifier.model
    candidates, _ = model.index.search(classifier.encoder.embed(reads), model.neighbours * CANDIDATE_FACTOR)
    apart = np.flatnonzero((candidates < len(trained.reference)).all(axis=1))
    assert apart.size > 20
    before = tsv_rows(["x"] * len(reads), trained.classifier.classify(reads))
    after = tsv_rows(["x"] * len(reads), classifier.classify(reads))
    assert [after[row] for row in apart] == [before[row] for row in apart]


def test_an_added_candidate_that_is_no_neighbour_pushes_none_out(trained: Trained) -> None:
    """Vectors may look alike where sequences do not: such additions are among the candidates and get no further."""
    rng = np.random.default_rng(8)
    reads = [mutate(sequence, 0.05, rng) for sequence in trained.reference.sequences[::9]]
    strangers = tuple("".join(rng.choice(list("ACGT"), size=250)) for _ in range(30))
    lineage = (*trained.reference.members[0][0][1][:-1], "Stranger")
    members = tuple(((f"s{row}", lineage),) for row in range(30))
    new = AmpliconReference(trained.reference.ranks, tuple(f"s{row}" for row in range(30)), strangers, members)
    extension = extend_reference(trained.reference, new, source="new.tsv")
    near = np.repeat(trained.classifier.encoder.embed(reads[:1]), 30, axis=0)
    model = extend_model(trained.model, extension, lambda _: near)
    vectors = trained.classifier.encoder.embed(reads)
    assert (model.index.search(near, model.neighbours)[0] >= len(trained.reference)).any()
    before, after = (
        neighbours_of(
            each.index,
            reads,
            vectors,
            each.neighbours,
            local_of=lambda places, each=each: surroundings(each.local, places),
        )[0]
        for each in (trained.model, model)
    )
    assert np.array_equal(before.places, after.places)
    assert np.array_equal(before.score, after.score)


def test_an_amplicon_that_is_there_gets_the_lineage_too(trained: Trained) -> None:
    old = trained.reference
    lineage = old.members[4][0][1]
    twin = (*lineage[:-1], "twin")
    new = AmpliconReference(old.ranks, (old.ids[4],), (old.sequences[4],), ((("T1", twin), ("T2", lineage)),))
    extension = extend_reference(old, new, source="new.tsv")
    assert (extension.amplicons, extension.merged, extension.present) == (0, 1, 1)
    assert extension.reference.members[4] == (*old.members[4], ("T1", twin))
    assert extension.taxa["species"] == 1
    answers = extended(trained, new).classify([old.sequences[4]])
    assert answers.alternatives[0] == tuple(sorted([str(lineage[-1]), "twin"]))


def test_two_additions_equal_one(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = held_out(trained)
    once = extended(trained, whole)
    half = len(whole) // 2
    first = extended(trained, whole.subset(list(range(half))))
    folder = tmp_path_factory.mktemp("first")
    save_model(first.model, folder, encoder=None, marker=MARKER, batch_size=64)
    stored = load_model(folder)
    extension = extend_reference(stored.index.reference, whole.subset(list(range(half, len(whole)))), source="new.tsv")
    twice = extend_model(stored, extension, first.encoder.embed)
    assert twice.index.reference == once.model.index.reference
    assert np.array_equal(twice.index.vectors, once.model.index.vectors)
    assert twice.index.taxa.added is not None
    assert once.model.index.taxa.added is not None
    assert np.array_equal(twice.index.taxa.added, once.model.index.taxa.added)
    for one, two in zip(twice.index.taxa.facts, once.model.index.taxa.facts, strict=True):
        assert np.array_equal(one, two)


def test_other_ranks_are_refused(trained: Trained) -> None:
    new = AmpliconReference(("kingdom", "genus"), ("a",), ("ACGT" * 50,), ((("a", ("k", "g")),),))
    with pytest.raises(ReferenceFormatError, match="its ranks are kingdom, genus; the bundle's are kingdom, o"):
        extend_reference(trained.reference, new, source="new.tsv")


def test_another_parent_of_a_known_taxon_is_refused(trained: Trained) -> None:
    old = trained.reference
    names = list(old.members[0][0][1])
    names[1] = "ko2" if names[1] != "ko2" else "ko1"
    new = AmpliconReference(old.ranks, ("N1",), ("ACGT" * 60,), ((("N1", tuple(names)),),))
    with pytest.raises(ReferenceFormatError, match="N1: family"):
        extend_reference(old, new, source="new.tsv")


def test_an_identifier_of_another_sequence_is_refused(trained: Trained) -> None:
    old = trained.reference
    new = AmpliconReference(old.ranks, (old.ids[0],), ("ACGT" * 60,), (old.members[0],))
    with pytest.raises(ReferenceFormatError, match="already stands for another sequence"):
        extend_reference(old, new, source="new.tsv")

"""What may be trained on: nothing that anything is measured with."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from abyssal.encoder.training.corpus import (
    Exclusions,
    MarkerCorpus,
    build_corpus,
    sequence_hash,
    training_hashes,
)
from abyssal.encoder.training.run import read_exclusions
from abyssal.references.model import AmpliconReference
from abyssal.splits import encoder_may_train_on, genus_part, species_part

from .conftest import make_reference, random_dna

NOTHING = Exclusions(frozenset(), frozenset())


def one_record(sequence: str, *, accession: str = "acc", genus: str = "Genus", species: str = "Genus one"):
    """A reference of one record."""
    return AmpliconReference(
        ("family", "genus", "species"), ("a",), (sequence,), (((accession, ("Family", genus, species)),),)
    )


def held_out_species() -> str:
    """A species' name that the split keeps out of training, of a genus that it does not."""
    return next(name for i in range(1000) if species_part(name := f"Genus name{i}") != "train")


def trainable_species() -> str:
    return next(name for i in range(1000) if species_part(name := f"Genus name{i}") == "train")


@pytest.fixture(scope="module")
def corpora() -> tuple[MarkerCorpus, ...]:
    return build_corpus({"one": make_reference(1), "two": make_reference(2)}, NOTHING)


def test_no_training_amplicon_has_a_held_out_name(corpora: tuple[MarkerCorpus, ...]) -> None:
    for corpus in corpora:
        assert corpus.sequences
        assert all(encoder_may_train_on(genus, species) for species, genus, _ in corpus.names)


def test_queries_and_training_do_not_meet(corpora: tuple[MarkerCorpus, ...]) -> None:
    for corpus in corpora:
        queries = {query.sequence for query in corpus.queries}
        assert len(queries) == len(corpus.queries) > 0
        assert not queries & set(corpus.sequences)


def test_queries_are_what_their_group_says(corpora: tuple[MarkerCorpus, ...]) -> None:
    groups = set()
    for corpus in corpora:
        species, genera, families = (set(column) for column in zip(*corpus.names, strict=True))
        for query in corpus.queries:
            groups.add(query.group)
            if query.group == "known species":
                assert query.names[0] in species
            elif query.group == "new species":
                assert query.names[0] not in species
                assert query.names[1] in genera
                assert query.part == species_part(query.names[0])
            else:
                assert query.names[1] not in genera
                assert query.names[2] in families
                assert query.part == genus_part(query.names[1])
    assert groups == {"known species", "new species", "new genus"}


def test_a_sequence_held_out_in_one_reference_is_held_out_in_all() -> None:
    sequence = random_dna(np.random.default_rng(0), 100)
    references = {
        "one": one_record(sequence, species=held_out_species()),
        "two": one_record(sequence, species=trainable_species()),
    }
    assert [corpus.sequences for corpus in build_corpus(references, NOTHING)] == [(), ()]
    del references["one"]
    assert [corpus.sequences for corpus in build_corpus(references, NOTHING)] == [(sequence,)]


@pytest.mark.parametrize("kind", ["same accession", "same sequence", "query inside", "query around"])
def test_benchmark_queries_are_kept_out(kind: str) -> None:
    sequence = random_dna(np.random.default_rng(0), 200)
    reference = {"one": one_record(sequence, accession="1111", species=trainable_species())}
    exclusions = {
        "same accession": Exclusions(frozenset({"1111"}), frozenset()),
        "same sequence": Exclusions(frozenset(), frozenset({sequence})),
        "query inside": Exclusions(frozenset(), frozenset({sequence[13:150]})),
        "query around": Exclusions(frozenset(), frozenset({"ACGT" * 10 + sequence + "TTGCA" * 8})),
    }
    (corpus,) = build_corpus(reference, exclusions[kind])
    assert corpus.sequences == ()
    assert corpus.dropped["benchmark query"] == 1
    (corpus,) = build_corpus(reference, Exclusions(frozenset({"1112"}), frozenset({sequence[:199] + "NN"})))
    assert corpus.sequences == (sequence,)


def test_labels_number_names_and_leave_unknown_ones_open() -> None:
    reference = make_reference(3)
    unknown = AmpliconReference(
        reference.ranks, reference.ids, reference.sequences,
        tuple(((pairs[0][0], (None, pairs[0][1][1], None)),) for pairs in reference.members),
    )  # fmt: skip
    (corpus,) = build_corpus({"one": unknown}, NOTHING)
    assert (corpus.labels[:, [0, 2]] == -1).all()
    assert len({(int(label), names[1]) for label, names in zip(corpus.labels[:, 1], corpus.names, strict=True)}) == len(
        {names[1] for names in corpus.names}
    )


def test_hashes_are_sorted_and_those_of_the_training_amplicons(corpora: tuple[MarkerCorpus, ...]) -> None:
    hashes = training_hashes(corpora)
    assert hashes.dtype == np.uint64
    assert (np.diff(hashes) > 0).all()
    assert set(hashes.tolist()) == {sequence_hash(one) for corpus in corpora for one in corpus.sequences}


def test_a_hash_is_the_head_of_the_md5_that_names_asvs() -> None:
    assert f"{sequence_hash('ACGT'):016x}" == "f1f8f4bf413b16ad"


@pytest.fixture(scope="module", params=["small", "base"])
def shipped_hashes(request: pytest.FixtureRequest, repository: Path) -> set[int]:
    from safetensors.numpy import load_file

    stored = load_file(repository / f"resources/encoders/abyssal-{request.param}/training_hashes.safetensors")
    return set(stored["hashes"].tolist())


@pytest.mark.shared_data
def test_the_shipped_encoder_has_seen_no_benchmark_query(shared_data: Path, shipped_hashes: set[int]) -> None:
    files = sorted((shared_data / "tax-credit").glob("*/query.fasta.gz"))
    queries = read_exclusions(files).sequences
    assert len(queries) > 3000
    assert not shipped_hashes & {sequence_hash(sequence) for sequence in queries}


@pytest.mark.shared_data
def test_the_shipped_encoder_has_seen_no_held_out_taxon(shared_data: Path, shipped_hashes: set[int]) -> None:
    """Read with a regular expression, not with the parsers that training used: two mistakes should not cancel."""
    held_out, trainable = set(), set()
    source = shared_data / "18s-reference" / "pr2_4.7.2_x_silva93_18S.V9_1389F1510R.fasta.gz"
    with gzip.open(source, "rt") as stream:
        for entry in stream.read().split(">")[1:]:
            header, _, sequence = entry.partition("\n")
            genus, species = re.search(r"g:([^,]+),s:(\S+)", header).groups()
            placeholder = re.compile(r"_X+$|_sp\.$")
            known = (None if placeholder.search(name) else name for name in (genus, species))
            kept = encoder_may_train_on(*known)
            (trainable if kept else held_out).add(sequence_hash(sequence.replace("\n", "").upper()))
    assert len(trainable & shipped_hashes) > 1000
    assert not held_out & shipped_hashes

"""Answers survive their way through a message; broken messages are refused."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from support.serving import LINEAGES, RANKS, PacedClassifier

from abyssal.client.session import TaxaPages
from abyssal.errors import BundleError, DataError
from abyssal.inference.batches import concatenate, distinct, in_chunks, select
from abyssal.inference.messages import to_classifications, to_message
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1.classification_pb2 import Answers
from abyssal.inference.v1.models_pb2 import GetTaxonomyResponse
from abyssal.taxonomy.classifications import Classifications, tsv_rows

TAXA = NumberedTaxa.from_lineages(RANKS, LINEAGES)
READ_LISTS = st.lists(st.text(alphabet="ACGTN!", max_size=30), max_size=40)


def rows(answers: Classifications) -> list[str]:
    return tsv_rows([""] * len(answers), answers)


@settings(max_examples=100, deadline=None)
@given(reads=READ_LISTS)
def test_answers_survive_the_wire(reads: list[str]) -> None:
    answers = PacedClassifier().classify(reads)
    received = to_classifications(Answers.FromString(to_message(answers, TAXA).SerializeToString()), TAXA)
    assert rows(received) == rows(answers)
    assert received.confidence.tobytes() == answers.confidence.tobytes()
    assert received.nearest_identity.tobytes() == answers.nearest_identity.tobytes()
    assert received.errors == answers.errors


@settings(max_examples=100, deadline=None)
@given(reads=READ_LISTS)
def test_distinct_reads_select_back(reads: list[str]) -> None:
    unique, positions = distinct(reads)
    assert [unique[i] for i in positions] == reads
    assert unique == sorted(set(reads), key=lambda read: (len(read), read))
    answers = PacedClassifier().classify(unique)
    assert rows(select(answers, positions)) == rows(PacedClassifier().classify(reads))


@settings(max_examples=100, deadline=None)
@given(reads=READ_LISTS, size=st.integers(1, 7))
def test_chunks_join_to_the_whole(reads: list[str], size: int) -> None:
    chunks = list(in_chunks(reads, reads=size, letters_of=len))
    assert [read for chunk in chunks for read in chunk] == reads
    assert all(0 < len(chunk) <= size for chunk in chunks)
    if chunks:
        parts = [PacedClassifier().classify(chunk) for chunk in chunks]
        assert rows(concatenate(parts)) == rows(PacedClassifier().classify(reads))


def test_chunks_are_bounded_in_letters() -> None:
    reads = ["A" * 400_000] * 5 + ["A" * 3_000_000, "A"]
    sizes = [[len(read) for read in chunk] for chunk in in_chunks(reads, reads=512, letters_of=len)]
    assert sizes == [[400_000] * 2, [400_000] * 2, [400_000], [3_000_000], [1]]


@settings(max_examples=300, deadline=None)
@given(noise=st.binary(max_size=200), place=st.integers(0, 10_000))
def test_broken_answers_are_refused_not_crashed_on(noise: bytes, place: int) -> None:
    good = to_message(PacedClassifier().classify(["ACGTACGTAC", "ACGTACGTAA", ""]), TAXA).SerializeToString()
    place %= len(good)
    with contextlib.suppress(DecodeError, DataError):
        message = Answers.FromString(good[:place] + noise + good[place + len(noise) :])
        assert len(to_classifications(message, TAXA)) == message.reads


def test_taxa_do_not_depend_on_the_order_of_lineages() -> None:
    shuffled = [LINEAGES[i] for i in np.random.default_rng(2).permutation(len(LINEAGES))]
    assert NumberedTaxa.from_lineages(RANKS, shuffled * 2).digest == TAXA.digest
    assert NumberedTaxa.from_lineages(RANKS, LINEAGES[1:]).digest != TAXA.digest


def test_numbers_name_the_labels_back() -> None:
    for lineage in LINEAGES:
        assert TAXA.labels(TAXA.numbers(lineage)) == lineage
    assert all(parent < number for number, parent in enumerate(TAXA.parents, start=1))


def test_homonyms_are_told_apart_by_their_parents() -> None:
    taxa = NumberedTaxa.from_lineages(("family", "genus"), [("A", "Same"), ("B", "Same")])
    assert taxa.numbers(("A", "Same")) != taxa.numbers(("B", "Same"))
    assert taxa.labels(taxa.numbers((None, "Same"))) == (None, "Same")


def test_label_outside_the_taxonomy_is_an_error() -> None:
    with pytest.raises(BundleError, match="Gamma"):
        TAXA.numbers(("Gamma", None, None))


def test_taxonomy_that_does_not_fit_its_digest_is_refused() -> None:
    pages = TaxaPages(TAXA.digest)
    pages.add(GetTaxonomyResponse(ranks=RANKS, names=["Alpha"], rank_numbers=[1], parents=[0]))
    with pytest.raises(DataError, match="digest"):
        pages.taxa()

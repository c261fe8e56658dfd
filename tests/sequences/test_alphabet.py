"""The IUPAC alphabet."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from abyssal.sequences.alphabet import IUPAC_BASES, first_invalid_letter, normalise, reverse_complement, sequence_id

SEQUENCES = st.text(alphabet="".join(IUPAC_BASES), max_size=60)


@given(SEQUENCES)
def test_reverse_complement_undoes_itself(sequence: str) -> None:
    assert reverse_complement(reverse_complement(sequence)) == sequence


@given(SEQUENCES)
def test_each_letter_pairs_with_the_complement_of_what_it_stands_for(sequence: str) -> None:
    pairs = {"A": "T", "C": "G", "G": "C", "T": "A"}
    for letter, partner in zip(sequence, reversed(reverse_complement(sequence)), strict=True):
        assert {pairs[base] for base in IUPAC_BASES[letter]} == set(IUPAC_BASES[partner])


def test_normalise_knows_rna_inosine_and_lower_case() -> None:
    assert normalise("acgu-I") == "ACGT-N"


def test_the_first_wrong_letter_is_found() -> None:
    assert first_invalid_letter("ACGTN") is None
    assert first_invalid_letter("ACZ-") == (2, "Z")


def test_ids_are_those_of_qiime2() -> None:
    assert sequence_id("acgt") == hashlib.md5(b"ACGT", usedforsecurity=False).hexdigest()

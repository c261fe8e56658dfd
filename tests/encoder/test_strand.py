"""Telling which way round a read is."""

from __future__ import annotations

import numpy as np
import pytest

from abyssal.encoder.strand import StrandProfile
from abyssal.sequences.alphabet import reverse_complement

from .conftest import make_reference, mutate, random_dna


@pytest.fixture
def profile() -> StrandProfile:
    return StrandProfile.fit(make_reference(1).sequences)


def test_reads_of_both_strands_come_out_alike(profile: StrandProfile) -> None:
    rng = np.random.default_rng(2)
    reads = [mutate(sequence, rng, share=0.05)[20:140] for sequence in make_reference(1).sequences[::3]]
    turned = [reverse_complement(read) for read in reads]
    assert profile.orient(reads)[0] == reads
    oriented, flipped = profile.orient(turned)
    assert oriented == reads
    assert flipped.all()


def test_what_says_nothing_stays_as_it_is(profile: StrandProfile) -> None:
    palindrome = "ACGTACGTACGT"
    oriented, flipped = profile.orient([palindrome, "NNNN", ""])
    assert oriented == [palindrome, "NNNN", ""]
    assert not flipped.any()


def test_no_reads_and_no_reference() -> None:
    empty = StrandProfile.fit([])
    assert empty.orient([]) == ([], pytest.approx(np.zeros(0, dtype=bool)))
    assert not empty.orient([random_dna(np.random.default_rng(0), 100)])[1].any()


def test_the_array_is_all_of_the_profile(profile: StrandProfile) -> None:
    assert profile.weights.dtype == np.float32
    assert profile.k == 6
    again = StrandProfile(profile.weights.copy())
    reads = list(make_reference(1).sequences)
    assert np.array_equal(again.scores(reads), profile.scores(reads))


def test_the_reverse_strand_scores_the_opposite(profile: StrandProfile) -> None:
    reads = list(make_reference(1).sequences)
    turned = [reverse_complement(read) for read in reads]
    np.testing.assert_allclose(profile.scores(turned), -profile.scores(reads), atol=1e-6)


@pytest.mark.shared_data
def test_real_amplicons_are_never_turned(shared_data) -> None:
    from abyssal.sequences.records import read_records

    source = shared_data / "18s-reference" / "pr2_4.7.2_x_silva93_18S.V4_TAReuk.fasta.gz"
    sequences = [record.sequence for record in read_records(source)]
    profile = StrandProfile.fit(sequences[::2])
    rng = np.random.default_rng(0)
    reads = [mutate(sequence, rng, share=0.02) for sequence in sequences[1::20]]
    forward = profile.orient(reads)[1].mean()
    reverse = profile.orient([reverse_complement(read) for read in reads])[1].mean()
    assert forward <= 0.001
    assert reverse >= 0.999

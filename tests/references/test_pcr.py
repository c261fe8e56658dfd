"""In-silico PCR against sequences whose primer sites are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.references_made import FORWARD_SITE, MARKER, REVERSE_SITE, mutate, random_dna

from abyssal.references.markers import ResolvedMarker
from abyssal.references.pcr import Site, amplify
from abyssal.sequences.alphabet import IUPAC_BASES, reverse_complement


def template(rng: np.random.Generator, length: int = 150) -> tuple[str, str]:
    """A sequence with both sites, and its insert."""
    insert = random_dna(rng, length)
    return random_dna(rng, 60) + FORWARD_SITE + insert + REVERSE_SITE + random_dna(rng, 60), insert


@pytest.mark.parametrize("minus", [False, True])
def test_the_insert_comes_out_in_primer_orientation(*, minus: bool) -> None:
    sequence, insert = template(np.random.default_rng(1))
    given_sequence = reverse_complement(sequence) if minus else sequence
    (found,) = amplify([given_sequence], MARKER, max_mismatches=2)
    assert (found.site, found.sequence) == (Site.AMPLIFIED, insert)


@pytest.mark.parametrize(("errors", "site"), [(2, Site.AMPLIFIED), (3, Site.REVERSE_ONLY)])
def test_mismatches_are_allowed_up_to_the_limit(errors: int, site: Site) -> None:
    rng = np.random.default_rng(2)
    insert = random_dna(rng, 150)
    forward = mutate(rng, FORWARD_SITE, errors / len(FORWARD_SITE))
    (found,) = amplify([forward + insert + REVERSE_SITE], MARKER, max_mismatches=2)
    assert found.site is site


def test_an_ambiguous_base_is_a_mismatch_unless_the_primer_accepts_all_of_it() -> None:
    rng = np.random.default_rng(3)
    insert = random_dna(rng, 150)
    masked = "N" * len(FORWARD_SITE) + insert + REVERSE_SITE
    (found,) = amplify([masked], MARKER, max_mismatches=3)
    assert found.site is Site.REVERSE_ONLY
    degenerate = ResolvedMarker("d", "GGNTTAGATACCCTGGTR", MARKER.reverse_primer, 100, 200)
    (accepted,) = amplify([f"GGNTTAGATACCCTGGTR{insert}{REVERSE_SITE}"], degenerate, max_mismatches=0)
    assert accepted.sequence == insert


@pytest.mark.parametrize(("length", "site"), [(90, Site.TOO_SHORT), (210, Site.TOO_LONG), (200, Site.AMPLIFIED)])
def test_the_length_window(length: int, site: Site) -> None:
    sequence, _ = template(np.random.default_rng(4), length)
    (found,) = amplify([sequence], MARKER, max_mismatches=1)
    assert found.site is site
    assert found.length == length


@pytest.mark.parametrize("minus", [False, True])
def test_a_single_site_tells_where_the_amplicon_begins_or_ends(*, minus: bool) -> None:
    rng = np.random.default_rng(5)
    insert = random_dna(rng, 150)
    only_forward = random_dna(rng, 40) + FORWARD_SITE + insert
    only_reverse = insert + REVERSE_SITE + random_dna(rng, 40)
    strands = [reverse_complement(s) if minus else s for s in (only_forward, only_reverse)]
    first, second = amplify(strands, MARKER, max_mismatches=1)
    assert (first.site, first.sequence[first.start :]) == (Site.FORWARD_ONLY, insert)
    assert (second.site, second.sequence[: second.end]) == (Site.REVERSE_ONLY, insert)


def test_nothing_and_the_empty_sequence() -> None:
    assert [r.site for r in amplify(["", "ACGT" * 30], MARKER, max_mismatches=2)] == [Site.NONE, Site.NONE]
    assert amplify([], MARKER, max_mismatches=2) == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), minus=st.booleans())
def test_any_concrete_form_of_a_degenerate_primer_is_found(seed: int, *, minus: bool) -> None:
    rng = np.random.default_rng(seed)
    primers = ("CCAGCASCYGCGGTAATTCC", "ACTTTCGTTCTTGATYRATGA")
    marker = ResolvedMarker("V4", *primers, 100, 200)
    forward, reverse = ("".join(rng.choice(list(IUPAC_BASES[letter])) for letter in primer) for primer in primers)
    insert = random_dna(rng, 150)
    sequence = random_dna(rng, 30) + forward + insert + reverse_complement(reverse) + random_dna(rng, 30)
    (found,) = amplify([reverse_complement(sequence) if minus else sequence], marker, max_mismatches=0)
    assert found.sequence == insert

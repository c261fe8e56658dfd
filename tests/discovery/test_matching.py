"""Putative taxa keep their ids when a study is run again, and the changes are told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from abyssal.discovery.matching import match_previous
from abyssal.discovery.records import StoredTaxon

ASVS = {letter: letter * 32 for letter in "abcdef0123456789"}


def group(letters: str) -> list[str]:
    return [ASVS[letter] for letter in letters]


def stored(name: str, letters: str) -> StoredTaxon:
    return StoredTaxon(name, frozenset(group(letters)))


def fates(changes) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {change.taxon: (change.fate, change.successors) for change in changes}


def test_a_first_run_names_taxa_by_their_most_abundant_member() -> None:
    ids, changes = match_previous([group("ab"), group("c")], [], reads={})
    assert ids == ["PTaaaaaaaaaa", "PTcccccccccc"]
    assert {change.fate for change in changes} == {"new"}


def test_an_id_survives_new_members_and_another_most_abundant_one() -> None:
    ids, changes = match_previous([group("cba0")], [stored("PTold", "abc")], reads={})
    assert ids == ["PTold"]
    assert fates(changes) == {"PTold": ("kept", ("PTold",))}


def test_a_split_leaves_the_id_with_the_larger_part() -> None:
    ids, changes = match_previous([group("a"), group("bc")], [stored("PTold", "abc")], reads={})
    assert ids == ["PTaaaaaaaaaa", "PTold"]
    assert fates(changes) == {"PTold": ("split", ("PTold", "PTaaaaaaaaaa"))}


def test_a_tie_in_a_split_goes_to_the_part_with_more_reads() -> None:
    reads = {ASVS["a"]: 5, ASVS["b"]: 50}
    ids, _ = match_previous([group("a"), group("b")], [stored("PTold", "ab")], reads=reads)
    assert ids == ["PTaaaaaaaaaa", "PTold"]


def test_a_merge_takes_the_id_it_shares_most_with_and_both_are_told() -> None:
    ids, changes = match_previous([group("abc")], [stored("PTone", "a"), stored("PTtwo", "bc")], reads={})
    assert ids == ["PTtwo"]
    assert fates(changes) == {"PTone": ("merged", ("PTtwo",)), "PTtwo": ("merged", ("PTtwo",))}


def test_a_vanished_taxon_is_gone_and_a_fresh_one_new() -> None:
    ids, changes = match_previous([group("d")], [stored("PTold", "a")], reads={})
    assert ids == ["PTdddddddddd"]
    assert fates(changes) == {"PTold": ("gone", ()), "PTdddddddddd": ("new", ("PTdddddddddd",))}


def test_no_two_taxa_share_an_id_when_a_namesake_is_taken_over() -> None:
    # The larger part keeps the id that the smaller part's most abundant member would give it.
    ids, _ = match_previous([group("ae"), group("bcd")], [stored("PTaaaaaaaaaa", "abcd")], reads={})
    assert ids == ["PTeeeeeeeeee", "PTaaaaaaaaaa"]


def test_the_order_of_groups_does_not_change_their_ids() -> None:
    previous = [stored("PTone", "abc"), stored("PTtwo", "def")]
    groups = [group("ad"), group("bc"), group("ef"), group("0")]
    forward, _ = match_previous(groups, previous, reads={})
    backward, _ = match_previous(groups[::-1], previous, reads={})
    assert forward == backward[::-1]


def test_an_id_follows_the_largest_part_of_its_asvs() -> None:
    # The first group holds all of PTone, though more of it comes from PTtwo, whose larger part is elsewhere.
    previous = [stored("PTone", "ab"), stored("PTtwo", "cdef012")]
    ids, changes = match_previous([group("abcde"), group("f012")], previous, reads={})
    assert ids == ["PTone", "PTtwo"]
    assert fates(changes) == {"PTone": ("merged", ("PTone",)), "PTtwo": ("split", ("PTtwo", "PTone"))}


def test_the_id_of_an_earlier_taxon_names_no_stranger() -> None:
    # Of PTaaaaaaaaaa's two ASVs one is alone now; the other is in a group that comes from elsewhere.
    previous = [stored("PTaaaaaaaaaa", "ab"), stored("PTcccccccccc", "cdef")]
    ids, changes = match_previous([group("cdef"), group("a01")], previous, reads={})
    assert ids == ["PTcccccccccc", "PTaaaaaaaaaa"]
    previous = [stored("PTaaaaaaaaaa", "b"), stored("PTcccccccccc", "acdef")]
    ids, changes = match_previous([group("cdef"), group("a01")], previous, reads={})
    assert ids == ["PTcccccccccc", "PT0000000000"]
    assert fates(changes)["PTaaaaaaaaaa"] == ("gone", ())


def test_no_two_taxa_share_an_id_when_short_and_whole_ids_are_taken_over() -> None:
    # The whole id's taxon goes with its larger part, the short one's with "b": nothing of "a" is left for "a" alone.
    whole = "PT" + ASVS["a"]
    ids, _ = match_previous(
        [group("01"), group("a"), group("b")], [stored("PTaaaaaaaaaa", "b"), stored(whole, "a01")], reads={}
    )
    assert ids == [whole, f"{whole}-2", "PTaaaaaaaaaa"]


@given(runs=st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2), min_size=1), min_size=1, max_size=6))
def test_ids_are_unique_in_every_run_of_a_series(runs: list[dict[str, int]]) -> None:
    previous: list[StoredTaxon] = []
    for homes in runs:
        groups = [[ASVS[letter] for letter in homes if homes[letter] == home] for home in sorted(set(homes.values()))]
        ids, _ = match_previous(groups, previous, reads={})
        assert len(set(ids)) == len(groups)
        previous = [StoredTaxon(name, frozenset(members)) for name, members in zip(ids, groups, strict=True)]

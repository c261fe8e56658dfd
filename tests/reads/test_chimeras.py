"""A chimera is told from its parents and from a real relative by who is more abundant where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.amplicons import random_sequence, substituted

from abyssal.reads.chimeras import chimeras_of_pool, find_chimeras

RNG = np.random.default_rng(5)
A, B, C = (random_sequence(RNG, 200) for _ in range(3))
JOINED = A[:90] + B[90:]


def found(*libraries: dict[str, int], skew: float = 1.5) -> set[str]:
    sequences = dict.fromkeys(sequence for library in libraries for sequence in library)
    return find_chimeras({sequence: sequence for sequence in sequences}, libraries, abundance_skew=skew)


def test_parents_need_not_be_much_more_abundant() -> None:
    assert found({A: 60, B: 40, JOINED: 20}) == {JOINED}
    assert found({A: 60, B: 25, JOINED: 20}) == set()


def test_one_parent_may_be_as_rare_as_the_chimera_beside_a_far_more_abundant_one() -> None:
    assert found({A: 900, B: 21, JOINED: 20}) == {JOINED}
    assert found({A: 900, B: 19, JOINED: 20}) == set()


def test_one_parent_must_be_in_the_same_library() -> None:
    assert found({A: 60, B: 40}, {JOINED: 20}) == set()
    assert found({A: 60, B: 40}, {JOINED: 20, A: 79}) == set()
    assert found({A: 60, B: 40}, {JOINED: 20, A: 80}) == {JOINED}


def test_a_parent_spent_in_the_library_has_as_many_reads_in_the_pool() -> None:
    assert found({A: 900, B: 2, JOINED: 10}, {B: 8}) == {JOINED}
    assert found({A: 900, B: 2, JOINED: 10}, {B: 7}) == set()


def test_what_is_in_several_libraries_is_not_the_chimera_of_a_spent_parent() -> None:
    assert found({A: 900, JOINED: 10}, {B: 50}, {A: 900, JOINED: 1}) == {JOINED}
    assert found({A: 900, JOINED: 10}, {B: 50}, {A: 900, JOINED: 2}) == set()


def test_a_neighbour_of_a_spent_parent_that_ends_as_the_leading_one_is_a_chimera() -> None:
    neighbour = substituted(B, 30)
    leader = neighbour[:60] + A[60:]
    assert found({leader: 900, neighbour: 10}, {B: 50}) == {neighbour}
    assert found({leader: 30, neighbour: 10}, {B: 50}) == set()
    assert found({leader: 900, neighbour: 10, B: 50}, {}) == set()


def test_a_few_reads_that_jumped_elsewhere_do_not_acquit() -> None:
    assert found({A: 600, B: 400, JOINED: 20}, {C: 500, JOINED: 2}) == {JOINED}


def test_a_species_rare_beside_its_lookalikes_is_kept_when_it_is_common_elsewhere() -> None:
    assert found({A: 600, B: 400, JOINED: 20}, {A: 5, B: 5, JOINED: 900}) == set()


def test_three_parents_and_parents_of_other_lengths() -> None:
    triple = A[:60] + B[60:130] + C[130:]
    shorter = A[:90] + B[100:]
    assert found({A: 600, B: 400, C: 300, triple: 20, shorter: 18}) == {triple, shorter}


def test_chimeras_are_no_parents() -> None:
    again = JOINED[:150] + C[150:]
    assert found({A: 600, B: 400, C: 300, JOINED: 200, again: 20}) == {JOINED, again}


def test_a_near_relative_is_no_chimera_of_what_it_resembles() -> None:
    relative = substituted(A, 100)
    lookalike = C[:60] + relative[60:]
    assert found({A: 100, lookalike: 100, relative: 40}) == set()


def test_a_parent_far_more_abundant_in_the_pool_needs_no_lead_in_the_library() -> None:
    assert found({A: 400, B: 12, JOINED: 10}, {B: 900, C: 800}) == {JOINED}


@pytest.mark.parametrize("libraries", [(), ({},), ({A: 4},)])
def test_nothing_to_compare(libraries: tuple[dict[str, int], ...]) -> None:
    assert find_chimeras({A: A}, libraries, abundance_skew=1.0) == set()


def test_a_consensus_that_no_library_holds_is_compared_by_its_reads_in_the_pool(tmp_path: Path) -> None:
    rows = {"a": (A, 600), "b": (B, 400), "joined": (JOINED, 20)}
    (tmp_path / "variants").write_text("".join(f">{name};size={n}\n{s}\n" for name, (s, n) in rows.items()))
    (tmp_path / "library").write_text(f">a;size=500\n{A}\n")
    assert chimeras_of_pool(tmp_path / "variants", [tmp_path / "library"], abundance_skew=1.5) == {"joined"}
    (tmp_path / "empty").write_text("")
    assert chimeras_of_pool(tmp_path / "empty", [], abundance_skew=1.5) == set()

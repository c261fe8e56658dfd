"""Error satellites join the amplicon they are errors of."""

from __future__ import annotations

import edlib
import numpy as np
import pytest

from abyssal.discovery.satellites import MAX_EDITS, MIN_SKEW, find_parents

PARENT = "ACGTTGCAAGGCTTACCGATAGGCATTACGGATCCATGCAAGTTCGATCCGGTA"


def edited(kind: str) -> str:
    return {
        "substitution": PARENT[:20] + "T" + PARENT[21:],
        "deletion": PARENT[:30] + PARENT[31:],
        "insertion": PARENT[:5] + "GA" + PARENT[5:],
        "first and last base": "T" + PARENT[1:-1] + "C",
        "three substitutions": "T" + PARENT[1:25] + "C" + PARENT[26:-1] + "C",
    }[kind]


@pytest.mark.parametrize("kind", ["substitution", "deletion", "insertion", "first and last base"])
def test_a_rare_neighbour_within_two_edits_is_a_satellite(kind: str) -> None:
    assert find_parents([PARENT, edited(kind)], np.array([160, 10])).tolist() == [0, 0]


def test_three_edits_or_too_many_reads_make_an_amplicon_of_its_own() -> None:
    assert find_parents([PARENT, edited("three substitutions")], np.array([1000, 1])).tolist() == [0, 1]
    assert find_parents([PARENT, edited("deletion")], np.array([159, 10])).tolist() == [0, 1]


def test_a_satellite_is_nobodys_parent() -> None:
    first = PARENT[:10] + "T" + PARENT[11:]
    far = first[:30] + "AA" + first[30:]
    # far is two edits from first, three from PARENT; first is itself an error of PARENT.
    assert find_parents([PARENT, first, far], np.array([10000, 500, 2])).tolist() == [0, 0, 2]


def test_no_sequences_and_order() -> None:
    assert find_parents([], np.zeros(0, dtype=np.int64)).tolist() == []
    assert find_parents([edited("deletion"), PARENT], np.array([1, 100])).tolist() == [1, 1]


def test_the_index_finds_what_comparing_all_pairs_finds() -> None:
    random = np.random.default_rng(2)
    base = ["".join(random.choice(list("ACGT"), size=60)) for _ in range(6)]
    sequences = sorted({mutate(random, base[random.integers(6)]) for _ in range(150)} | set(base))
    abundances = np.array([5000 if s in base else int(random.integers(1, 400)) for s in sequences])
    found = find_parents(sequences, abundances)
    for i, sequence in enumerate(sequences):
        near = [
            j
            for j, other in enumerate(sequences)
            if j != i
            and found[j] == j
            and abundances[j] >= MIN_SKEW * abundances[i]
            and edlib.align(sequence, other)["editDistance"] <= MAX_EDITS
        ]
        assert (found[i] != i) == bool(near)


def mutate(random: np.random.Generator, sequence: str) -> str:
    letters = list(sequence)
    for _ in range(random.integers(0, 4)):
        place = int(random.integers(len(letters)))
        match random.integers(3):
            case 0:
                letters[place] = str(random.choice(list("ACGT")))
            case 1:
                del letters[place]
            case _:
                letters.insert(place, str(random.choice(list("ACGT"))))
    return "".join(letters)

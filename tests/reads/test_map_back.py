"""Reads go to the nearest variant; those of chimeras do not go to the parents."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from support.amplicons import random_sequence, substituted

from abyssal.errors import DataError
from abyssal.reads.map_back import Assignment, map_back, read_assignments, write_assignments
from abyssal.sequences.alphabet import sequence_id

RNG = np.random.default_rng(21)
FIRST, SECOND = random_sequence(RNG, 200), random_sequence(RNG, 200)
CHIMERA = FIRST[:100] + SECOND[100:]


def assign(folder: Path, uniques: list[str], asvs: dict[str, int], chimeras: dict[str, int]) -> dict[str, Assignment]:
    groups = {"uniques": dict.fromkeys(uniques, 1), "asvs": asvs, "chimeras": chimeras}
    for name, sizes in groups.items():
        lines = [f">{sequence_id(sequence)};size={size}\n{sequence}\n" for sequence, size in sizes.items()]
        (folder / name).write_text("".join(lines))
    found = list(map_back(folder / "uniques", folder / "asvs", folder / "chimeras", identity=0.97))
    write_assignments(folder / "assignments", found)
    assert list(read_assignments(folder / "assignments").values()) == found
    assert [assignment.unique for assignment in found] == [sequence_id(sequence) for sequence in uniques]
    return dict(zip(uniques, found, strict=True))


def test_a_read_with_errors_goes_to_its_variant(tmp_path: Path) -> None:
    read = substituted(FIRST, 50, 120)
    found = assign(tmp_path, [read, FIRST], {FIRST: 10, SECOND: 5}, {})
    assert found[read] == Assignment(sequence_id(read), "asv", sequence_id(FIRST), 0.99, 1)
    assert found[FIRST].identity == 1.0


def test_reads_of_a_chimera_do_not_go_to_its_parents(tmp_path: Path) -> None:
    near_parent = FIRST[:190] + SECOND[190:]
    read = substituted(near_parent, 20)
    found = assign(tmp_path, [read, near_parent], {FIRST: 100, SECOND: 90}, {near_parent: 4})
    assert {assignment.kind for assignment in found.values()} == {"chimera"}


def test_a_read_unlike_everything_is_unmatched(tmp_path: Path) -> None:
    read = substituted(FIRST, *range(0, 200, 20))
    assert assign(tmp_path, [read], {FIRST: 10}, {CHIMERA: 3})[read] == Assignment(sequence_id(read), "unmatched")


def test_equally_near_variants_are_counted_and_the_most_abundant_wins(tmp_path: Path) -> None:
    left, right = substituted(FIRST, 30), substituted(FIRST, 160)
    found = assign(tmp_path, [FIRST], {left: 10, right: 20}, {})[FIRST]
    assert (found.target, found.equally_near) == (sequence_id(right), 2)
    of_a_chimera = assign(tmp_path, [FIRST], {left: 10}, {right: 20})[FIRST]
    assert (of_a_chimera.kind, of_a_chimera.target) == ("asv", sequence_id(left))


def test_a_longer_variant_is_not_as_near_as_the_read_itself(tmp_path: Path) -> None:
    longer = FIRST + "AC"
    found = assign(tmp_path, [FIRST, longer], {FIRST: 10, longer: 90}, {})
    assert [assignment.target for assignment in found.values()] == [sequence_id(FIRST), sequence_id(longer)]


def test_blocks_change_nothing_and_a_sequence_of_two_files_is_assigned_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = [substituted(base, *map(int, RNG.choice(200, 3, replace=False))) for base in (FIRST, SECOND) * 40]
    reads = list(dict.fromkeys(reads))
    one = assign(tmp_path, reads, {FIRST: 10, SECOND: 5}, {CHIMERA: 2})
    monkeypatch.setattr(sys.modules[map_back.__module__], "_BLOCK", 7)
    assert assign(tmp_path, reads, {FIRST: 10, SECOND: 5}, {CHIMERA: 2}) == one
    poor = [tmp_path / "uniques", tmp_path / "chimeras"]
    twice = map_back(tmp_path / "uniques", tmp_path / "asvs", tmp_path / "chimeras", identity=0.97, poor=poor)
    assert [assignment.unique for assignment in twice] == [*map(sequence_id, reads), sequence_id(CHIMERA)]


@pytest.mark.parametrize("uniques", [[], [FIRST]])
def test_nothing_to_map_to(tmp_path: Path, uniques: list[str]) -> None:
    assert all(found.kind == "unmatched" for found in assign(tmp_path, uniques, {}, {}).values())


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("unique\ttarget\n")
    with pytest.raises(DataError, match="expected the columns unique, kind"):
        read_assignments(tmp_path / "a.tsv")

"""Names of simulated reads: as the sequencer writes them, unique in a run, and those of the truth."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from abyssal.simulate.community import LibraryPlan
from abyssal.simulate.names import build_naming
from abyssal.simulate.templates import Template
from abyssal.simulate.text_kernels import name_block

from .conftest import ILLUMINA_NAME, Simulated, digests

Simulate = Callable[..., Simulated]


def test_illumina_names_are_unique_in_a_run_ordered_and_those_of_the_truth(
    simulate: Simulate, templates: list[Template]
) -> None:
    plans = [LibraryPlan(f"lib{i}", 3000, {templates[0].id: 1.0}, run="b" if i == 2 else "a") for i in range(3)]
    made = simulate(libraries=plans, sequencing={"names": "illumina"})
    seen: set[str] = set()
    cells = []
    for plan in plans:
        one, two = made.reads(plan.name, 1), made.reads(plan.name, 2)
        names = [read.id for read in one]
        assert names == [read.id for read in two] == [row["read"] for row in made.truth(plan.name)]
        assert not seen & set(names)
        seen |= set(names)
        places = [tuple(map(int, match.groups())) for name in names if (match := ILLUMINA_NAME.fullmatch(name))]
        assert len(places) == len(set(places)) == 3000
        assert len({tile for tile, _, _ in places}) == 28
        assert [(tile, y) for tile, _, y in places] == sorted((tile, y) for tile, _, y in places)
        assert np.corrcoef([x for _, x, _ in places], range(3000))[0, 1] == pytest.approx(0, abs=0.06)
        cells.append(names[0].rsplit(":", 3)[0])
    assert cells[0] == cells[1] != cells[2]


def test_crowded_rows_of_a_tile_hold_different_clusters() -> None:
    reads, size = 4_000_000, 200_000
    names: set[bytes] = set()
    for library in range(3):
        plans = [LibraryPlan(f"lib{i}", reads) for i in range(3)]
        naming = build_naming("illumina", plans, library, reads, seed=1)
        letters, starts = np.empty(size * 90, np.uint8), np.empty(size + 1, np.int64)
        name_block(1_000_000, naming, letters, starts)
        packed = letters.tobytes()
        names.update(packed[a:b] for a, b in pairwise(starts.tolist()))
    assert len(names) == 3 * size


def test_nanopore_names_are_unique_and_reproducible(simulate: Simulate) -> None:
    made, again = (simulate(pairs=400, profile="nanopore", folder=f, sequencing={"names": "nanopore"}) for f in "ab")
    names = [read.id for read in made.reads("lib")]
    assert len(set(names)) == 400
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name) for name in names)
    assert digests(made.folder) == digests(again.folder)

"""LULU's rule: errors follow their parent, and what does not follow stays; replicates must agree where asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.amplicons import random_sequence, substituted

from abyssal.reads.controls import TOO_FEW_REPLICATES, apply_controls, require_replicates
from abyssal.reads.curate import CurateSettings, curate
from abyssal.reads.ledger import removal_counts
from abyssal.reads.table import CountTable

RNG = np.random.default_rng(47)
PARENT = random_sequence(RNG, 200)
SEQUENCES = {
    "parent": PARENT,
    "error": substituted(PARENT, 10, 50, 90),
    "echo": substituted(PARENT, 10, 50, 90, 120),
    "elsewhere": substituted(PARENT, 30, 60),
    "abundant": substituted(PARENT, 15, 70),
    "unlike": random_sequence(RNG, 200),
}
COUNTS = {
    "parent": {"s1": 100, "s2": 80, "s3": 60, "s4": 0},
    "error": {"s1": 9, "s2": 8, "s3": 0, "s4": 0},
    "echo": {"s1": 2, "s2": 0, "s3": 0, "s4": 0},
    "elsewhere": {"s1": 2, "s2": 0, "s3": 0, "s4": 7},
    "abundant": {"s1": 120, "s2": 3, "s3": 0, "s4": 0},
    "unlike": {"s1": 3, "s2": 3, "s3": 3, "s4": 0},
}
TABLE = CountTable.from_columns(
    {name: {asv: reads[name] for asv, reads in COUNTS.items() if reads[name]} for name in ("s1", "s2", "s3", "s4")}
)
SAMPLES = {name: [name] for name in TABLE.columns}


def test_errors_are_added_to_their_parent(tmp_path: Path) -> None:
    curated, moved = curate(TABLE, SAMPLES, SEQUENCES, CurateSettings(), folder=tmp_path)
    row = dict(zip(curated.features, curated.counts.tolist(), strict=True))
    assert row["parent"] == [111, 88, 60, 0]
    assert [sum(row[name]) for name in ("error", "echo")] == [0, 0]
    assert [sum(row[name]) for name in ("elsewhere", "abundant", "unlike")] == [9, 123, 9]
    assert curated.totals() == TABLE.totals()
    assert {(move.asv, move.control) for move in moved} == {("error", "parent"), ("echo", "parent")}
    assert sum(move.reads_removed for move in moved) == 19


def test_identity_and_ratio_limit_it(tmp_path: Path) -> None:
    for settings in (CurateSettings(min_identity=0.999), CurateSettings(min_ratio=100.0)):
        curated, moved = curate(TABLE, SAMPLES, SEQUENCES, settings, folder=tmp_path)
        assert (moved, curated.totals()) == ([], TABLE.totals())


def test_an_empty_table_passes(tmp_path: Path) -> None:
    empty = CountTable((), ("a",), np.zeros((0, 1), dtype=np.int64))
    assert curate(empty, {"a": ["a"]}, {}, CurateSettings(), folder=tmp_path)[1] == []


REPLICATES = {"s": {"1": ["s.1a", "s.1b"], "2": ["s.2"], "3": ["s.3"]}, "t": {"1": ["t.1"]}}
LIBRARIES = ("s.1a", "s.1b", "s.2", "s.3", "t.1")


def test_n_of_m_replicates_must_have_an_asv() -> None:
    table = CountTable.from_columns(
        {"s.1a": {"x": 1, "y": 4}, "s.1b": {"y": 2}, "s.2": {"x": 3}, "s.3": {}, "t.1": {"y": 5}}
    )
    kept, removals = require_replicates(table, REPLICATES, least=2)
    row = dict(zip(kept.features, kept.counts.tolist(), strict=True))
    assert row["x"] == [1, 0, 3, 0, 0]
    assert row["y"] == [0, 0, 0, 0, 5], "two runs of one replicate are one; a sample with one replicate needs that one"
    assert {(gone.asv, gone.library, gone.reads_removed) for gone in removals} == {("y", "s.1a", 4), ("y", "s.1b", 2)}
    assert {gone.reason for gone in removals} == {TOO_FEW_REPLICATES}


@given(st.lists(st.dictionaries(st.sampled_from("xyz"), st.integers(1, 9)), min_size=5, max_size=5), st.integers(1, 4))
def test_replicates_explain_every_read(counts: list[dict[str, int]], least: int) -> None:
    table = CountTable.from_columns(dict(zip(LIBRARIES, counts, strict=True)))
    kept, removals = require_replicates(table, REPLICATES, least=least)
    steps = removal_counts("replicates", table, kept, removals)
    assert {name: step.reads_out for name, step in steps.items()} == kept.totals()


def test_a_blank_may_speak_about_its_own_run_only() -> None:
    table = CountTable.from_columns({"a": {"x": 3}, "b": {"x": 3}, "blank": {"x": 5}})
    everywhere, _ = apply_controls(table, ["blank"], method="maximum")
    assert everywhere.totals() == {"a": 0, "b": 0, "blank": 0}
    per_run, removals = apply_controls(table, ["blank"], method="maximum", runs=["1", "2", "1"])
    assert per_run.totals() == {"a": 0, "b": 3, "blank": 0}
    assert {(gone.library, gone.control) for gone in removals} == {("a", "blank"), ("blank", "blank")}

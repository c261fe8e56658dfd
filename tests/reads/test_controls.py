"""Contamination is removed by the stated rule, and each removal is named with its control."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abyssal.reads.controls import apply_controls, remove_tag_jumps
from abyssal.reads.ledger import removal_counts
from abyssal.reads.removals import write_controls
from abyssal.reads.table import CountTable

TABLE = CountTable.from_columns(
    {
        "one": {"contaminant": 5, "own": 100, "shared": 50},
        "two": {"contaminant": 12, "shared": 8},
        "three": {"contaminant": 9, "own": 30},
        "blank": {"contaminant": 9, "shared": 1, "only-blank": 3},
        "other-blank": {"contaminant": 2, "shared": 8},
    }
)
BLANKS = ["blank", "other-blank"]


def column(table: CountTable, name: str) -> dict[str, int]:
    counts = table.counts[:, table.columns.index(name)].tolist()
    return {feature: reads for feature, reads in zip(table.features, counts, strict=True) if reads}


def test_maximum_keeps_only_what_exceeds_every_blank() -> None:
    cleaned, removals = apply_controls(TABLE, BLANKS, method="maximum")
    assert column(cleaned, "one") == {"own": 100, "shared": 50}
    assert column(cleaned, "two") == {"contaminant": 12}
    assert column(cleaned, "three") == {"own": 30}
    assert column(cleaned, "blank") == column(cleaned, "other-blank") == {}
    named = {
        (row.asv, row.library): (row.reads_removed, row.reason, row.control, row.control_reads) for row in removals
    }
    assert named["contaminant", "three"] == (9, "at_or_below_control", "blank", 9)
    assert named["shared", "two"] == (8, "at_or_below_control", "other-blank", 8)
    assert named["only-blank", "blank"] == (3, "negative_control", "blank", 3)


def test_prevalence_removes_what_is_as_common_in_blanks() -> None:
    cleaned, removals = apply_controls(TABLE, BLANKS, method="prevalence")
    assert column(cleaned, "one") == {"own": 100}
    assert column(cleaned, "two") == {}
    assert {row.reason for row in removals if row.library == "two"} == {"as_prevalent_in_controls"}


def test_prevalence_keeps_what_is_more_common_in_samples() -> None:
    table = CountTable.from_columns({"a": {"x": 1}, "b": {"x": 9}, "blank1": {"x": 4}, "blank2": {}})
    cleaned, _ = apply_controls(table, ["blank1", "blank2"], method="prevalence")
    assert column(cleaned, "a") == {"x": 1}


def test_positive_controls_do_not_count_as_samples() -> None:
    table = CountTable.from_columns({"a": {"y": 3}, "mock": {"x": 9}, "blank1": {"x": 4}, "blank2": {}})
    cleaned, _ = apply_controls(table, ["blank1", "blank2"], method="prevalence", positive=["mock"])
    assert column(cleaned, "mock") == {}


@pytest.mark.parametrize("blanks", [[], BLANKS])
def test_method_none_removes_nothing(blanks: list[str]) -> None:
    cleaned, removals = apply_controls(TABLE, blanks, method="none")
    assert cleaned is TABLE
    assert not removals


def test_without_blanks_nothing_is_removed() -> None:
    assert apply_controls(TABLE, [], method="maximum") == (TABLE, [])


def test_tag_jumps_are_within_a_run() -> None:
    table = CountTable.from_columns({"a": {"x": 10_000}, "b": {"x": 9}, "c": {"x": 9}, "d": {"x": 11, "y": 1}})
    settled, _ = remove_tag_jumps(table, ["1", "1", "2", "1"], rate=0.001)
    assert [column(settled, name) for name in "abcd"] == [{"x": 10_000}, {}, {"x": 9}, {"x": 11, "y": 1}]
    unchanged, _ = remove_tag_jumps(table, ["1"] * 4, rate=0.0)
    assert unchanged.totals() == table.totals()


def test_removals_are_written_in_a_fixed_order(tmp_path: Path) -> None:
    _, removals = apply_controls(TABLE, BLANKS, method="maximum")
    write_controls(tmp_path / "c.tsv", removals[::-1], {name: f"sample-{name}" for name in TABLE.columns})
    lines = (tmp_path / "c.tsv").read_text().splitlines()
    assert lines[0].split("\t")[:5] == ["asv", "library", "sample", "reads_before", "reads_removed"]
    assert lines[1].split("\t") == [
        "contaminant", "blank", "sample-blank", "9", "9", "negative_control", "blank", "9",
    ]  # fmt: skip
    assert len(lines) == 1 + len(removals)


COUNTS = st.dictionaries(st.sampled_from("vwxyz"), st.integers(1, 50), max_size=5)


@given(
    st.lists(COUNTS, min_size=2, max_size=6),
    st.integers(0, 3),
    st.sampled_from(["maximum", "prevalence", "none"]),
    st.floats(0, 0.05),
)
def test_every_read_removed_is_named(counts: list[dict[str, int]], blanks: int, method: str, rate: float) -> None:
    """The ledger's rule holds for any table: StepCounts raises when a loss is not explained."""
    table = CountTable.from_columns({f"lib{number}": reads for number, reads in enumerate(counts)})
    settled, jumped = remove_tag_jumps(table, ["1"] * len(counts), rate=rate)
    cleaned, removals = apply_controls(settled, table.columns[: min(blanks, len(counts) - 1)], method=method)  # type: ignore[arg-type]
    jumps = removal_counts("tag_jumps", table, settled, jumped)
    removed = removal_counts("controls", settled, cleaned, removals)
    assert all(removed[name].follows(jumps[name]).reads_out == left for name, left in cleaned.totals().items())
    assert (cleaned.counts <= table.counts).all()

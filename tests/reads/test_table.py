"""The count table survives a round trip and refuses what is no count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abyssal.errors import DataError
from abyssal.reads.table import CountTable, read_table, write_table

NAMES = st.text("abc123.-_", min_size=1, max_size=4)
COLUMNS = st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers(1, 10**9), max_size=5), max_size=5)


@given(COLUMNS)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, columns: dict[str, dict[str, int]]) -> None:
    path = tmp_path_factory.mktemp("table") / "t.tsv"
    table = CountTable.from_columns(columns)
    write_table(path, table)
    found = read_table(path)
    assert (found.features, found.columns) == (table.features, table.columns)
    np.testing.assert_array_equal(found.counts, table.counts)
    assert found.totals() == {name: sum(reads.values()) for name, reads in columns.items()}


@given(COLUMNS)
def test_rows_are_by_abundance_without_empty_ones(columns: dict[str, dict[str, int]]) -> None:
    table = CountTable.from_columns(columns).by_abundance()
    keys = [(-int(total), name) for total, name in zip(table.counts.sum(axis=1), table.features, strict=True)]
    assert keys == sorted(keys)
    assert all(total < 0 for total, _ in keys)


def test_columns_add_up_and_empty_ones_stay() -> None:
    table = CountTable.from_columns({"a": {"x": 1}, "b": {"x": 2, "y": 3}, "c": {}, "d": {"y": 9}})
    merged = table.merge_columns({"s": ["a", "b"], "t": ["c"]})
    assert merged.columns == ("s", "t")
    assert merged.totals() == {"s": 6, "t": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ASV\ta\nx\t1\n", "expected 'Feature ID'"),
        ("Feature ID\ta\nx\t1\ny\t-1\n", "line 3: expected 1 counts"),
        ("Feature ID\ta\tb\nx\t1\n", "line 2: expected 2 counts"),
        ("", "expected 'Feature ID'"),
    ],
)
def test_a_broken_table_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.tsv")

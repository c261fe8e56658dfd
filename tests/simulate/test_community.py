"""Abundance laws, drawn communities, given tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abyssal.errors import DataError, UsageError
from abyssal.simulate.community import (
    CommunitySettings,
    amplification_factors,
    draw_communities,
    law_weights,
    read_communities,
)


def test_even_weights_are_equal() -> None:
    assert law_weights("even", 4, np.random.default_rng(1)).tolist() == [0.25] * 4


def test_zipf_weights_fall_with_the_rank() -> None:
    weights = law_weights("zipf", 100, np.random.default_rng(1), exponent=1.5)
    slope = np.polyfit(np.log(np.arange(1, 101)), np.log(weights), 1)[0]
    assert slope == pytest.approx(-1.5)


def test_lognormal_weights_spread_as_asked() -> None:
    weights = law_weights("lognormal", 20_000, np.random.default_rng(1), sigma=2.0)
    assert np.log(weights).std() == pytest.approx(2.0, rel=0.03)
    assert weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("turnover", "shared"), [(0.0, 10), (0.5, 5)])
def test_libraries_share_what_does_not_turn_over(turnover: float, shared: int) -> None:
    names = [f"t{i}" for i in range(1000)]
    settings = CommunitySettings(richness=10, turnover=turnover)
    one, two = draw_communities(names, 2, settings, np.random.default_rng(3))
    assert len(one) == len(two) == 10
    assert len(one.keys() & two.keys()) == shared
    assert sum(one.values()) == pytest.approx(1.0)


def test_an_even_community_stays_even_between_libraries() -> None:
    settings = CommunitySettings("even", richness=5, turnover=0.0, between_libraries=2.0)
    communities = draw_communities(list("abcdefgh"), 3, settings, np.random.default_rng(3))
    assert {weight for community in communities for weight in community.values()} == {0.2}


def test_more_templates_than_there_are_is_an_error() -> None:
    with pytest.raises(UsageError, match="there are 2 templates"):
        draw_communities(["a", "b"], 1, CommunitySettings(richness=3), np.random.default_rng(1))


def test_without_spread_amplification_favours_nobody() -> None:
    factors = amplification_factors(5, np.random.default_rng(1), cycles=30, efficiency_sd=0.0)
    assert factors == pytest.approx(np.ones(5))


def test_a_given_table_is_taken_as_it_is(tmp_path: Path) -> None:
    table = tmp_path / "community.tsv"
    table.write_text("library\ttemplate\tweight\nmock\ta\t3\nmock\tb\t1\nmock\ta\t1\nother\tb\t2\n")
    assert read_communities(table, {"a": 0, "b": 1}) == {"mock": {"a": 4.0, "b": 1.0}, "other": {"b": 2.0}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("library\ttemplate\n", "row 1: expected the tab-separated columns library, template, weight"),
        ("library\ttemplate\tweight\nx\ta\tmany\n", "row 2: expected a library, a template and a number"),
        ("library\ttemplate\tweight\nx\ta\t-1\n", "row 2: weight -1 is out of range"),
        ("library\ttemplate\tweight\nx\tz\t1\n", "row 2: 'z' is no template"),
        ("library\ttemplate\tweight\nx\ta\t0\n", "library x has no weight above zero"),
        ("", "row 1"),
    ],
    ids=["column missing", "not a number", "negative", "unknown template", "nothing in it", "empty file"],
)
def test_wrong_tables_say_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "community.tsv"
    table.write_text(text)
    with pytest.raises(DataError, match=message):
        read_communities(table, {"a": 0})

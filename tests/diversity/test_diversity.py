"""Diversity against values worked out by hand, and what a study with too few samples gets."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from abyssal.diversity.files import FILES, write_diversity
from abyssal.diversity.measure import alpha_diversity, expected_richness, ordinate, rarefaction_curves
from abyssal.reads.table import CountTable


def table(*columns: list[int], names: str = "abcdefgh") -> CountTable:
    counts = np.array(columns, dtype=np.int64).T
    return CountTable(tuple(f"asv{row}" for row in range(len(counts))), tuple(names[: len(columns)]), counts)


def test_expected_richness_is_the_mean_over_all_draws() -> None:
    counts = [3, 2, 1, 0]
    reads = [feature for feature, number in enumerate(counts) for _ in range(number)]
    for depth in range(len(reads) + 1):
        draws = [len(set(draw)) for draw in combinations(reads, depth)]
        assert expected_richness(np.array(counts), depth) == pytest.approx(sum(draws) / len(draws))


def test_curves_rise_from_none_to_all_asvs() -> None:
    curves = rarefaction_curves(table([500, 30, 1], [0, 0, 0]))
    assert list(curves) == ["a"]
    assert curves["a"][0] == (0, 0.0)
    assert curves["a"][-1] == (531, pytest.approx(3))
    assert np.all(np.diff([asvs for _, asvs in curves["a"]]) > 0)


def test_alpha_diversity_of_known_samples() -> None:
    taxa = {"asv0": "x", "asv1": "x", "asv2": "pt-1"}
    even, single, empty = alpha_diversity(table([4, 4, 4], [9, 0, 0], [0, 0, 0]), taxa)
    assert (even.reads, even.asvs, even.taxa) == (12, 3, 2)
    assert even.shannon == pytest.approx(math.log(3))
    assert (even.simpson, even.evenness, even.coverage) == pytest.approx((2 / 3, 1, 1))
    assert even.chao1 == 3
    assert even.rarefied == pytest.approx(expected_richness(np.array([4, 4, 4]), 9))
    assert (single.asvs, single.evenness, single.shannon) == (1, None, 0)
    assert (empty.reads, empty.asvs, empty.shannon, empty.rarefied) == (0, 0, None, None)


def test_ordination_separates_groups_whatever_the_depth() -> None:
    made = ordinate(table([90, 10, 0, 0], [880, 120, 0, 0], [0, 0, 30, 70], [0, 0, 350, 650], [0, 0, 0, 0]))
    assert [found.metric for found in made] == ["braycurtis", "jaccard"]
    for found in made:
        assert found.samples == ("a", "b", "c", "d")
        assert found.distances[0, 2] == 1
        first = found.coordinates[:, 0]
        assert abs(first[0] - first[2]) > 5 * max(abs(first[0] - first[1]), 1e-9)
        assert first[np.abs(first).argmax()] > 0
        assert 0.9 < sum(found.explained) <= 1 + 1e-9
    assert made[0].distances[0, 1] == pytest.approx(0.02)
    assert made[1].distances[0, 1] == 0


@pytest.mark.parametrize("columns", [([5, 1], [3, 2]), ([5, 1], [0, 0], [0, 0]), ()])
def test_fewer_than_three_samples_have_no_ordination(columns: tuple[list[int], ...]) -> None:
    counts = table(*columns) if columns else CountTable((), (), np.zeros((0, 0), dtype=np.int64))
    assert ordinate(counts) == []


def test_samples_that_are_all_alike_lie_on_one_point(tmp_path: Path) -> None:
    alike = table([5, 1], [5, 1], [5, 1])
    assert all(np.allclose(found.coordinates, 0) for found in ordinate(alike))
    write_diversity(tmp_path, alike, {"asv0": "x", "asv1": "y"})
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    assert "-0.000000" not in (tmp_path / "ordination.tsv").read_text()
    assert "nan" not in "".join(path.read_text() for path in tmp_path.iterdir())

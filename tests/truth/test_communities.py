"""Simulated communities, staggered over three orders of magnitude, against what was put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.communities import Recipe, grade, make_study, run_chain

from abyssal.config.models import PreprocessConfig
from abyssal.references.markers import resolve_marker
from abyssal.simulate.templates import Template, cut_templates, read_templates

MARKER = "18S-V4-Zingone"
LENGTHS = (200, 430)
"""Amplicons (bases) that 2 x 251 bases can merge."""


@pytest.fixture(scope="module")
def demo_templates(repository: Path) -> list[Template]:
    """The amplicons that ship."""
    found = read_templates(repository / "resources" / "demo" / "reference.fasta.gz", np.random.default_rng(0))
    return [template for template in found if LENGTHS[0] <= len(template.sequence) <= LENGTHS[1]]


def _check(folder: Path, recipe: Recipe, templates: list[Template]) -> None:
    config = PreprocessConfig()
    made = make_study(folder, recipe, templates)
    assert sum(len(truth) for truth in made.truth.values()) >= 15 * recipe.samples
    found = grade(made, run_chain(made, config), config)
    assert list(found.missed) == []
    assert list(found.false) == []
    assert max(found.bray_curtis.values()) <= 0.05, found.bray_curtis


def test_a_small_community_is_found_whole(tmp_path: Path, demo_templates: list[Template]) -> None:
    _check(tmp_path, Recipe(MARKER, seed=1, samples=2, pairs=4000), demo_templates)


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("seed", range(101, 111))
def test_communities_of_the_whole_reference(tmp_path: Path, shared_data: Path, seed: int) -> None:
    source = shared_data / "18s-reference" / "pr2_4.7.2_x_silva93_18S.fasta.gz"
    templates = cut_templates(read_templates(source, np.random.default_rng(0)), resolve_marker(MARKER))
    _check(tmp_path, Recipe(MARKER, seed), [t for t in templates if LENGTHS[0] <= len(t.sequence) <= LENGTHS[1]])

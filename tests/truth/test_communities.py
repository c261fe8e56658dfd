"""Staggered communities of known composition: every species found, nothing false, abundances right.

The communities have 18 species over three orders of magnitude, a third of them near relatives of others, 2 % chimeras,
a blank with reagent contaminants and reads that jumped between libraries. A species with ten reads in a sample must be
found there, unless it is one difference from a neighbour that is more abundant than UNOISE's skew allows; such species
are listed. No false ASV may have five reads in a sample, and the Bray-Curtis distance to the truth is at most 0.05.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.communities import Grade, Recipe, Templates, grade, make_study, run_chain

from abyssal.config.preprocess import PreprocessConfig

pytestmark = pytest.mark.timeout(3600)

MOST_DISTANT = 0.05
SEEDS = range(200, 212)
"""Seeds that no default was chosen on."""
MARKERS = ("18S-V4-Zingone", "12S-MiFish-U")


def graded(folder: Path, recipe: Recipe, templates: Templates) -> Grade:
    """Simulate, run the chain with default settings, compare."""
    config = PreprocessConfig()
    made = make_study(folder, recipe, templates)
    return grade(made, run_chain(made, config), config)


def check(found: Grade) -> None:
    assert found.missed == []
    assert found.false == []
    assert max(found.bray_curtis.values()) <= MOST_DISTANT


def test_a_small_community_of_the_demo_reference(tmp_path: Path, demo_templates: Templates) -> None:
    check(graded(tmp_path, Recipe("18S-V4-Zingone", seed=3, species=15, samples=2, pairs=2500), demo_templates))


def test_a_grade_sees_what_is_missing_and_what_is_false(tmp_path: Path, demo_templates: Templates) -> None:
    made = make_study(tmp_path, Recipe("18S-V4-Zingone", seed=3, species=15, samples=1, pairs=800), demo_templates)
    (sample,) = made.truth
    truth = made.truth[sample]
    first = max(truth, key=lambda name: truth[name])
    results = run_chain(made, PreprocessConfig())
    assert first in results.counts(sample)
    made.truth[sample] = {**truth, "0" * 32: 30}
    del made.truth[sample][first]
    made.sequences["0" * 32] = "ACGT" * 40
    found = grade(made, results, PreprocessConfig())
    assert [(fault.asv, fault.reads) for fault in found.missed] == [("0" * 32, 30)]
    assert first in {fault.asv for fault in found.false}
    assert found.bray_curtis[sample] > MOST_DISTANT


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_communities_of_real_amplicons(
    marker: str, seed: int, tmp_path: Path, real_templates: Callable[[str], Templates]
) -> None:
    found = graded(tmp_path, Recipe(marker, seed), real_templates(marker))
    for fault in found.excused:
        print(f"{marker} seed {seed}: {fault.sample} misses {fault.asv} with {fault.reads} reads: {fault.note}")
    check(found)


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("changes", [{"pairs": 40_000}, {"tag_jump_rate": 0.01}, {"related": 0.6, "species": 30}],
                         ids=["deep", "much cross-talk", "near relatives"])  # fmt: skip
def test_harder_communities(
    changes: dict[str, float], tmp_path: Path, real_templates: Callable[[str], Templates]
) -> None:
    check(graded(tmp_path, Recipe("12S-MiFish-U", 300, **changes), real_templates("12S-MiFish-U")))  # type: ignore[arg-type]

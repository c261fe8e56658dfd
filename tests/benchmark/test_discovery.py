"""The discovery benchmark: what is asked was never seen, and the figures are those of the definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from abyssal.benchmark.discovery import OURS, Answer, SplitAnswers, _embedded, part_of
from abyssal.benchmark.discovery_score import contingency, figures, page, score, weighted_rand
from abyssal.references.model import AmpliconReference

TRUTH = np.array([0, 0, 0, 1, 1, 2])


def test_no_reported_taxon_is_in_what_is_fitted_on() -> None:
    names = [f"Genus{number // 3} species{number}" for number in range(300)]
    members = tuple(((f"r{number}", ("Alpha", name)),) for number, name in enumerate(names))
    sequences = tuple("ACGT" * 10 + "ACGT"[number % 4] * number for number in range(300))
    reference = AmpliconReference(
        ("phylum", "species"), tuple(f"r{number}" for number in range(300)), sequences, members
    )
    parts = {part: _embedded(reference, part) for part in ("reference", "development", "report")}
    found = {part: {lineage[-1] for lineage in made.reference.lineages} for part, made in parts.items()}
    assert set.union(*found.values()) == set(names)
    assert sum(map(len, found.values())) == len(names)
    assert {part: {part_of(str(name)) for name in taxa} for part, taxa in found.items()} == {
        part: {part} for part in found
    }
    assert 80 < len(found["report"]) < 160


def test_figures_of_a_known_answer() -> None:
    perfect = figures(TRUTH, np.array([4, 4, 4, 0, 0, -1]))
    assert perfect["ARI"] == perfect["B-cubed F1"] == perfect["taxa F1 > .9"] == 1.0
    assert perfect["noise"] == pytest.approx(1 / 6)
    # Two of the three of taxon 0 with the one of taxon 2: best F1 of taxon 0 is 2 * 2 / (3 + 3), taxon 1 is whole.
    mixed = figures(TRUTH, np.array([0, 0, 1, 2, 2, 0]))
    assert (mixed["taxa F1 > .5"], mixed["taxa F1 > .9"]) == (1.0, 0.5)
    precision, recall = (4 / 3 + 1 / 1 + 4 / 2 + 1 / 3) / 6, (4 / 3 + 1 / 3 + 4 / 2 + 1) / 6
    assert mixed["B-cubed F1"] == pytest.approx(2 * precision * recall / (precision + recall))


def test_the_index_of_taxa_that_count_once_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    for _ in range(20):
        truth, groups = random.integers(0, 6, 40), random.integers(0, 9, 40)
        shared, sizes, _ = contingency(truth, groups)
        assert weighted_rand(shared, np.ones(sizes.size)) == pytest.approx(adjusted_rand_score(truth, groups))


def test_the_page_names_the_difference_and_its_interval() -> None:
    truth = np.repeat(np.arange(20), 4)
    good = Answer(truth, ())
    poor = Answer(truth // 2, (truth // 2, truth))
    found = score([SplitAnswers(truth, {OURS: good, "coarse": poor})] * 2, seed=1)
    row = found["methods"]["coarse"]
    assert found["best baseline"] == "coarse"
    assert row["ARI oracle"] == 1.0

    low, high = row["difference interval"]
    assert low <= row["ours minus it"] <= high
    assert f"{row['ours minus it']:+.3f}" in page({"toy": found})


def test_the_page_ends_with_the_mean_of_the_datasets() -> None:
    truth = np.repeat(np.arange(20), 4)
    answers = {OURS: Answer(truth, ()), "coarse": Answer(truth // 2, ())}
    easy = score([SplitAnswers(truth, answers)], seed=1)
    hard = score([SplitAnswers(truth, answers | {OURS: Answer(truth // 4, ())})], seed=1)
    coarse, fine = (float(adjusted_rand_score(truth, truth // size)) for size in (2, 4))
    last = page({"easy": easy, "hard": hard}).rpartition("## Mean of the datasets")[2]
    first, second = last.strip().splitlines()[2:]
    assert first.startswith(f"| {OURS} | {(1 + fine) / 2:.3f} | ")
    assert second.startswith(f"| coarse | {coarse:.3f} | ")
    assert f" | {(1 + fine) / 2 - coarse:+.3f} (" in second


@pytest.mark.slow
@pytest.mark.shared_data
def test_ours_is_first_on_development_taxa(shared_data: Path, tmp_path: Path) -> None:
    """On COI, with the taxa that methods are developed on; the reported ones are left for the benchmark."""
    from abyssal.benchmark.build import write_dataset
    from abyssal.benchmark.discovery import run_dataset

    files = ("reference.fasta.gz", "lineages.tsv", "vectors.safetensors")
    names = {file.partition(".")[0]: tmp_path / file for file in files}
    write_dataset(shared_data, "coi-annelida", 1.0, "kmers", names, 16)
    found = score(run_dataset(tmp_path, seed=1, reported="development"), seed=1)
    rest = found["methods"][found["best baseline"]]["ARI"]
    assert found["methods"][OURS]["ARI"] > rest

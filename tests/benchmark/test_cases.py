"""Cases: nothing crosses a split, and each is what its name says."""

from __future__ import annotations

from pathlib import Path

import edlib
import numpy as np
import pytest

from abyssal.benchmark.cases import CaseKey, read_case, write_case
from abyssal.benchmark.datasets import build_dataset, in_scale, missing, tax_credit_datasets, tax_credit_queries
from abyssal.benchmark.draw import make_case
from abyssal.benchmark.identity import choose_queries
from abyssal.benchmark.plan import make_plan, most_queries
from abyssal.benchmark.robustness import QUERY_VARIANTS, robustness_case, with_wrong_labels
from abyssal.benchmark.taxa_out import taxa_out_case
from abyssal.config.benchmark import BenchmarkConfig
from abyssal.evaluation.answers import judge
from abyssal.evaluation.groups import substituted
from abyssal.references.model import AmpliconReference
from abyssal.splits import encoder_may_train_on


def test_left_out_taxa_are_gone_and_no_encoder_trained_on_any_query(evolved: AmpliconReference) -> None:
    case = taxa_out_case(evolved, 1, 60)
    assert case.queries
    assert not {query.sequence for query in case.queries} & set(case.fitted.sequences)
    truth = judge([query.lineage for query in case.queries], case.fitted)
    assert set(truth.strata) == {"known", "new species", "new genus"}
    assert not any(encoder_may_train_on(query.lineage[-2], query.lineage[-1]) for query in case.queries)
    assert taxa_out_case(evolved, 1, 60) == case
    assert taxa_out_case(evolved, 2, 60) != case


@pytest.mark.parametrize("percent", [97, 95, 90])
def test_no_reference_is_nearer_than_the_identity_says(evolved: AmpliconReference, percent: int) -> None:
    case = make_case(CaseKey("identity", "x", f"{percent}-1"), evolved, Path(), most=20)
    assert case.queries
    for query in case.queries:
        # Edit distance over the longer length is never above vsearch's identity by more than a base.
        nearest = min(edlib.align(query.sequence, known)["editDistance"] for known in case.fitted.sequences)
        assert nearest + 1 >= (1 - percent / 100) * len(query.sequence)
        assert nearest <= (1 - percent / 100 + 0.02) * len(query.sequence) + 2


def test_at_full_identity_the_sequence_stays_in_the_reference(evolved: AmpliconReference) -> None:
    case = make_case(CaseKey("identity", "x", "100-1"), evolved, Path(), most=20)
    assert {query.sequence for query in case.queries} <= set(case.fitted.sequences)


def test_a_kept_neighbour_is_neither_removed_nor_asked() -> None:
    hits = {0: [(1, 0.99), (2, 0.96)], 2: [(0, 0.96), (3, 0.99)], 3: [(2, 0.99), (4, 0.96)]}
    asked, removed = choose_queries([0, 2, 3], hits, 0.97, 3)
    assert asked == [0]
    assert removed == {1}


def test_published_split_is_read_with_and_without_copies(tiny_data: Path, evolved: AmpliconReference) -> None:
    assert tax_credit_datasets(tiny_data) == ["tax-credit-B1-REF-iter0"]
    reference = build_dataset(tiny_data, "tax-credit-B1-REF-iter0", 1.0)
    queries = tax_credit_queries(tiny_data, "tax-credit-B1-REF-iter0", reference.ranks, 1.0)
    assert len(queries) == len(evolved.sequences[::3])
    copies = {query.sequence for query in queries} & set(reference.sequences)
    assert len(copies) == 2
    key = CaseKey("tax-credit", "tax-credit-B1-REF-iter0", "distinct")
    case = make_case(key, reference, tiny_data, most=900)
    assert not {query.sequence for query in case.queries} & set(case.fitted.sequences)
    assert len(case.fitted) == len(reference) - 2


def test_robustness_changes_what_it_says(evolved: AmpliconReference) -> None:
    case = taxa_out_case(evolved, 1, 30)
    asked = robustness_case(case, "queries")
    assert len(asked.queries) == len(QUERY_VARIANTS) * len(case.queries)
    half = [query for query, group in zip(asked.queries, asked.groups, strict=True) if group == "half length"]
    assert all(len(query.sequence) == 120 for query in half)
    letters = substituted("ACGT" * 5000, 0.02, np.random.default_rng(1))
    wrong = sum(a != b for a, b in zip(letters, "ACGT" * 5000, strict=True))
    assert wrong / 20_000 == pytest.approx(0.02, abs=0.005)
    noisy = with_wrong_labels(evolved, 0.1, np.random.default_rng(1))
    changed = sum(a != b for a, b in zip(noisy.members, evolved.members, strict=True))
    assert 0.05 * len(evolved) < changed <= 0.1 * len(evolved) + 1
    assert len(robustness_case(case, "dropout-50").fitted) == pytest.approx(len(case.fitted) / 2, abs=1)


def test_cases_come_back_from_files(evolved: AmpliconReference, tmp_path: Path) -> None:
    case = robustness_case(taxa_out_case(evolved, 1, 30), "queries")
    write_case(case, tmp_path)
    assert read_case(tmp_path) == case


def test_scale_keeps_whole_families(evolved: AmpliconReference) -> None:
    kept = {pairs[0][1][2]: in_scale(pairs[0][1], 0.5) for pairs in evolved.members}
    for pairs in evolved.members:
        assert in_scale(pairs[0][1], 0.5) == kept[pairs[0][1][2]]
    assert 0 < sum(kept.values()) < len(kept)


def test_what_is_absent_is_skipped_with_the_reason(tiny_data: Path) -> None:
    assert missing(tiny_data, "16s-v4") == "no 16s-reference/gg_13_8_97_species_named.fasta.gz in the data folder"
    config = BenchmarkConfig(splits=2, identity_splits=1, queries=60, further_queries=30, peers=["top-hit"])
    plan = make_plan(config, tiny_data)
    assert {key.dataset for key in plan.cases} == {"18s-v4", "tax-credit-B1-REF-iter0"}
    assert [key.split for key in plan.cases if key.part == "taxa-out"] == ["1", "2"]
    assert {entry.what for entry in plan.skipped if entry.part == "taxa-out"} >= {"16s-v4", "12s-fish"}
    assert all("in the data folder" in entry.reason for entry in plan.skipped if entry.part != "all parts")
    wanted = {"taxa-out": 60, "identity": 30, "robustness": 30}
    assert {part: most_queries(config, part, "18s-v4") for part in wanted} == wanted
    assert most_queries(config, "taxa-out", "18s-v9") == 30
    assert make_plan(BenchmarkConfig(parts=[]), tiny_data).cases == ()

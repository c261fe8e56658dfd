"""The section on putative taxa says how they were grouped and what became of those of an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from abyssal.config.models import ClusterConfig
from abyssal.discovery.clusterers import Choice
from abyssal.discovery.selection import Selection, select
from abyssal.report.discovery_section import discovery_section
from abyssal.report.inputs import StudyResults, read_results


@pytest.fixture
def results(make_study: Callable) -> StudyResults:
    study = make_study()
    return read_results(study.files(), study.facts())


def words(results: StudyResults) -> str:
    return " ".join(discovery_section(results).paragraphs).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("average-linkage", "Grouped by average-linkage, to a mean cosine distance of 0.3 (given)."),
        ("kmeans", "Grouped by kmeans, to a cosine distance of 0.3 from the centre (given)."),
        ("hdbscan", "Grouped by hdbscan, with cosine distance 0.3 and at least 3 ASVs a dense group (given)."),
        ("pair-linkage", "mean probability of one taxon, learnt on the reference, is at least 70.0 % (given)."),
        ("vsearch", "Grouped by vsearch, at an identity of 93.0 % (given)."),
        ("swarm", "Grouped by swarm, by single differences (given)."),
    ],
)
def test_the_values_that_a_method_used_are_stated(results: StudyResults, method: str, text: str) -> None:
    settings = ClusterConfig(method=method, identity=0.93, distance=0.3, min_cluster_size=3)  # type: ignore[arg-type]
    if method == "pair-linkage":
        selection = Selection(Choice(0.3), "given", method)
    else:
        selection = select(settings, None, expected=9, seed=1)
    assert text in words(replace(results, selection=selection.values()))


def test_ids_are_promised_to_a_study_that_grows_only_with_its_earlier_run(results: StudyResults) -> None:
    assert "and when it grows if cluster.previous names this run's cluster/ directory" in words(results)


def test_groups_larger_than_the_study_are_told(results: StudyResults) -> None:
    settings = ClusterConfig(method="hdbscan", distance=0.3, min_cluster_size=1_000)
    selection = select(settings, None, expected=9, seed=1)
    beyond = sum(row["verdict"] == "beyond" for row in results.verdicts)
    expected = f"Only {beyond} ASVs could be grouped, so each is a putative taxon of its own."
    assert expected in words(replace(results, selection=selection.values()))
    assert "Only" not in words(results)


@pytest.mark.parametrize(("size", "beyond", "times"), [(2, 2, 1), (2, 3, 0), (5, 4, 1), (5, 5, 0)])
def test_asvs_too_few_for_a_dense_group_are_told(results: StudyResults, size: int, beyond: int, times: int) -> None:
    selection = select(ClusterConfig(method="hdbscan", distance=0.3, min_cluster_size=size), None, expected=9, seed=1)
    verdicts = [{"verdict": "beyond", "similarity": "0.5"}] * beyond
    found = words(replace(results, selection=selection.values(), verdicts=verdicts))
    assert found.count(f"Only {beyond} ASVs could be grouped") == times


def test_a_study_without_reference_shows_nothing_of_one(make_study: Callable, results: StudyResults) -> None:
    study = make_study(named=False)
    figures = {figure.name: figure for figure in discovery_section(read_results(study.files(), study.facts())).figures}
    assert set(figures["map"].views) == {"sample with most reads", "mean depth of its reads", "putative taxon"}
    assert "reference" not in figures["map"].caption
    assert "relative" not in figures["where"].caption
    figures = {figure.name: figure for figure in discovery_section(results).figures}
    assert next(iter(figures["map"].views)) == "novelty"
    assert "reference amplicons (diamonds) that anchor it; " in figures["map"].caption
    assert "relative" in figures["where"].caption


def test_one_putative_taxon_holds_and_points_that_are_not_shown_are_not_counted(results: StudyResults) -> None:
    one = replace(results, putative_taxa=results.putative_taxa[:1], points=())
    assert "1 putative taxon holds 3 ASVs" in words(one)
    assert "are errors of a far more abundant ASV and follow it, " in words(one)
    assert {figure.name: figure for figure in discovery_section(one).figures}["where"].caption.startswith(
        "Reads of the largest putative taxon in "
    )
    figures = {figure.name: figure for figure in discovery_section(results).figures}
    grouped = sum(bool(point["putative_taxon"]) for point in results.points)
    assert f"; {grouped} of those shown belong to putative taxa." in figures["map"].caption


def test_names_of_ready_made_asvs_that_were_set_aside_are_told(results: StudyResults) -> None:
    named = [answer.asv for answer in results.answers.rows if answer.accepted >= 0]
    verdicts = [{**row, "verdict": "off_target"} if row["asv"] in named[:2] else row for row in results.verdicts]
    from_reads = replace(results, verdicts=verdicts)
    ready = [{**row, "kind": "asvs"} for row in results.libraries]
    assert "all the same" not in words(from_reads)
    assert "all the same" not in words(replace(results, libraries=ready))
    assert "2 ASVs of those set aside have an accepted name" in words(replace(from_reads, libraries=ready))


def test_what_became_of_an_earlier_run_is_told(results: StudyResults) -> None:
    assert {row["fate"] for row in results.changes} == {"new"}
    assert "earlier run" not in words(results)
    fates = ["kept"] * 3 + ["split"] * 2 + ["merged", "gone", "new", "new"]
    changed = replace(results, changes=[{"putative_taxon": f"PT{n}", "fate": fate} for n, fate in enumerate(fates)])
    expected = (
        "Of 7 putative taxa of the earlier run, 3 are one taxon as before, 2 were split, 1 are now one with others and "
        "1 have no ASV in any now; 2 are new (cluster/changes.tsv)."
    )
    assert expected in words(changed)

"""The parts of the report that say how good the answers are: held-out evaluation, truth, reference."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from abyssal.errors import DataError
from abyssal.evaluation.answers import Answers, judge
from abyssal.evaluation.grade import baseline_wins, grade
from abyssal.evaluation.metrics import b_cubed
from abyssal.files import write_json
from abyssal.references.build import BuildReport
from abyssal.references.markers import resolve_marker
from abyssal.references.model import read_reference
from abyssal.references.report import reference_report
from abyssal.report.evaluation_section import evaluation_section, evaluation_verdicts
from abyssal.report.headline import make_headline
from abyssal.report.inputs import StudyResults, read_results
from abyssal.report.render import render_report
from abyssal.report.truth_section import grade_ranks, read_truth, truth_section

QUERIES = 60


def answers_of(name: str, lineages, right_share: float, seed: int) -> Answers:
    """Return answers that are right in a share of the queries and surer when right."""
    random = np.random.default_rng(seed)
    labels, confidence = [], np.zeros((len(lineages), len(lineages[0])))
    for row, lineage in enumerate(lineages):
        good = random.random() < right_share
        labels.append(lineage if good else tuple(f"Wrong{rank}" for rank in range(len(lineage))))
        confidence[row] = random.uniform(0.6, 1.0) if good else random.uniform(0.0, 0.7)
    return Answers(name, (f"{name} --run",), labels, confidence, confidence > 0.5)


@pytest.fixture
def metrics(make_study) -> Callable[..., dict]:
    study = make_study()
    reference = read_reference(study.folder / "reference.fasta.gz", study.folder / "lineages.tsv")

    def make(ours: float, theirs: float, seen: int = 0) -> dict:
        lineages = [reference.lineages[i % len(reference)] for i in range(QUERIES - 10)]
        lineages += [(*reference.lineages[0][:2], "Novelgenus", "Novelgenus novus")] * 10
        truth = judge(lineages, reference)
        methods = [answers_of("abyssal", lineages, ours, 1), answers_of("sintax", lineages, theirs, 2)]
        found = {method.method: grade(method, truth, seed=1) for method in methods}
        return {
            "format": "abyssal-metrics", "format_version": 1, "ranks": list(reference.ranks), "alpha": 0.05,
            "split": {"queries": QUERIES, "fitted_amplicons": 8, "strata": {"known": 50, "new genus": 10}},
            "methods": found, "baseline_wins": baseline_wins(found, "abyssal"),
            "encoder_saw_queries": {"known": True, "queries": seen, "note": "the encoder has seen these labels"},
        }  # fmt: skip

    return make


@pytest.fixture
def results(make_study) -> StudyResults:
    study = make_study()
    return read_results(study.files(), study.facts())


def test_the_verdict_names_good_ranks_and_says_when_no_baseline_is_better(results, metrics) -> None:
    found = metrics(ours=0.97, theirs=0.5)
    peers = found["methods"]["sintax"]["ranks"]
    for rank in peers.values():
        rank["auroc_right_against_absent"]["value"] = None
    words = " ".join(evaluation_verdicts(replace(results, metrics=found)))
    assert "On 60 held-out sequences the model's first name is good at phylum (" in words
    assert "of 60)" in words
    assert "of 50)" in words, "genus and species are graded on the queries whose taxon is present"
    assert "No baseline beats it in any of" in words
    peers["genus"]["auroc_right_against_absent"]["value"] = 0.999
    (words,) = evaluation_verdicts(replace(results, metrics=found))
    assert "A baseline beats it in 1 of " in words
    assert "sintax at genus (telling right names from absent taxa, AUROC: 99.9" in words


def test_groups_of_queries_stand_in_reading_order(results, metrics) -> None:
    found = metrics(ours=0.9, theirs=0.6)
    strata = {"known": 1, "new family": 2, "new genus": 3, "new species": 4, "no species name": 5}
    found["split"]["strata"] = strata
    lengths = ("378 to 389 bp", "over 389 bp", "up to 377 bp")
    sizes = ("1 amplicon", "2 to 4 amplicons", "20 or more amplicons", "5 to 19 amplicons")
    figures = {"present": 1, "absent": 0, "named": 0, "top1": 1.0} | dict.fromkeys(
        ("recall", "misclassified", "over_classified", "precision")
    )
    groups = {"length": dict.fromkeys(lengths, figures), "size": dict.fromkeys(sizes, figures)}
    found["methods"]["abyssal"]["ranks"]["species"]["groups"] = groups
    section = evaluation_section(replace(results, metrics=found))
    assert "(1 known, 4 new species, 3 new genus, 2 new family, 5 no species name)" in section.paragraphs[0]
    (table,) = (table for table in section.tables if "groups of held-out queries" in table.caption)
    assert [row[2] for row in table.rows] == [
        "up to 377 bp", "378 to 389 bp", "over 389 bp", "1 amplicon", "2 to 4 amplicons", "5 to 19 amplicons",
        "20 or more amplicons",
    ]  # fmt: skip


def test_the_verdict_says_where_a_baseline_is_better(results, metrics) -> None:
    words = " ".join(evaluation_verdicts(replace(results, metrics=metrics(ours=0.4, theirs=0.99))))
    assert "weak at phylum" in words
    assert re.search(r"A baseline beats it in \d+ of \d+ comparisons: sintax at phylum \(first name: ", words)


def test_figures_of_a_few_queries_are_not_spoken_of(results, metrics) -> None:
    found = metrics(ours=0.4, theirs=0.99)
    for method in found["methods"].values():
        method["ranks"]["species"]["present"] = 3
        method["ranks"]["genus"]["absent"] = 1
    (words,) = evaluation_verdicts(replace(results, metrics=found))
    assert "not to be told with so few queries at species (3)" in words
    assert "sintax at species (first name" not in words
    assert "sintax at genus (first name" in words
    assert "sintax at genus (recall" not in words


def test_baselines_that_few_queries_cannot_be_compared_with_are_not_denied(results, metrics) -> None:
    found = metrics(ours=0.9, theirs=0.6)
    for method in found["methods"].values():
        for rank in method["ranks"].values():
            rank["present"] = 3
    (words,) = evaluation_verdicts(replace(results, metrics=found))
    assert "There are too few queries to compare it with a baseline." in words
    del found["methods"]["sintax"]
    (words,) = evaluation_verdicts(replace(results, metrics=found))
    assert "No baseline was run beside it." in words


def test_queries_of_absent_taxa_alone_say_nothing_of_the_first_name(results, metrics) -> None:
    found = metrics(ours=0.9, theirs=0.6)
    for method in found["methods"].values():
        for rank in method["ranks"].values():
            rank["present"], rank["top1"]["all"] = 0, {"value": None, "queries": 0, "interval": None}
    (words,) = evaluation_verdicts(replace(results, metrics=found))
    assert "the model's first name is not to be told, as no query's taxon is there: share right of" in words


def test_no_headline_where_the_encoder_has_seen_the_labels(results, metrics) -> None:
    words = evaluation_verdicts(replace(results, metrics=metrics(ours=0.97, theirs=0.5, seen=12)))
    assert len(words) == 1
    assert words[0].startswith("No headline on accuracy: the encoder has seen these labels (12 of 60")


def test_the_table_gives_every_method_at_every_rank_with_denominators(results, metrics) -> None:
    section = evaluation_section(replace(results, metrics=metrics(ours=0.9, theirs=0.6)))
    assert section is not None
    rows = section.tables[0].rows
    assert [(row[0], row[1]) for row in rows] == [
        (rank, method) for rank in ("phylum", "family", "genus", "species") for method in ("abyssal", "sintax")
    ]
    assert all(re.fullmatch(r"[\d.]+\u00a0% of (50|60)", row[2]) for row in rows)
    reliability, risk = section.figures
    assert sum(trace.get("customdata") is not None for trace in reliability.traces) == 4
    assert sum(reliability.traces[1]["customdata"]) == QUERIES
    assert list(risk.views) == ["species", "genus", "family", "phylum"]
    assert {trace["name"] for trace in risk.views["genus"]} == {"abyssal", "sintax"}


def test_the_reason_is_told_when_nothing_could_be_measured(results) -> None:
    metrics = {"methods": {}, "ranks": [], "reason": "the reference is too small to hold taxa out"}
    assert evaluation_section(replace(results, metrics=metrics)) is None
    headline = make_headline(results, evaluation_verdicts(replace(results, metrics=metrics)))
    assert "could not be measured: the reference is too small to hold taxa out." in headline.paragraphs[-1]


@pytest.fixture
def truth(make_study, tmp_path: Path) -> tuple[StudyResults, Path]:
    """Seven of eight known ASVs as they are, one with another species; new families; one chimera; one lost molecule."""
    study = make_study()
    lines = ["sample\tmolecule\tstatus\ttemplates\treads\tphylum\tfamily\tgenus\tspecies"]
    for i, asv in enumerate(study.ids[:-1]):
        known = i < study.known
        lineage = (
            list(study.lineage(i)) if known else [*study.lineage(i)[:1], "Newfam", f"New{i // 3}", f"New{i // 3} x"]
        )
        if i == 2:
            lineage[3] = "Genus2 beta"
        status = "known" if known else "new_genus"
        lines += [f"{sample}\t{asv}\t{status}\tt\t50\t" + "\t".join(lineage) for sample in ("deep", "shallow")]
    lines.append(f"deep\t{study.ids[-1]}\tchimera\ta;b\t7\t\t\t\t")
    lines.append(f"deep\t{'0' * 32}\tknown\tt\t3\tPhylum0\tFamily0\tGenus0\tGenus0 alpha")
    path = tmp_path / "truth.tsv"
    path.write_text("\n".join(lines) + "\n")
    return read_results(replace(study.files(), truth=path), study.facts()), path


def test_names_are_graded_against_the_truth(truth) -> None:
    results, path = truth
    grades = {grade.rank: grade for grade in grade_ranks(results, read_truth(path))}
    # Of eight known ASVs the accepted depth goes round family, genus, species; ASV 2 is wrong at species.
    assert (grades["species"].right, grades["species"].wrong, grades["species"].open) == (1, 1, 6)
    assert (grades["genus"].right, grades["genus"].wrong, grades["genus"].open) == (5, 0, 3)
    assert (grades["genus"].overclassified, grades["genus"].left_open) == (0, 8)
    assert (grades["family"].overclassified, grades["family"].left_open) == (0, 0)


def test_the_truth_section_counts_what_was_put_in_and_found(truth) -> None:
    section = truth_section(truth[0])
    assert section is not None
    assert "Of 17 ASVs, 16 are exactly a molecule that was put in, 1 are chimeras" in section.paragraphs[0]
    rows = {row[0]: row[1:] for row in section.tables[0].rows}
    assert rows["known"][:3] == ["9", "803", "8"]
    assert rows["new genus"][:3] == ["8", "800", "8"]
    assert rows["chimera"][:3] == ["1", "7", "1"]
    assert rows["in no molecule"][2] == "0"


def test_grouping_is_scored_by_b_cubed() -> None:
    assert b_cubed(["a", "a", "b"], ["x", "x", "y"]) == (1.0, 1.0)
    assert b_cubed(["a", "a"], ["x", "y"]) == (0.5, 1.0)
    assert b_cubed(["a", "b"], ["x", "x"]) == (1.0, 0.5)


def test_a_truth_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "truth.tsv"
    path.write_text("sample\tasv\treads\ns\ta\t1\n")
    with pytest.raises(DataError, match="no column molecule, status; expected sample, molecule, status, reads"):
        read_truth(path)


def test_the_reference_is_summarised(make_study) -> None:
    study = make_study()
    reference = read_reference(study.folder / "reference.fasta.gz", study.folder / "lineages.tsv")
    build = BuildReport(records=11, amplified=8)
    build.drop("x1", "too_short")
    build.drop("x2", "too_short")
    build.drop("x3", "partial")
    report = reference_report(reference, build, [], marker=resolve_marker("18S-V4-Zingone"))
    write_json(study.folder / "reference_report.json", report)
    files = replace(study.files(), reference_report=study.folder / "reference_report.json")
    facts = replace(study.facts(), config={"marker": {"reference": {"name": "PR2", "version": "5.1"}}})
    page = render_report(read_results(files, facts))
    assert "Reference PR2 5.1: 11 records were read, 8 kept (dropped: 1 partial, 2 too short)" in page
    assert "What the reference can tell apart" in page

"""Splits without leaks, metrics by hand, peers on the same queries, one run from files to files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.evolved_taxa import evolved_reference

from abyssal.config.models import EvaluateConfig, TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.encoder.vectors import embed_fasta, write_vectors
from abyssal.evaluation.answers import Answers, judge, right
from abyssal.evaluation.grade import grade
from abyssal.evaluation.metrics import auroc, calibration_error, recall_at, risk_coverage
from abyssal.evaluation.run import EvaluateFiles, EvaluateSettings, evaluate_files
from abyssal.evaluation.split import split_reference
from abyssal.references.model import AmpliconReference, write_reference
from abyssal.report.evaluation_detail import confusion_figure, detail_tables
from abyssal.splits import genus_part, species_part
from abyssal.taxonomy.model import MarkerSpec


def test_the_split_leaks_neither_names_nor_sequences() -> None:
    reference = evolved_reference()
    split = split_reference(reference, 1000, 1)
    assert split.queries
    assert not set(split.fitted.sequences) & {query.sequence for query in split.queries}
    for pairs in split.fitted.members:
        for _, lineage in pairs:
            assert genus_part(lineage[3] or "") != "report"
            assert species_part(lineage[4] or "") != "report"
    assert len(split_reference(reference, 5, 1).queries) == 5


def test_sequences_an_encoder_was_trained_on_are_not_asked() -> None:
    reference = evolved_reference()
    every = split_reference(reference, 1000, 1)
    seen = {query.sequence for query in every.queries[::2]}
    rest = split_reference(reference, 1000, 1, seen=seen.__contains__)
    assert [query for query in every.queries if query.sequence not in seen] == list(rest.queries)
    assert rest.fitted == every.fitted


def test_truth_knows_present_absent_and_unknown() -> None:
    fitted = AmpliconReference(("g", "s"), ("a",), ("ACGT",), ((("x", ("G", "s")),),))
    truth = judge([("G", "s"), ("G", "t"), ("H", "u"), ("G", None)], fitted)
    assert truth.present.tolist() == [[1, 1], [1, 0], [0, 0], [1, -1]]
    assert truth.strata == ("known", "new s", "new g", "no s name")
    answers = Answers(
        "m", (), [["G", "s"], ["G", "s"], ["H", "u"], [None, None]], np.ones((4, 2)), np.ones((4, 2), bool)
    )
    assert right(answers, truth).tolist() == [[True, True], [True, False], [False, False], [False, False]]


def test_recall_is_read_at_the_bound() -> None:
    confidence = np.array([0.9, 0.8, 0.3, 0.85, 0.2, 0.1, 0.05])
    present = np.array([True, True, True, False, False, False, False])
    good = np.array([True, True, True, False, False, False, False])
    assert recall_at(confidence, good, present, ~present, 0.0) == (pytest.approx(1 / 3), 0.0)
    assert recall_at(confidence, good, present, ~present, 0.25) == (1.0, 0.25)
    assert recall_at(confidence, good, present, present & ~present, 0.25) is None


def test_auroc_counts_ties_half() -> None:
    good = np.array([True, True, False, False])
    assert auroc(np.array([0.9, 0.5, 0.5, 0.1]), good, ~good) == pytest.approx(0.875)


def test_calibration_error_of_a_calibrated_answer_is_small_once_debiased() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(60_000)
    found = calibration_error(confidence, rng.random(60_000) < confidence)
    assert found["ece_debiased"] is not None
    assert found["ece_debiased"] < 0.02
    wrong = calibration_error(np.full(300, 0.9), np.arange(300) % 2 == 0)
    assert wrong["ece"] == pytest.approx(0.4, abs=0.01)


def test_risk_falls_with_confidence() -> None:
    found = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, False]))
    assert found["aurc"] == pytest.approx((0 + 0 + 1 / 3 + 0.5) / 4)


def test_operating_point_uses_the_methods_own_answers() -> None:
    fitted = AmpliconReference(("g",), ("a",), ("ACGT",), ((("x", ("G",)),),))
    truth = judge([("G",), ("G",), ("H",), ("H",)], fitted)
    answers = Answers(
        "m", ("cmd",), [["G"], ["X"], ["G"], ["G"]], np.array([[0.9], [0.8], [0.7], [0.1]]),
        np.array([[True], [True], [True], [False]]),
    )  # fmt: skip
    point = grade(answers, truth, seed=0)["ranks"]["g"]["operating_point"]
    assert point["over_classified"] == 0.5
    assert point["misclassified"] == 0.5
    assert point["recall"] == 0.5
    assert point["precision"] == pytest.approx(1 / 3)


@pytest.mark.skipif(shutil.which("vsearch") is None, reason="vsearch is not installed")
def test_files_in_metrics_and_queries_out(tmp_path: Path) -> None:
    fasta, lineages = tmp_path / "reference.fasta.gz", tmp_path / "lineages.tsv"
    write_reference(evolved_reference(), fasta, lineages)
    vectors = tmp_path / "reference.safetensors"
    write_vectors(vectors, embed_fasta(load_encoder("kmers"), fasta))
    settings = EvaluateSettings(
        TrainConfig(neighbours=20, calibration_queries=600), EvaluateConfig(queries=60),
        MarkerSpec("m", "", "", 200, 300), 64, 1,
    )  # fmt: skip
    metrics, queries = tmp_path / "metrics.json", tmp_path / "queries.tsv"
    evaluate_files(EvaluateFiles(tmp_path, tmp_path, fasta, lineages, vectors), metrics, queries, settings)
    found = json.loads(metrics.read_text())
    assert set(found["methods"]) == {"abyssal", "sintax", "top-hit", "lca"}
    assert "--randseed 1 --threads 1" in found["methods"]["sintax"]["commands"][0]
    assert str(tmp_path) not in metrics.read_text()
    assert found["encoder_saw_queries"]["queries"] == 0
    for method in found["methods"].values():
        assert method["ranks"]["order"]["top1"]["all"]["value"] > 0.9
    ours = found["methods"]["abyssal"]["ranks"]["order"]
    assert ours["averages"]["f1_micro"] > 0.9
    assert set(ours["groups"]) == {"novelty", "size of the taxon", "length", "errors"}
    assert found["confusion"]["rank"] == "family"
    groups, means, vectors = detail_tables(found)
    assert {row[1] for row in groups.rows} == set(ours["groups"])
    assert len(means.rows) == len(found["ranks"]) * len(found["methods"])
    assert [row[0] for row in vectors.rows] == ["family", "genus", "species"]
    assert str(found["split"]["queries"]) in confusion_figure(found)[0].caption
    assert -1.0 <= found["cohesion"]["species"]["silhouette"] <= 1.0
    rows = queries.read_text().splitlines()
    assert len(rows) == 1 + found["split"]["queries"]
    assert {len(row.split("\t")) for row in rows} == {len(rows[0].split("\t"))}


def test_no_reference_is_said_not_hidden(tmp_path: Path) -> None:
    settings = EvaluateSettings(TrainConfig(), EvaluateConfig(), MarkerSpec("m", "", "", 200, 300), 64, 1)
    metrics, queries = tmp_path / "metrics.json", tmp_path / "queries.tsv"
    evaluate_files(EvaluateFiles(tmp_path, tmp_path), metrics, queries, settings)
    assert "no reference" in json.loads(metrics.read_text())["reason"]
    assert queries.read_text() == "query\tstratum\n"

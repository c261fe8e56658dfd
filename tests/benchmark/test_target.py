"""``snakemake benchmark`` on tiny data: one command from the folder of data to the page of results."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.study import small_study

from abyssal.benchmark.answer_files import read_answers
from abyssal.benchmark.bootstrap_bayes import bootstrap_bayes
from abyssal.benchmark.classes import classes_of
from abyssal.benchmark.kmer_pilot import kmer_pilot
from abyssal.benchmark.naive_bayes import ALPHA, FEATURES, WORD, MultinomialScores, naive_bayes
from abyssal.benchmark.peers import peer_answers
from abyssal.benchmark.taxa_out import taxa_out_case
from abyssal.evaluation.answers import Answers, judge, right
from abyssal.references.model import AmpliconReference

needs_vsearch = pytest.mark.skipif(shutil.which("vsearch") is None, reason="vsearch is not installed")


@needs_vsearch
@pytest.mark.workflow
def test_one_command_gives_tables_and_a_page(repository: Path, tiny_data: Path, tmp_path: Path) -> None:
    study = small_study(repository, tmp_path)
    settings = {
        "data": str(tiny_data), "parts": ["taxa-out"], "datasets": ["18s-v4", "16s-v4"], "splits": 1, "queries": 60,
        "peers": ["sintax", "top-hit"], "resamples": 20,
    }  # fmt: skip
    study.write(benchmark=settings, train={"calibration_queries": 400, "neighbours": 20})
    study.snakemake("benchmark")
    root = tmp_path / "results" / "benchmark"
    found = json.loads((root / "benchmark.json").read_text())
    (entry,) = found["taxa_out"]
    assert entry["dataset"] == "18s-v4"
    assert found["skipped"][0]["what"] == "16s-v4"
    rows = {(row["rank"], row["figure"], row["method"]): row for row in entry["compare"]}
    # Families of the drifted reference are 6 % apart: every method names them rightly.
    for method in ("abyssal", "sintax-0.8", "top-hit"):
        assert rows["family", "top-1", method]["value"] > 0.9
    # What the JSON says is what the stored answers say.
    case = root / "cases" / "taxa-out" / "18s-v4" / "1"
    answers, stated = read_answers(case / "ours.json", 5)
    settings = ["0.01", "0.05", "0.1", "balanced"]
    assert [answer.method for answer in answers] == ["abyssal", *(f"abyssal-{setting}" for setting in settings)]
    assert stated["all"].shape == answers[0].confidence.shape
    page = (root / "RESULTS.md").read_text()
    assert "### 18s-v4: 1 split(s)" in page
    assert "Where a peer is ahead" in page
    assert str(tmp_path) not in page
    with (root / "taxa_out_compare.tsv").open() as lines:
        assert len(list(csv.DictReader(lines, delimiter="\t"))) == len(entry["compare"])
    again = study.snakemake("-n", "benchmark")
    assert "Nothing to be done" in again.stdout + again.stderr


def shares_right(found: Answers, evolved: AmpliconReference) -> list[float]:
    """Share right by rank for queries that are the first 40 amplicons of the reference."""
    truth = judge([pairs[0][1] for pairs in evolved.members[:40]], evolved)
    return [float(value) for value in right(found, truth).mean(axis=0)]


@pytest.mark.parametrize("peer", ["nb", "nbc", "pilot"])
def test_peers_name_what_they_were_fitted_on(evolved: AmpliconReference, peer: str) -> None:
    queries = list(evolved.sequences[:40])
    found = {
        "nb": lambda: naive_bayes(evolved, queries),
        "nbc": lambda: bootstrap_bayes(evolved, queries, 1),
        "pilot": lambda: kmer_pilot(evolved, queries, 1),
    }[peer]()
    assert min(shares_right(found, evolved)) >= 0.9
    assert float(found.confidence.min()) >= 0.0
    assert float(found.confidence.max()) <= 1.0
    # Surer, or as sure, of the ranks above.
    if peer != "pilot":
        assert (np.diff(found.confidence, axis=1) <= 1e-9).all()


def test_sparse_naive_bayes_is_scikit_learns(evolved: AmpliconReference) -> None:
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.naive_bayes import MultinomialNB

    classes = classes_of(evolved)
    vectors = HashingVectorizer(
        analyzer="char_wb", n_features=FEATURES, ngram_range=(WORD, WORD), alternate_sign=False
    )  # fmt: skip
    model = MultinomialNB(alpha=ALPHA, fit_prior=False).fit(vectors.transform(classes.sequences), classes.of)
    queries = ["ACGTACGTACGTTTGACA" * 6, evolved.sequences[3]]
    ours = MultinomialScores(classes).log_joint(queries)
    posterior = np.exp(ours - ours.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    assert posterior == pytest.approx(model.predict_proba(vectors.transform(queries)), abs=1e-6)


@needs_vsearch
def test_all_programs_answer_one_case(evolved: AmpliconReference, tmp_path: Path) -> None:
    case = taxa_out_case(evolved, 1, 30)
    programs = ["sintax", "top-hit", "lca", "blast-top-hit", "blast-lca"]
    found = {answers.method: answers for answers in peer_answers(case, programs, 1, tmp_path)}
    assert {"sintax-0.5", "sintax-0.8", "top-hit", "lca"} <= set(found)
    assert "--sintax_cutoff 0.5" in found["sintax-0.5"].commands[0]
    truth = judge([query.lineage for query in case.queries], case.fitted)
    for answers in found.values():
        assert right(answers, truth)[:, 1].mean() > 0.7
        assert str(tmp_path) not in answers.commands[0]
    assert (found["sintax-0.5"].accepted | ~found["sintax-0.8"].accepted).all()

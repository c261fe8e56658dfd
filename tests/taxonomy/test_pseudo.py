"""Putative taxa in the index: nameless neighbours that keep a relative's name from a read, and touch nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.evolved_taxa import mutate

from abyssal.config.models import TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.encoder.vectors import embed_fasta, write_vectors
from abyssal.references.model import AmpliconReference, write_reference
from abyssal.sequences.records import write_fasta
from abyssal.taxonomy.classifications import tsv_rows
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.pseudo import with_pseudo_labels
from abyssal.taxonomy.retrieval import CANDIDATE_FACTOR
from abyssal.taxonomy.stage import TrainFiles, train_files

from .conftest import MARKER, Trained


@pytest.fixture(scope="module")
def pseudo(trained: Trained) -> Classifier:
    classifier = trained.classifier
    exemplars = [
        ("pt1", trained.new_genus[0]),
        ("pt2", trained.new_genus[4]),
        ("known", trained.reference.sequences[0]),
    ]
    model = with_pseudo_labels(classifier.model, classifier.encoder, MARKER, exemplars)
    return Classifier(model, classifier.encoder, MARKER, classifier.putative)


def test_exemplars_stand_in_the_index_without_the_names_below(trained: Trained, pseudo: Classifier) -> None:
    reference = pseudo.model.index.reference
    added = len(trained.reference)
    assert reference.ids[added:] == ("pt1", "pt2")
    usual = trained.classifier.classify([trained.new_genus[0]])
    depth = int(usual.accepted[0])
    lineage = reference.members[added][0][1]
    assert lineage[:depth] == usual.labels[0][:depth]
    assert set(lineage[max(depth, 0) :]) == {None}


def test_reads_like_an_exemplar_are_less_readily_named(trained: Trained, pseudo: Classifier) -> None:
    rng = np.random.default_rng(3)
    reads = [mutate(trained.new_genus[0], 0.004, rng) for _ in range(10)]
    before, after = trained.classifier.classify(reads), pseudo.classify(reads)
    assert (after.confidence[:, 3:] <= before.confidence[:, 3:] + 1e-6).all()
    assert (after.accepted <= before.accepted).all()
    assert set(after.nearest_id) == {"pt1"}


def test_reads_far_from_all_exemplars_are_answered_as_before(trained: Trained, pseudo: Classifier) -> None:
    reads = list(trained.reference.sequences)
    model = pseudo.model
    candidates, _ = model.index.search(pseudo.encoder.embed(reads), model.neighbours * CANDIDATE_FACTOR)
    apart = np.flatnonzero((candidates < len(trained.reference)).all(axis=1))
    assert apart.size > 100
    before = tsv_rows(["x"] * len(reads), trained.classifier.classify(reads))
    after = tsv_rows(["x"] * len(reads), pseudo.classify(reads))
    assert [after[row] for row in apart] == [before[row] for row in apart]


def test_without_a_reference_or_new_sequences_nothing_changes(trained: Trained) -> None:
    model, encoder = trained.model, trained.classifier.encoder
    assert with_pseudo_labels(model, encoder, MARKER, [("pt1", trained.reference.sequences[5])]) is model
    empty = AmpliconReference((), (), (), ())
    nameless = fit_model(empty, np.zeros((0, encoder.dimension), np.float32), encoder, settings=TrainConfig(), seed=1)
    assert with_pseudo_labels(nameless, encoder, MARKER, [("pt1", "ACGT" * 60)]) is nameless


def test_the_train_stage_uses_them_when_asked(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    files = TrainFiles(
        tmp_path / "encoder", tmp_path / "putative_taxa.tsv", tmp_path / "exemplars.fasta",
        tmp_path / "reference.fasta.gz", tmp_path / "lineages.tsv", tmp_path / "vectors.safetensors",
    )  # fmt: skip
    assert files.reference is not None
    assert files.lineages is not None
    assert files.reference_vectors is not None
    write_reference(trained.reference, files.reference, files.lineages)
    write_vectors(files.reference_vectors, embed_fasta(load_encoder("kmers"), files.reference))
    write_fasta(files.exemplars, [("pt1", trained.new_genus[0])])
    files.putative_taxa.write_text("putative_taxon\tradius\npt1\t0.05\n")
    for asked in (False, True):
        settings = TrainConfig(neighbours=20, calibration_queries=200, pseudo_labels=asked)
        train_files(files, tmp_path / "model", settings=settings, marker=MARKER, batch_size=64, seed=1)
        ids = Classifier.load(tmp_path / "model").model.index.reference.ids
        assert ("pt1" in ids) is asked

"""The contract of ``Classifier``: what an answer may and may not depend on, and what bad reads get."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from support.evolved_taxa import mutate

from abyssal.config.models import NoveltyConfig, TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.errors import BundleError
from abyssal.files import read_json, write_json
from abyssal.references.model import AmpliconReference
from abyssal.sequences.alphabet import reverse_complement
from abyssal.taxonomy.classifications import Classifications, ReadErrorCode, Source, tsv_header, tsv_rows
from abyssal.taxonomy.classifier import WINDOW, Classifier
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.model import load_model, save_model

from .conftest import MARKER, Trained


@pytest.fixture(scope="module")
def reads(trained: Trained) -> list[str]:
    rng = np.random.default_rng(1)
    return [mutate(sequence, 0.01, rng) for sequence in trained.reference.sequences[::6]]


def rows_of(classifier: Classifier, sequences: list[str]) -> list[str]:
    return tsv_rows(["x"] * len(sequences), classifier.classify(sequences))


def test_answers_do_not_depend_on_order_or_company(trained: Trained, reads: list[str]) -> None:
    together = rows_of(trained.classifier, reads)
    assert rows_of(trained.classifier, reads[::-1])[::-1] == together
    assert [rows_of(trained.classifier, [read])[0] for read in reads[:8]] == together[:8]


def test_answers_do_not_depend_on_the_number_of_threads(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    many = [mutate(sequence, 0.02, rng) for sequence in trained.reference.sequences for _ in range(4)]
    assert len(set(many)) > 2 * WINDOW
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = rows_of(trained.classifier, many)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert rows_of(trained.classifier, many) == one


def test_a_few_bases_more_or_less_at_the_ends_change_little(trained: Trained, reads: list[str]) -> None:
    whole = trained.classifier.classify(reads)
    changed = [
        trained.classifier.classify([f"AC{read}GCA" for read in reads]),
        trained.classifier.classify([read[2:-3] for read in reads]),
    ]
    for answers in changed:
        same = np.array([new[:4] == old[:4] for new, old in zip(answers.labels, whole.labels, strict=True)])
        assert same.mean() > 0.95
        assert np.abs(answers.nearest_identity - whole.nearest_identity).max() < 0.02
        assert np.median(np.abs(answers.confidence[:, 3] - whole.confidence[:, 3])) < 0.05


def test_duplicates_case_rna_and_strand_change_nothing(trained: Trained, reads: list[str]) -> None:
    read = reads[3]
    rows = rows_of(
        trained.classifier,
        [read, read, read.lower(), read.replace("T", "U"), reverse_complement(read), f" {read}\n"],
    )
    assert set(rows) == {rows[0]}
    assert "Unassigned" not in rows[0]


def test_bad_reads_get_typed_errors_and_neighbours_answers(trained: Trained, reads: list[str]) -> None:
    answers = trained.classifier.classify([reads[0], "", "ACGT", "A" * 700, reads[0][:100] + "!" + reads[0][101:]])
    codes = [error.code if error else None for error in answers.errors]
    assert codes == [
        None,
        ReadErrorCode.EMPTY,
        ReadErrorCode.TOO_SHORT,
        ReadErrorCode.TOO_LONG,
        ReadErrorCode.INVALID_LETTER,
    ]
    assert answers.errors[4] is not None
    assert "position 101" in answers.errors[4].message
    assert tsv_rows(["x"], trained.classifier.classify([reads[0]]))[0] == tsv_rows(["x"], answers)[0]
    assert (answers.accepted[1:] == -1).all()


def test_a_read_of_ambiguity_codes_is_nobody(trained: Trained, reads: list[str]) -> None:
    ambiguous = "N" * 300
    answers = trained.classifier.classify([ambiguous, reads[0]])
    error = answers.errors[0]
    assert error is not None
    assert error.code is ReadErrorCode.TOO_SHORT
    assert "0 of 300 letters are A, C, G or T" in error.message
    assert answers.errors[1] is None


def test_no_reads_give_no_rows(trained: Trained) -> None:
    assert len(trained.classifier.classify([])) == 0


def test_rows_fit_the_header(trained: Trained, reads: list[str]) -> None:
    columns = len(tsv_header(trained.classifier.ranks).split("\t"))
    assert {len(row.split("\t")) for row in rows_of(trained.classifier, [*reads, ""])} == {columns}


def test_known_species_are_named(trained: Trained, reads: list[str]) -> None:
    answers = trained.classifier.classify(reads)
    truth = [pairs[0][1] for pairs in trained.reference.members[::6]]
    genus = np.mean([row[3] == lineage[3] for row, lineage in zip(answers.labels, truth, strict=True)])
    assert genus > 0.9
    assert (answers.accepted >= 2).mean() > 0.7
    assert (np.diff(answers.confidence, axis=1) <= 1e-7).all()


def test_new_taxa_are_seen_as_new(trained: Trained) -> None:
    known = trained.classifier.classify(list(trained.reference.sequences[::5]))
    new_genus = trained.classifier.classify(list(trained.new_genus))
    new_species = trained.classifier.classify(list(trained.new_species))
    assert (new_genus.accepted < 3).all()
    assert {row[1] for row in new_genus.labels} == {"ko0"}
    assert (new_genus.novel_at >= 0).mean() > 0.8
    assert (new_species.accepted < 4).all()
    assert np.median(new_species.confidence[:, 4]) < np.median(known.confidence[:, 4])


def test_a_stated_mix_moves_confidence_but_not_the_accepted_rank(trained: Trained, reads: list[str]) -> None:
    usual = trained.classifier.classify(reads)
    same = trained.classifier.classify(reads, novelty=trained.model.novelty)
    many = trained.classifier.classify(reads, novelty=NoveltyConfig(species=0.3, genus=0.3, family=0.3))
    assert np.array_equal(usual.confidence, same.confidence)
    assert (many.confidence <= usual.confidence + 1e-7).all()
    assert many.confidence.sum() < usual.confidence.sum()
    assert np.array_equal(usual.accepted, many.accepted)


def test_balanced_acceptance_names_what_is_more_likely_right_than_wrong(trained: Trained) -> None:
    reference = trained.reference.subset(range(0, len(trained.reference), 3))
    encoder = load_encoder("kmers")
    vectors = encoder.embed(list(reference.sequences))
    reads = [*reference.sequences[::4], *trained.new_genus]

    def answered(acceptance: Literal["conformal", "balanced"]) -> Classifications:
        settings = TrainConfig(neighbours=20, calibration_queries=600, alpha=0.01, acceptance=acceptance)
        model = fit_model(reference, vectors, encoder, settings=settings, seed=3)
        return replace(trained.classifier, model=model).classify(reads)

    bounded, balanced = answered("conformal"), answered("balanced")
    assert np.array_equal(bounded.confidence, balanced.confidence)
    named = np.array([[label is not None for label in row] for row in balanced.labels])
    likely = np.logical_and.accumulate((balanced.confidence > 0.5) | ~named, axis=1) & named
    kept = balanced.source == Source.MODEL
    assert np.array_equal(np.where(likely, np.arange(named.shape[1]), -1).max(axis=1)[kept], balanced.accepted[kept])
    assert (balanced.accepted >= bounded.accepted).all()
    assert (balanced.accepted > bounded.accepted).any()


def test_off_target_reads_are_rejected_not_new(trained: Trained) -> None:
    rng = np.random.default_rng(5)
    noise = ["".join(rng.choice(list("ACGT"), size=240)) for _ in range(20)]
    answers = trained.classifier.classify(noise)
    rejected = answers.source == Source.REJECTED
    assert rejected.mean() > 0.9
    assert (answers.accepted[rejected] == -1).all()
    assert (answers.novel_at[rejected] == -1).all()
    real = trained.classifier.classify(list(trained.new_genus))
    assert (real.source == Source.MODEL).all()


def test_names_that_share_an_amplicon_are_alternatives(trained: Trained) -> None:
    shared = [pairs for pairs in trained.reference.members if len({lineage[-1] for _, lineage in pairs}) > 1]
    lone = next(s for s, p in zip(trained.reference.sequences, trained.reference.members, strict=True) if len(p) == 1)
    answers = trained.classifier.classify([lone])
    assert answers.alternatives[0] == ()
    assert answers.nearest_identity[0] == 1.0
    assert answers.nearest_coverage[0] == 1.0
    assert len(shared) < len(trained.reference)


def test_a_model_saved_twice_has_the_same_bytes(trained: Trained, tmp_path: Path) -> None:
    again = tmp_path / "again"
    save_model(load_model(trained.directory), again, encoder=None, marker=MARKER, batch_size=64)
    for file in sorted(trained.directory.iterdir()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert hashlib.sha256((again / file.name).read_bytes()).hexdigest() == digest, file.name


def test_a_damaged_model_is_named(trained: Trained, tmp_path: Path) -> None:
    for file in trained.directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "classifier.safetensors").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="not a readable file of arrays"):
        Classifier.load(tmp_path)
    (tmp_path / "calibration.json").write_text('{"format": "abyssal-calibration", "format_version": 99}')
    with pytest.raises(BundleError, match="format version 99"):
        Classifier.load(tmp_path)
    with pytest.raises(BundleError, match="no such file"):
        Classifier.load(tmp_path / "elsewhere")


def test_a_model_that_lacks_a_setting_is_refused(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained.directory, folder)
    calibration = read_json(folder / "calibration.json")
    del calibration["thresholds"]
    write_json(folder / "calibration.json", calibration)
    with pytest.raises(BundleError, match="lack or contradict"):
        Classifier.load(folder)


def test_reads_join_the_putative_taxon_whose_radius_holds_them(trained: Trained, tmp_path: Path) -> None:
    for file in trained.directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    exemplar = trained.new_genus[0]
    (tmp_path / "putative_taxa.tsv").write_text("putative_taxon\tradius\npt1\t0.050000\n")
    (tmp_path / "exemplars.fasta").write_text(f">pt1 exemplar=a\n{exemplar}\n")
    answers = Classifier.load(tmp_path).classify([exemplar, trained.reference.sequences[100]])
    assert list(answers.putative_taxon) == ["pt1", ""]


def test_the_same_inputs_give_the_same_model(trained: Trained, tmp_path: Path) -> None:
    encoder = trained.classifier.encoder
    reference = trained.reference.subset(list(range(0, len(trained.reference), 3)))
    settings = TrainConfig(neighbours=10, calibration_queries=200)
    for name in ("one", "two"):
        model = fit_model(reference, encoder.embed(list(reference.sequences)), encoder, settings=settings, seed=9)
        save_model(model, tmp_path / name, encoder=None, marker=MARKER, batch_size=64)
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_without_a_reference_nothing_is_named(tmp_path: Path) -> None:
    encoder = load_encoder("kmers")
    empty = AmpliconReference((), (), (), ())
    model = fit_model(empty, np.zeros((0, encoder.dimension), np.float32), encoder, settings=TrainConfig(), seed=1)
    save_model(model, tmp_path, encoder=None, marker=MARKER, batch_size=64)
    exemplar = "ACGTTGCAAC" * 24
    (tmp_path / "putative_taxa.tsv").write_text("putative_taxon\tradius\npt1\t0.100000\n")
    (tmp_path / "exemplars.fasta").write_text(f">pt1\n{exemplar}\n")
    answers = Classifier.load(tmp_path).classify([exemplar, "TTGGCCAATC" * 24, ""])
    assert list(answers.putative_taxon) == ["pt1", "", ""]
    assert list(answers.labels) == [(), (), ()]

"""``abyssal bundle add-taxa``: a whole, verifiable bundle from an old one and more labelled sequences."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny_bundle import RANKS, make_tiny_bundle, synthetic_reference

from abyssal.bundle.extend import _refitted
from abyssal.bundle.golden import self_test
from abyssal.bundle.read import Bundle, open_bundle
from abyssal.sequences.records import write_fasta
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.pseudo import with_pseudo_labels

HEADER = "\t".join(("id", *RANKS))
NEW = ("Eukaryota", "Family0", "Genus0.new", "Species0.new")


@pytest.fixture(scope="module")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("tiny"))


def letters(seed: int, sequence: str, rate: float) -> str:
    rng = np.random.default_rng(seed)
    found = np.array(list(sequence))
    hit = rng.random(found.size) < rate
    found[hit] = rng.choice(list("ACGT"), size=int(hit.sum()))
    return "".join(found)


def write_additions(folder: Path, rows: list[tuple[str, str, tuple[str, ...]]], header: str = HEADER) -> list[Path]:
    fasta, lineages = folder / "new.fasta", folder / "new.tsv"
    fasta.write_text("".join(f">{name}\n{sequence}\n" for name, sequence, _ in rows))
    lineages.write_text("\n".join([header, *("\t".join((name, *lineage)) for name, _, lineage in rows)]) + "\n")
    return [fasta, lineages]


@pytest.fixture
def additions(tmp_path: Path) -> list[Path]:
    parent = synthetic_reference().sequences[0]
    return write_additions(tmp_path, [(f"N{copy}", letters(copy, parent, 0.08), NEW) for copy in range(3)])


def test_the_new_bundle_is_whole_and_knows_the_taxon(
    run: Callable[..., Any], tiny_bundle: Path, additions: list[Path], tmp_path: Path
) -> None:
    target = tmp_path / "extended"
    result = run("bundle", "add-taxa", tiny_bundle, *additions, "-o", target, "--version", "2")
    assert result.code == 0, result.err
    assert "3 new amplicons" in result.out
    assert "1 genus, 1 species" in result.out
    old, new = open_bundle(tiny_bundle), open_bundle(target)
    assert (new.name, new.version, new.ranks) == (old.name, "2", old.ranks)
    assert new.digest != old.digest
    assert new.manifest.data_digests["bundle 1"] == old.digest
    assert "added sequences (2)" in new.manifest.data_digests
    assert new.manifest.facts["Made from"].startswith("toy 1")
    classifier = Classifier.load(target)
    self_test(classifier, new)
    assert "N0" in (target / "golden.tsv").read_text()
    answers = classifier.classify([record for record in additions[0].read_text().splitlines() if record[0] != ">"])
    assert {row[3] for row in answers.labels} == {"Species0.new"}


def test_the_same_additions_give_the_same_digest(
    run: Callable[..., Any], tiny_bundle: Path, additions: list[Path], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        assert run("bundle", "add-taxa", tiny_bundle, *additions, "-o", tmp_path / name).code == 0
    first, second = open_bundle(tmp_path / "one"), open_bundle(tmp_path / "two")
    assert first.digest == second.digest
    assert first.version.startswith("1-added-")


def test_a_bundle_that_hides_its_training_is_not_refitted(
    run: Callable[..., Any], tiny_bundle: Path, additions: list[Path], tmp_path: Path
) -> None:
    result = run("bundle", "add-taxa", tiny_bundle, *additions, "-o", tmp_path / "x", "--refit")
    assert result.code == 1
    assert "add the taxa without refitting" in result.err
    assert not (tmp_path / "x").exists()


def test_putative_taxa_in_the_index_calibrate_nothing_when_it_is_refitted(tiny_bundle: Path, tmp_path: Path) -> None:
    classifier = Classifier.load(tiny_bundle)
    plain = classifier.model.index
    exemplars = [(f"pt{copy}", letters(copy, plain.reference.sequences[copy], 0.1)) for copy in range(40)]
    write_fasta(tmp_path / "exemplars.fasta", exemplars)
    train = {"neighbours": 20, "calibration_queries": 200, "pseudo_labels": True}
    (tmp_path / "config.json").write_text(json.dumps({"train": train, "seed": 1}))
    bundle = Bundle(tmp_path, "", open_bundle(tiny_bundle).manifest)
    labelled = with_pseudo_labels(classifier.model, classifier.encoder, classifier.marker, exemplars)
    refitted = _refitted(bundle, classifier, labelled)
    assert refitted.thresholds.tolist() == classifier.model.thresholds.tolist()
    assert refitted.summary == classifier.model.summary
    assert refitted.index.reference == labelled.index.reference
    assert refitted.index.taxa.added is not None
    assert refitted.index.taxa.added.sum() == len(labelled.index) - len(plain)


def test_a_missing_file_is_the_users_mistake(run: Callable[..., Any], tiny_bundle: Path, tmp_path: Path) -> None:
    result = run(
        "bundle", "add-taxa", tiny_bundle, tmp_path / "none.fasta", tmp_path / "none.tsv", "-o", tmp_path / "x"
    )
    assert result.code == 2
    assert "none.fasta" in result.err or "none.tsv" in result.err
    assert not (tmp_path / "x").exists()


def test_wrong_ranks_name_both(run: Callable[..., Any], tiny_bundle: Path, tmp_path: Path) -> None:
    rows = [("N0", synthetic_reference().sequences[0], ("Eukaryota", "Genus0.new"))]
    files = write_additions(tmp_path, rows, header="id\tdomain\tgenus")
    result = run("bundle", "add-taxa", tiny_bundle, *files, "-o", tmp_path / "x")
    assert result.code == 1
    assert "its ranks are domain, genus; the bundle's are domain, family, genus, species" in result.err


def test_a_wrong_letter_names_file_and_row(run: Callable[..., Any], tiny_bundle: Path, tmp_path: Path) -> None:
    files = write_additions(tmp_path, [("N0", synthetic_reference().sequences[0] + "!", NEW)])
    result = run("bundle", "add-taxa", tiny_bundle, *files, "-o", tmp_path / "x")
    assert result.code == 1
    assert "new.fasta line 1" in result.err


def test_nothing_new_is_no_version(run: Callable[..., Any], tiny_bundle: Path, tmp_path: Path) -> None:
    reference = synthetic_reference()
    rows = [("N0", reference.sequences[9], tuple(str(name) for name in reference.members[9][0][1]))]
    result = run("bundle", "add-taxa", tiny_bundle, *write_additions(tmp_path, rows), "-o", tmp_path / "x")
    assert result.code == 2
    assert "in the bundle with these lineages" in result.err

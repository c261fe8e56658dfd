"""A bundle of a really fitted model: package, open, classify, self-test, refuse what does not reproduce it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from abyssal.bundle.golden import golden_answers, select_golden_queries, self_test
from abyssal.bundle.manifest import Marker
from abyssal.bundle.read import open_bundle
from abyssal.bundle.schemas import Calibration, Preprocessing
from abyssal.bundle.write import BundleIdentity, BundleInputs, write_bundle
from abyssal.config.models import TrainConfig
from abyssal.encoder.baseline import KmerEncoder
from abyssal.errors import BundleError
from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.model import MarkerSpec, save_model

RANKS = ("family", "genus", "species")


def tiny_reference() -> AmpliconReference:
    """Four families of three genera of four species; relatives share most of their letters."""
    random = np.random.default_rng(5)
    letters = np.array(list("ACGT"))

    def child(parent: np.ndarray, share: float) -> np.ndarray:
        changed = parent.copy()
        places = random.choice(parent.size, size=int(share * parent.size), replace=False)
        changed[places] = random.choice(letters, size=places.size)
        return changed

    ids, sequences, members = [], [], []
    for f in range(4):
        family = random.choice(letters, size=240)
        for g in range(3):
            genus = child(family, 0.15)
            for s in range(4):
                ids.append(f"r{f}{g}{s}")
                sequences.append("".join(child(genus, 0.06)))
                members.append(((f"X{f}{g}{s}", (f"Family{f}", f"Genus{f}{g}", f"Genus{f}{g} sp{s}")),))
    return AmpliconReference(RANKS, tuple(ids), tuple(sequences), tuple(members))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inference half of a bundle, fitted on the tiny reference with the k-mer encoder."""
    reference, encoder = tiny_reference(), KmerEncoder()
    settings = TrainConfig(calibration_queries=100, neighbours=10)
    model = fit_model(reference, encoder.embed(reference.sequences), encoder, settings=settings, seed=1)
    directory = tmp_path_factory.mktemp("fitted") / "model"
    save_model(model, directory, encoder=None, marker=MarkerSpec("tiny", "", "", 100, 400), batch_size=16)
    return directory


@pytest.fixture
def package(fitted: Path, tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        metrics, report = tmp_path / "metrics.json", tmp_path / "report.html"
        metrics.write_text("{}\n")
        report.write_text("<!doctype html>\n")
        reference = tiny_reference()
        identity = BundleIdentity(
            name="tiny", version="1", marker=Marker(name="tiny"), ranks=RANKS, encoder_digest=KmerEncoder().digest,
            code_version="test",
        )  # fmt: skip
        golden = select_golden_queries(list(zip(reference.ids, reference.sequences, strict=True)), [], seed=1)
        inputs = BundleInputs(fitted, metrics, report)
        write_bundle(tmp_path / name, inputs=inputs, identity=identity, golden=golden, load=Classifier.load)
        return tmp_path / name

    return make


def test_the_classifier_answers_alike_from_model_and_bundle(package: Callable[[str], Path], fitted: Path) -> None:
    bundle = open_bundle(package("bundle"))
    result = self_test(Classifier.load(bundle.directory), bundle)
    assert result.sequences > 30
    queries = select_golden_queries([("a", tiny_reference().sequences[0])], [], seed=9)
    assert golden_answers(Classifier.load(fitted), queries) == golden_answers(
        Classifier.load(bundle.directory), queries
    )


def test_two_packages_of_one_model_have_one_digest(package: Callable[[str], Path]) -> None:
    assert open_bundle(package("one")).digest == open_bundle(package("two")).digest


def test_the_command_verifies_a_real_bundle(package: Callable[[str], Path], run: Callable) -> None:
    result = run("bundle", "verify", package("bundle"))
    assert result.code == 0
    assert "golden sequences answered as when the bundle was written" in result.out


def test_other_calibrators_fail_the_self_test(package: Callable[[str], Path], tmp_path: Path) -> None:
    """The files are sealed, so the change is made to a copy that is loaded instead."""
    bundle = open_bundle(package("bundle"))
    other = tmp_path / "other"
    other.mkdir()
    for path in bundle.manifest.files:
        (other / path).write_bytes((bundle.directory / path).read_bytes())
    arrays = load_file(other / "classifier.safetensors")
    arrays["vectors"] = arrays["vectors"][::-1].copy()
    save_file(arrays, other / "classifier.safetensors")
    calibration = json.loads((other / "calibration.json").read_text())
    calibration["thresholds"] = [2.0 for _ in calibration["thresholds"]]
    (other / "calibration.json").write_text(json.dumps(calibration))
    with pytest.raises(BundleError, match=r"golden\.tsv: sequence"):
        self_test(Classifier.load(other), bundle)


def test_the_files_of_a_fitted_model_fit_their_schemas(fitted: Path) -> None:
    Calibration.model_validate_json((fitted / "calibration.json").read_bytes())
    Preprocessing.model_validate_json((fitted / "preprocessing.json").read_bytes())

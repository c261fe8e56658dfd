"""A bundle answered by a faster engine: only with the golden answers, and never before it is ready."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from support.serving import running_server
from support.tiny_bundle import make_tiny_bundle, synthetic_reference

from abyssal.bundle import engines
from abyssal.bundle.engines import with_prepared_engine, with_ready_engine
from abyssal.bundle.read import Bundle, open_bundle
from abyssal.cli import main
from abyssal.client import Client
from abyssal.encoder.engines import choose
from abyssal.encoder.interface import Encoder
from abyssal.taxonomy.classifier import Classifier
from abyssal_server.models import BundleStore, LoadedModel

pytest.importorskip("onnxruntime", reason="the extra 'engines' is not installed")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose encoder runs its deep branch."""
    torch.manual_seed(5)
    return open_bundle(make_tiny_bundle(tmp_path_factory.mktemp("open"), gate=0.05))


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of engines of this module's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(choose.VARIABLE, str(folder))
        # Which engine is fastest on a busy machine is chance; here some converted one is taken wherever it agrees.
        patch.setattr(choose, "LEAST_GAIN", 0.0)
        yield folder


def test_a_service_answers_at_once_and_then_faster(bundle: Bundle) -> None:
    reads = synthetic_reference().sequences[:40]
    with running_server(bundle.directory) as running, Client(running.target) as client:
        assert client.current_model().engine == "torch-fp32"
        first = client.classify(reads)
        running.wait_until(lambda server: server.residents.all()[0].model.identity.engine != "torch-fp32", seconds=120)
        assert client.current_model().engine.startswith(("onnx-", "openvino-"))
        second = client.classify(reads)
    assert first.engine == "torch-fp32"
    assert second.engine == running.server.residents.all()[0].model.identity.engine
    assert first.labels == second.labels
    assert np.abs(first.confidence - second.confidence).max() <= 0.01


def test_what_was_found_once_is_taken_at_the_next_start(bundle: Bundle) -> None:
    classifier = Classifier.load(bundle.directory)
    if with_ready_engine(classifier, bundle) is None:
        with_prepared_engine(classifier, bundle)
    faster = with_ready_engine(classifier, bundle)
    assert faster is not None
    assert faster.engine != "torch-fp32"
    assert faster.model is classifier.model


def test_the_command_takes_it_when_asked(bundle: Bundle, tmp_path: Path) -> None:
    reads = tmp_path / "reads.fasta"
    reads.write_text("".join(f">r{i}\n{one}\n" for i, one in enumerate(synthetic_reference().sequences[:5])))
    engines_of = {}
    for choice in ("reference", "auto"):
        out = tmp_path / f"{choice}.tsv"
        assert (
            main(["classify", str(reads), "--bundle", str(bundle.directory), "--engine", choice, "-o", str(out)]) == 0
        )
        header, *rows = [line.split("\t") for line in out.read_text().splitlines()]
        engines_of[choice] = {row[header.index("engine")] for row in rows}
    assert engines_of["reference"] == {"torch-fp32"}
    assert engines_of["auto"] != engines_of["reference"]


class Stubborn:
    """An engine that gives every sequence the same vector."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.dimension, self.digest, self.engine = encoder.dimension, encoder.digest, "stubborn"

    def embed(self, sequences: Sequence[str]) -> np.ndarray:
        return np.repeat(self._encoder.embed(["ACGT" * 50]), len(sequences), axis=0)


def test_an_engine_without_the_golden_answers_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engines, "prepare", lambda encoder, *_, **__: Stubborn(encoder))
    classifier = Classifier.load(bundle.directory)
    with caplog.at_level(logging.WARNING):
        assert with_prepared_engine(classifier, bundle) is classifier
    assert "stubborn does not give the golden answers" in caplog.text


class Renamed:
    """The same vectors under another engine's name."""

    def __init__(self, encoder: Encoder) -> None:
        self.dimension, self.digest, self.engine = encoder.dimension, encoder.digest, "renamed"
        self.embed = encoder.embed


@pytest.fixture
def found_late(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    """A model loaded from a directory of the test's own that has yet to look for its faster engine."""
    monkeypatch.setenv(choose.VARIABLE, str(tmp_path / "engines"))
    monkeypatch.setattr(engines, "prepare", lambda encoder, *_, **__: Renamed(encoder))
    copy = open_bundle(shutil.copytree(bundle.directory, tmp_path / "copy"))
    return BundleStore(tmp_path, "cpu").load(copy)


def test_what_changes_on_disk_meanwhile_does_not_answer(found_late: LoadedModel) -> None:
    assert found_late.faster is not None
    assert found_late.directory is not None
    for name in ("taxonomy.tsv", "MODEL_CARD.md"):
        file = found_late.directory / name
        file.write_text(file.read_text().replace("Species", "Other"))
    faster = found_late.faster()
    assert faster is not None
    assert faster.identity.engine == faster.classifier.engine == "renamed"
    assert faster.identity.taxonomy_digest == found_late.identity.taxonomy_digest
    assert faster.taxa is found_late.taxa
    assert faster.card == found_late.card
    assert faster.faster is None


def test_a_bundle_that_is_gone_meanwhile_goes_on_as_it_was(
    found_late: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    assert found_late.faster is not None
    assert found_late.directory is not None
    shutil.rmtree(found_late.directory)
    with caplog.at_level(logging.WARNING):
        assert found_late.faster() is None
    assert "torch-fp32 stays" in caplog.text


def test_without_a_place_for_it_nothing_is_converted(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choose.VARIABLE, "off")
    classifier = Classifier.load(bundle.directory)
    assert with_ready_engine(classifier, bundle) is classifier
    assert with_prepared_engine(classifier, bundle) is classifier
    monkeypatch.setenv(choose.VARIABLE, "/proc/none")
    assert with_prepared_engine(classifier, bundle) is classifier

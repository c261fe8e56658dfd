"""Augmentation, losses, measurement, and the loop as a whole on a tiny corpus."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from abyssal.config.models import PretrainConfig
from abyssal.encoder.baseline import KmerEncoder
from abyssal.encoder.engine import TorchEncoder
from abyssal.encoder.kmers import kmer_profiles
from abyssal.encoder.network import EncoderNetwork, EncoderSizes
from abyssal.encoder.training.augmentation import Augmentation, augment
from abyssal.encoder.training.checkpoints import load_checkpoint
from abyssal.encoder.training.corpus import Exclusions, MarkerCorpus, build_corpus
from abyssal.encoder.training.initialisation import genus_metric, principal_directions
from abyssal.encoder.training.loop import LoopSettings, Trainer
from abyssal.encoder.training.losses import contrast, masked_letters
from abyssal.encoder.training.measurement import accuracies, compare, grade, novelty_auroc
from abyssal.encoder.training.run import pretrain, starting_network
from abyssal.encoder.training.sampling import BatchSampler
from abyssal.encoder.training.views import ViewMaker
from abyssal.errors import ConfigError, DataError

from .conftest import TINY, make_reference, training_on


@pytest.fixture(scope="module")
def corpora() -> tuple[MarkerCorpus, ...]:
    references = {"one": make_reference(1), "two": make_reference(2, families=2)}
    return build_corpus(references, Exclusions(frozenset(), frozenset()))


def test_augmentation_changes_as_much_as_it_says() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 100_000).astype(np.uint8)
    same = augment(codes, Augmentation(0, 0, 0, 1, 0), rng)
    assert np.array_equal(same, codes)
    substituted = augment(codes, Augmentation(0.1, 0, 0, 1, 0), np.random.default_rng(1))
    changed = substituted != codes
    assert 0 < changed.mean() < 0.1
    transitions = (substituted[changed].astype(int) - codes[changed]) % 4 == 2
    assert 0.55 < transitions.mean() < 0.65
    cropped = augment(codes, Augmentation(0, 0, 1, 0.5, 0), rng)
    assert 50_000 <= cropped.size <= 100_000
    shifted = augment(codes, Augmentation(0, 0.01, 0, 1, 0), rng)
    assert 0 < abs(shifted.size - codes.size) < 1000


def test_homopolymers_gain_and_lose_more_letters() -> None:
    runs, mixed = np.zeros(50_000, dtype=np.uint8), np.tile(np.arange(4, dtype=np.uint8), 12_500)

    def unchanged(codes: np.ndarray) -> int:
        rng = np.random.default_rng(5)
        return sum(augment(codes[:100], Augmentation(0, 0.02, 0, 1, 0), rng).size == 100 for _ in range(400))

    assert unchanged(runs) < unchanged(mixed)


def test_contrast_prefers_relatives_together() -> None:
    labels = torch.tensor([[0, 0, 0], [0, 0, 0], [1, 1, 0], [2, 2, 1]])
    records = torch.arange(4)
    together = torch.nn.functional.normalize(torch.tensor([[1, 0.0], [1, 0.1], [0.7, 0.7], [-1, 0]]), dim=1)
    apart = together[[0, 3, 2, 1]]
    assert contrast(together, labels, records, temperature=0.1) < contrast(apart, labels, records, temperature=0.1)


def test_an_unknown_name_is_no_evidence_against_a_pair() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1, 0.0], [1, 0.1], [1, 0.2]]), dim=1).requires_grad_()
    records = torch.tensor([0, 0, 1])
    labels = torch.tensor([[0, 0, 0], [0, 0, 0], [-1, -1, -1]])
    loss = contrast(vectors, labels, records, temperature=0.1)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    known = torch.tensor([[0, 0, 0], [0, 0, 0], [1, 1, 1]])
    assert contrast(vectors, known, records, temperature=0.1).item() > 0.1


def test_masked_letters_score_only_what_was_hidden() -> None:
    letters = torch.tensor([[1, 2, 3, 4, 0, 15]])
    predictions = torch.zeros(1, 3, 2, 4)
    predictions[0, 0, 0, 0] = predictions[0, 0, 1, 1] = 20
    masked = torch.tensor([[True, False, True]])
    assert masked_letters(predictions, letters, masked).item() == pytest.approx(0, abs=1e-6)
    masked = torch.tensor([[False, True, False]])
    assert masked_letters(predictions, letters, masked).item() == pytest.approx(np.log(4), abs=1e-6)


def test_batches_hold_relatives(corpora: tuple[MarkerCorpus, ...]) -> None:
    sampler = BatchSampler(corpora)
    rng = np.random.default_rng(0)
    markers = set()
    for _ in range(10):
        marker, drawn = sampler.draw(24, rng)
        markers.add(marker)
        assert len(set(drawn.tolist())) == len(drawn) == 24
        genera = corpora[marker].labels[drawn, 1]
        assert np.unique(genera).size < len(drawn) / 2
    assert markers == {0, 1}


def test_principal_directions_keep_the_cosines_of_kmers(corpora: tuple[MarkerCorpus, ...]) -> None:
    directions = principal_directions(corpora, k=5, dimension=300)
    np.testing.assert_allclose(directions @ directions.T, np.eye(300), atol=1e-4)
    queries = kmer_profiles([query.sequence for query in corpora[0].queries], k=5)
    amplicons = kmer_profiles(corpora[0].sequences, k=5)
    np.testing.assert_allclose(amplicons @ directions.T @ directions, amplicons, atol=1e-3)
    cosines = queries @ amplicons.T
    assert np.corrcoef((queries @ directions.T @ directions @ amplicons.T).ravel(), cosines.ravel())[0, 1] > 0.99


def test_a_network_starts_no_worse_than_kmer_search(corpora: tuple[MarkerCorpus, ...]) -> None:
    start = TorchEncoder(starting_network(EncoderSizes(dimension=200, layers=0), corpora, seed=1), digest="")
    found, expected = (
        {(cell.marker, cell.group): cell.accuracy for cell in accuracies(grade(embed, corpora, part="report"))}
        for embed in (start.embed, KmerEncoder().embed)
    )
    assert found.keys() == expected.keys()
    assert np.mean(list(found.values())) >= np.mean(list(expected.values())) - 0.02


def test_the_metric_draws_a_genus_together(corpora: tuple[MarkerCorpus, ...]) -> None:
    directions = principal_directions(corpora, k=5, dimension=64)
    vectors = [kmer_profiles(corpus.sequences, k=5) @ directions.T for corpus in corpora]
    metric = genus_metric(corpora, vectors)
    np.testing.assert_allclose(metric, metric.T, atol=1e-5)

    def within_to_between(points: np.ndarray) -> float:
        unit = points / np.linalg.norm(points, axis=1, keepdims=True)
        genera = corpora[0].labels[:, 1]
        means = np.stack([unit[genera == genus].mean(axis=0) for genus in range(genera.max() + 1)])
        return float(np.square(unit - means[genera]).sum() / np.square(means - means.mean(axis=0)).sum())

    assert within_to_between(vectors[0] @ metric) < within_to_between(vectors[0])


def test_without_any_genus_the_metric_changes_nothing(corpora: tuple[MarkerCorpus, ...]) -> None:
    nameless = [replace(corpora[0], labels=np.full_like(corpora[0].labels, -1))]
    vectors = [np.random.default_rng(0).normal(size=(len(corpora[0].sequences), 8)).astype(np.float32)]
    assert np.array_equal(genus_metric(nameless, vectors), np.eye(8))


def test_comparing_an_encoder_with_itself_finds_nothing(corpora: tuple[MarkerCorpus, ...]) -> None:
    cells = grade(KmerEncoder(k=4).embed, corpora, part="report")
    assert all(row["low"] == row["difference"] == row["high"] == 0 for row in compare(cells, cells))
    aurocs = novelty_auroc(cells, known="known species", novel="new genus")
    assert aurocs
    assert all(value > 0.9 for value in aurocs.values())


def settings(**changes: object) -> LoopSettings:
    values = {
        "masked_steps": 3, "contrast_steps": 5, "batch_size": 16, "measure_every": 4, "measured_queries": 10,
        "patience": 100,
    }  # fmt: skip
    return LoopSettings(**(values | changes))


def weights(network: EncoderNetwork) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


class Killed(Exception):
    """Stands for the signal that ends a run."""


def test_a_killed_run_ends_like_one_that_was_left_alone(
    corpora: tuple[MarkerCorpus, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trainer(name: str) -> tuple[EncoderNetwork, Trainer]:
        network = starting_network(TINY, corpora, seed=1)
        checkpoint = tmp_path / name
        return network, Trainer(network, corpora, settings(), identity="x", checkpoint=checkpoint)

    network, whole = trainer("whole")
    curve = whole.run().curve
    final = load_file(tmp_path / "whole")

    original: Callable[..., dict[str, float]] = Trainer._step
    steps = []

    def step_until_killed(self: Trainer, step: int) -> dict[str, float]:
        steps.append(step)
        if len(steps) == 7:
            raise Killed
        return original(self, step)

    monkeypatch.setattr(Trainer, "_step", step_until_killed)
    _, interrupted = trainer("killed")
    with pytest.raises(Killed):
        interrupted.run()
    resumed_network, resumed = trainer("killed")
    progress = resumed.run()
    assert steps == [0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7]
    again = load_file(tmp_path / "killed")
    assert all(torch.equal(final[name], again[name]) for name in final)
    assert [row["score"] for row in progress.curve] == [row["score"] for row in curve]
    assert weights(resumed_network) == weights(network)


def test_a_checkpoint_of_another_run_is_refused(corpora: tuple[MarkerCorpus, ...], tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    network = starting_network(TINY, corpora, seed=1)
    one = settings(masked_steps=0, contrast_steps=1)
    Trainer(network, corpora, one, identity="one", checkpoint=checkpoint).run()
    other = Trainer(network, corpora, one, identity="two", checkpoint=checkpoint)
    with pytest.raises(DataError, match="other settings, data or code"):
        other.run()
    assert load_checkpoint(tmp_path / "none", network, torch.optim.SGD(network.parameters()), "x") is None


def test_training_teaches_both_branches(corpora: tuple[MarkerCorpus, ...], tmp_path: Path) -> None:
    network = starting_network(TINY, corpora, seed=1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    run = settings(masked_steps=10, contrast_steps=120, measure_every=130, batch_size=64, deep_learning_rate=3e-3)
    batch = ViewMaker(corpora, Augmentation(), batch_size=32, sizes=TINY, seed=9).batch(0)

    def deep_contrast() -> float:
        with torch.inference_mode():
            vectors = network(batch.letters, batch.profiles, use_deep=True).deep
            return contrast(vectors, batch.labels, batch.records, temperature=0.1).item()

    untrained = deep_contrast()
    progress = Trainer(network, corpora, run, identity="x", checkpoint=tmp_path / "c").run()
    last = load_file(tmp_path / "c")
    network.load_state_dict({name: last[f"weights.network.{name}"] for name in before})
    assert deep_contrast() < untrained
    for name in ("gate", "wide.contract.weight", "deep.stem.weight"):
        assert not torch.equal(last[f"weights.network.{name}"], before[name])
    assert progress.best_score == max(row["score"] for row in progress.curve)


@pytest.fixture
def pretrain_settings(tmp_path: Path) -> PretrainConfig:
    return training_on(make_reference(1), tmp_path, masked_steps=1, contrast_steps=2, measure_every=2)


def test_pretraining_writes_an_encoder_with_its_papers(pretrain_settings: PretrainConfig, tmp_path: Path) -> None:
    for name in ("first", "second"):
        pretrain(pretrain_settings, tmp_path / name, work=tmp_path / f"{name}-work", seed=5, sizes=TINY, device="cpu")
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == [
        "README.md", "config.json", "curve.svg", "curve.tsv", "metrics.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json", "training_config.json", "training_hashes.safetensors",
    ]  # fmt: skip
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name
    record = json.loads((tmp_path / "first" / "training_config.json").read_text())
    assert set(record["data"]) == {"reference.fasta", "lineages.tsv"}
    assert str(tmp_path.parent) not in json.dumps(record)
    card = (tmp_path / "first" / "README.md").read_text()
    assert "new species → genus" in card
    assert "deep branch off" in card
    assert "(curve.svg)" in card
    drawing = ElementTree.parse(tmp_path / "first" / "curve.svg")
    titles = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert "score on held-out taxa" in titles
    assert "step 3" in titles


def test_nothing_to_train_on_is_the_users_mistake(pretrain_settings: PretrainConfig, tmp_path: Path) -> None:
    everything = pretrain_settings.references["mine"].reference.fasta
    empty = pretrain_settings.model_copy(update={"exclude": [everything]})
    with pytest.raises(ConfigError, match="nothing is left to train on"):
        pretrain(empty, tmp_path / "out", work=tmp_path / "work", seed=1, sizes=TINY)

"""The metric of the wide branch: what its loss asks, and the stage as a whole on a tiny corpus."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from abyssal.encoder.load import load_encoder
from abyssal.encoder.network import EncoderNetwork, EncoderSizes
from abyssal.encoder.training.checkpoints import Progress
from abyssal.encoder.training.corpus import Exclusions, MarkerCorpus, build_corpus
from abyssal.encoder.training.losses import NEIGHBOUR_WEIGHTS, neighbourhood
from abyssal.encoder.training.neighbours import MetricSettings, MetricTrainer
from abyssal.encoder.training.run import closed_form, joined_progress, pretrain, starting_network

from .conftest import make_reference, training_on

WIDE = EncoderSizes(kmer_size=3, kmer_skip=3, dimension=24, residual_width=0, layers=0)
SPECIES, GENUS, FAMILY = NEIGHBOUR_WEIGHTS


@pytest.fixture(scope="module")
def corpora() -> tuple[MarkerCorpus, ...]:
    references = {"one": make_reference(1), "two": make_reference(2, families=2)}
    return build_corpus(references, Exclusions(frozenset(), frozenset()))


def loss(cosines: list[float], query: tuple[int, int, int], amplicons: list[tuple[int, int, int]]) -> float:
    """Return the loss of one query, which is not among the amplicons, at temperature 1."""
    names = (torch.tensor([query]), torch.tensor(amplicons))
    records = (torch.tensor([-1]), torch.arange(len(amplicons)))
    return float(neighbourhood(torch.tensor([cosines]), names, records, temperature=1.0))


def test_at_each_rank_the_rank_below_is_left_out() -> None:
    """Own species .9, own genus .5, own family .2, a stranger .1: three softmaxes, each over fewer amplicons."""
    cosines = [0.9, 0.5, 0.2, 0.1]
    found = loss(cosines, (0, 0, 0), [(0, 0, 0), (1, 0, 0), (2, 1, 0), (3, 2, 1)])
    powers = np.exp(cosines)
    expected = (
        -SPECIES * np.log(powers[0] / powers.sum())
        - GENUS * np.log(powers[1] / powers[1:].sum())
        - FAMILY * np.log(powers[2] / powers[2:].sum())
    )
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_query_is_not_its_own_neighbour() -> None:
    cosines = torch.tensor([[1.0, 0.3, 0.2]])
    names = torch.tensor([[0, 0, 0], [0, 0, 0], [1, 1, 1]])
    found = neighbourhood(cosines, (names[:1], names), (torch.tensor([0]), torch.arange(3)), temperature=1.0)
    powers = np.exp([0.3, 0.2])
    assert float(found) == pytest.approx(-SPECIES * np.log(powers[0] / powers.sum()), rel=1e-5)


def test_unknown_names_are_nobodys_neighbours() -> None:
    assert loss([0.9, 0.1], (-1, -1, -1), [(-1, -1, -1), (0, 0, 0)]) == 0
    with_unknown = loss([0.9, 0.5, 0.1], (0, 0, 0), [(-1, 0, 0), (1, 0, 0), (2, 1, 1)])
    powers = np.exp([0.9, 0.5, 0.1])
    assert with_unknown == pytest.approx(-GENUS * np.log(powers[:2].sum() / powers.sum()), rel=1e-5)


def trainer(
    corpora: tuple[MarkerCorpus, ...], checkpoint: Path, **changes: object
) -> tuple[EncoderNetwork, MetricTrainer]:
    start = closed_form(WIDE, corpora)
    network = starting_network(WIDE, corpora, seed=1, start=start)
    settings = replace(
        MetricSettings(steps=6, queries=32, amplicons=60, measure_every=2, measured_queries=20), **changes
    )
    return network, MetricTrainer(network, corpora, start, settings, identity="x", checkpoint=checkpoint)


def test_learning_brings_the_genus_nearer(corpora: tuple[MarkerCorpus, ...], tmp_path: Path) -> None:
    _, run = trainer(corpora, tmp_path / "c", steps=60, measure_every=20, learning_rate=3e-3)
    curve = run.run().curve
    assert curve[-1]["neighbourhood"] < 0.9 * curve[1]["neighbourhood"]
    assert curve[0]["step"] == 0
    assert all(0 <= row["score"] <= 1 for row in curve)


def test_the_best_metric_is_what_the_network_gets(corpora: tuple[MarkerCorpus, ...], tmp_path: Path) -> None:
    network, run = trainer(corpora, tmp_path / "c", learning_rate=3.0)
    progress = run.run()
    assert progress.best_score == max(row["score"] for row in progress.curve)
    start = closed_form(WIDE, corpora)
    best = load_file(tmp_path / "c")["best.matrix"].numpy()
    np.testing.assert_allclose(network.wide.projection.weight.detach(), best.T @ start.directions, atol=1e-6)
    if progress.best_step == 0:
        np.testing.assert_allclose(network.wide.projection.weight.detach(), start.projection(), atol=1e-5)


class Killed(Exception):
    """Stands for the signal that ends a run."""


def test_a_killed_run_ends_like_one_that_was_left_alone(
    corpora: tuple[MarkerCorpus, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, run = trainer(corpora, tmp_path / "whole")
    curve = run.run().curve
    original: Callable[[MetricTrainer, int], float] = MetricTrainer._step
    steps: list[int] = []

    def step_until_killed(self: MetricTrainer, step: int) -> float:
        steps.append(step)
        if len(steps) == 4:
            raise Killed
        return original(self, step)

    monkeypatch.setattr(MetricTrainer, "_step", step_until_killed)
    with pytest.raises(Killed):
        trainer(corpora, tmp_path / "killed")[1].run()
    again, resumed = trainer(corpora, tmp_path / "killed")
    assert resumed.run().curve == curve
    assert steps == [0, 1, 2, 3, 2, 3, 4, 5]
    assert torch.equal(again.wide.projection.weight, network.wide.projection.weight)


def test_one_account_is_given_of_several_stages() -> None:
    first = Progress("x", step=6, best_step=4, best_score=0.5, curve=[{"step": 0}, {"step": 6}])
    none_better = Progress("x", step=0, best_step=0, best_score=0.5, curve=[{"step": 0}])
    joined = joined_progress([first, none_better])
    assert (joined.step, joined.best_step, joined.best_score) == (6, 4, 0.5)
    better = Progress("x", step=9, best_step=3, best_score=0.6, curve=[{"step": 0}, {"step": 9}])
    joined = joined_progress([first, better])
    assert (joined.step, joined.best_step, joined.best_score) == (15, 9, 0.6)
    assert [row["step"] for row in joined.curve] == [0, 6, 6, 15]


def test_without_steps_for_it_no_deep_branch_is_made(tmp_path: Path) -> None:
    settings = training_on(make_reference(1), tmp_path, metric_steps=3, masked_steps=0, contrast_steps=0)
    for name in ("first", "second"):
        work = tmp_path / f"{name}-work"
        pretrain(settings, tmp_path / name, work=work, seed=5, sizes=replace(WIDE, layers=2), device="cpu")
    first, second = tmp_path / "first", tmp_path / "second"
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name
    assert set(load_file(first / "model.safetensors")) == {"network.wide.projection.weight"}
    record = json.loads((first / "training_config.json").read_text())
    assert (record["metric"]["steps"], record["sizes"]["layers"], record["steps"]) == (3, 0, 3)
    card = (first / "README.md").read_text()
    assert "3 steps that learn the metric of the wide branch" in card
    assert "There is no deep branch." in card
    assert load_encoder(first).embed(["ACGTTGCA" * 20]).shape == (1, 24)

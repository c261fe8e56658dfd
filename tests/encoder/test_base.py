"""The larger encoder: small enough to ship, made like the small one, and in mixed precision where that pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from abyssal.config.models import PretrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.encoder.network import PRESETS, EncoderNetwork
from abyssal.encoder.training.corpus import Exclusions, build_corpus
from abyssal.encoder.training.loop import LoopSettings, Trainer
from abyssal.encoder.training.run import pretrain, starting_network, trained_sizes

from .conftest import TINY, make_reference, training_on


def test_the_base_encoder_keeps_its_limits() -> None:
    parameters = {name: sum(p.numel() for p in EncoderNetwork(sizes).parameters()) for name, sizes in PRESETS.items()}
    assert parameters["small"] * 2 <= 5_000_000
    assert parameters["base"] <= 10_000_000
    assert parameters["base"] * 2 <= 25_000_000


@pytest.fixture
def base_settings(tmp_path: Path) -> PretrainConfig:
    reference = make_reference(1, families=2, genera=3, species=3)
    return training_on(reference, tmp_path, size="base", masked_steps=1, contrast_steps=1, measure_every=1)


class Killed(Exception):
    """Stands for the signal that ends a run."""


def test_base_pretraining_resumes_and_gives_the_same_weights_again(
    base_settings: PretrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the wide branch a part, or its closed-form start would take the longest.
    sizes = replace(PRESETS["base"], kmer_size=4, dimension=128)
    pretrain(base_settings, tmp_path / "whole", work=tmp_path / "whole-work", seed=5, sizes=sizes, device="cpu")
    original: Callable[..., dict[str, float]] = Trainer._step
    steps: list[int] = []

    def step_until_killed(self: Trainer, step: int) -> dict[str, float]:
        steps.append(step)
        if len(steps) == 2:
            raise Killed
        return original(self, step)

    monkeypatch.setattr(Trainer, "_step", step_until_killed)
    with pytest.raises(Killed):
        pretrain(base_settings, tmp_path / "again", work=tmp_path / "again-work", seed=5, sizes=sizes, device="cpu")
    pretrain(base_settings, tmp_path / "again", work=tmp_path / "again-work", seed=5, sizes=sizes, device="cpu")
    assert steps == [0, 1, 1]
    for name in ("model.safetensors", "config.json", "metrics.json", "curve.tsv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    assert (tmp_path / "whole" / "model.safetensors").stat().st_size <= 25_000_000
    assert load_encoder(tmp_path / "whole").embed(["ACGTTGCA" * 30]).shape == (1, 128)


def test_mixed_precision_keeps_weights_and_losses_in_fp32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpora = build_corpus({"mine": make_reference(1)}, Exclusions(frozenset(), frozenset()))
    monkeypatch.setattr(Trainer, "_precision", lambda _: torch.autocast("cpu", dtype=torch.bfloat16))
    settings = LoopSettings(masked_steps=3, contrast_steps=5, batch_size=16, measure_every=8, measured_queries=10)
    network = starting_network(TINY, corpora, seed=1)
    trainer = Trainer(network, corpora, settings, identity="x", checkpoint=tmp_path / "c")
    curve = trainer.run().curve
    assert np.isfinite(curve[-1]["contrast"])
    last = load_file(tmp_path / "c")
    assert not torch.equal(
        last["weights.network.deep.stem.weight"], starting_network(TINY, corpora, seed=1).deep.stem.weight
    )
    assert {tensor.dtype for name, tensor in last.items() if name.startswith(("weights", "best"))} == {torch.float32}
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_the_files_for_the_shipped_sizes_are_valid_together(repository: Path) -> None:
    small = yaml.safe_load((repository / "resources/encoders/abyssal-small.yaml").read_text())
    assert PretrainConfig(**small["pretrain"]).size == "small"
    for name in ("abyssal-base", "abyssal-base-deep"):
        base = yaml.safe_load((repository / f"resources/encoders/{name}.yaml").read_text())["pretrain"]
        references = small["pretrain"]["references"] | base["references"]
        settings = PretrainConfig(**{**small["pretrain"], **base, "references": references})
        assert settings.size == "base"
        assert settings.metric_steps
        assert bool(trained_sizes(PRESETS["base"], settings).layers) == (name == "abyssal-base-deep")

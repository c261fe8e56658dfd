"""The training loop: masked letters first, then contrast; measured on held-out taxa, resumable after a kill.

The same seed, settings and data give the same weights on the same CPU with the same number of threads. On a GPU the
forward passes run in bf16 where the hardware has it.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from abyssal.encoder.engine import TorchEncoder
from abyssal.encoder.engines.names import bf16_pays
from abyssal.encoder.letters import LETTER_IDS, PADDING
from abyssal.encoder.network import EncoderNetwork, EncoderSizes
from abyssal.encoder.training.augmentation import Augmentation
from abyssal.encoder.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from abyssal.encoder.training.corpus import MarkerCorpus
from abyssal.encoder.training.losses import contrast, masked_letters
from abyssal.encoder.training.measurement import steering_row
from abyssal.encoder.training.schedule import rate_share
from abyssal.encoder.training.views import Batch, ViewMaker

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopSettings:
    """How training runs.

    Attributes:
        seed: of weights, batches, augmentation and masks.
        masked_steps, contrast_steps: steps of the two stages.
        batch_size: views a step.
        deep_learning_rate, wide_learning_rate: peak rates of AdamW.
        weight_decay: of matrices; biases, norms, the gate and the projection are left alone.
        temperature: of the contrast.
        deep_weight: weight of the contrast of the deep branch on its own, which teaches it while its gate is closed.
        masked_share: share of the tokens whose letters are hidden in the first stage.
        measure_every: steps between two measurements, which are also checkpoints.
        measured_queries: most queries of a marker and group in a measurement.
        patience: measurements without a better score before the run stops.
    """

    seed: int = 1
    masked_steps: int = 500
    contrast_steps: int = 4000
    batch_size: int = 192
    deep_learning_rate: float = 1e-3
    wide_learning_rate: float = 1e-4
    weight_decay: float = 0.05
    temperature: float = 0.1
    deep_weight: float = 0.5
    masked_share: float = 0.3
    measure_every: int = 250
    measured_queries: int = 300
    patience: int = 8

    @property
    def steps(self) -> int:
        """Steps of both stages."""
        return self.masked_steps + self.contrast_steps


class LetterHead(nn.Module):
    """Predicts the letters of a token's stretch; used by the first stage only."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.letters = sizes.stem_stride * sizes.patch_stride
        self.output = nn.Linear(sizes.width, self.letters * 4)

    def forward(self, tokens: Tensor) -> Tensor:
        rows, count, _ = tokens.shape
        return self.output(tokens).view(rows, count, self.letters, 4)  # type: ignore[no-any-return]


class Trainer:
    """One run over one corpus.

    Args:
        network: the weights to train, in place; its wide branch already has its starting projection.
        corpora: what to train and measure on.
        settings: how.
        identity: digest of settings, data and code, kept in the checkpoint.
        checkpoint: file to save to and resume from.
        device: what PyTorch computes on.
    """

    def __init__(
        self,
        network: EncoderNetwork,
        corpora: tuple[MarkerCorpus, ...],
        settings: LoopSettings,
        *,
        identity: str,
        checkpoint: Path,
        device: str = "cpu",
    ) -> None:
        self._network = network.to(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self._head = LetterHead(network.sizes).to(device)
        self._parts = nn.ModuleDict({"network": self._network, "head": self._head})
        self._corpora = corpora
        self._settings = settings
        self._checkpoint = checkpoint
        self._device = device
        self._views = ViewMaker(
            corpora, Augmentation(), batch_size=settings.batch_size, sizes=network.sizes, seed=settings.seed
        )
        self._optimizer = torch.optim.AdamW(_parameter_groups(self._parts, settings))
        self._progress = Progress(identity)
        self._best: dict[str, Tensor] = {}

    def run(self) -> Progress:
        """Train to the end or to early stopping, leave the best weights in the network, return how it went."""
        settings = self._settings
        resumed = load_checkpoint(self._checkpoint, self._parts, self._optimizer, self._progress.identity)
        if resumed is None:
            self._measure({})
        else:
            self._progress, self._best = resumed
        losses: dict[str, list[float]] = {}
        while self._progress.step < settings.steps and not self._exhausted():
            for name, value in self._step(self._progress.step).items():
                losses.setdefault(name, []).append(value)
            self._progress.step += 1
            if self._progress.step % settings.measure_every == 0 or self._progress.step == settings.steps:
                self._measure({name: float(np.mean(values)) for name, values in losses.items()})
                losses = {}
        self._network.load_state_dict(self._best)
        return self._progress

    def _exhausted(self) -> bool:
        """Whether contrast has gone on for ``patience`` measurements without a better score."""
        since = self._progress.step - max(self._progress.best_step, self._settings.masked_steps)
        return since >= self._settings.patience * self._settings.measure_every

    def _step(self, step: int) -> dict[str, float]:
        settings = self._settings
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * _schedule(step, settings)
        self._parts.train()
        batch = self._views.batch(step, device=self._device)
        with self._precision():
            masked = step < settings.masked_steps
            losses = self._masked_losses(batch, step) if masked else self._contrast_losses(batch)
        self._optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parts.parameters(), 1.0)
        self._optimizer.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _precision(self) -> AbstractContextManager[object]:
        if self._device.startswith("cuda") and bf16_pays(self._device):
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()

    def _masked_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        deep = self._network.deep
        if deep is None:
            return {"masked": batch.profiles.new_zeros((), requires_grad=True)}
        rng = np.random.default_rng([self._settings.seed, step, 1])
        width = self._head.letters
        letters = nn.functional.pad(batch.letters, (0, -batch.letters.shape[1] % width))
        tokens = letters.shape[1] // width
        masked = torch.from_numpy(rng.random((len(letters), tokens)) < self._settings.masked_share).to(letters.device)
        # A hidden letter looks like N: an even mix of all bases.
        hidden = masked.repeat_interleave(width, dim=1) & (letters != PADDING)
        _, states, _ = deep(letters.masked_fill(hidden, LETTER_IDS["N"]))
        return {"masked": masked_letters(self._head(states[:, :tokens]), letters, masked)}

    def _contrast_losses(self, batch: Batch) -> dict[str, Tensor]:
        settings = self._settings
        result = self._network(batch.letters, batch.profiles, use_deep=self._network.deep is not None)
        temperature = settings.temperature
        losses = {"contrast": contrast(result.embedding, batch.labels, batch.records, temperature=temperature)}
        if result.deep is not None:
            own = contrast(result.deep, batch.labels, batch.records, temperature=temperature)
            losses["deep_contrast"] = settings.deep_weight * own
        return losses

    def _measure(self, losses: dict[str, float]) -> None:
        """Grade the weights as they are, keep them when they are the best, write a checkpoint."""
        encoder = TorchEncoder(self._network, digest="", device=self._device)
        measured = steering_row(encoder.embed, self._corpora, self._settings.measured_queries)
        score = measured["score"]
        gate = 0.0 if self._network.gate is None else float(self._network.gate.detach().abs().mean())
        self._progress.curve.append({"step": self._progress.step, "gate": gate, **losses, **measured})
        logger.info("step %d: held-out score %.4f %s", self._progress.step, score, losses)
        if score > self._progress.best_score:
            self._progress.best_score, self._progress.best_step = score, self._progress.step
            self._best = {name: tensor.detach().cpu().clone() for name, tensor in self._network.state_dict().items()}
        save_checkpoint(self._checkpoint, self._parts, self._optimizer, self._best, self._progress)


def _schedule(step: int, settings: LoopSettings) -> float:
    """Return the share of the peak rate; each stage has a schedule of its own."""
    if step < settings.masked_steps:
        return rate_share(step, settings.masked_steps)
    return rate_share(step - settings.masked_steps, settings.contrast_steps)


def _parameter_groups(parts: nn.Module, settings: LoopSettings) -> list[dict[str, object]]:
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parts.named_parameters():
        rate = settings.wide_learning_rate if ".wide." in name else settings.deep_learning_rate
        decays = parameter.ndim > 1 and "wide.projection" not in name
        groups.setdefault((rate, settings.weight_decay if decays else 0.0), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]

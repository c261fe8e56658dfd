"""The wide branch's metric, learnt so that the nearest amplicon of another species bears the same genus.

It starts from the closed-form metric (``initialisation``). Queries are views with sequencing errors and crops, and are
searched among amplicons of their marker from which their own species, or genus, is left out (``losses.neighbourhood``):
what a new taxon meets. Measured on the held-out taxa that steer training, at most ``measured_queries`` a cell; the best
metric is kept, which may be the one it started with.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from abyssal.encoder.engine import TorchEncoder
from abyssal.encoder.network import EncoderNetwork
from abyssal.encoder.training.augmentation import Augmentation, augment
from abyssal.encoder.training.checkpoints import Progress, load_checkpoint, save_checkpoint
from abyssal.encoder.training.corpus import MarkerCorpus
from abyssal.encoder.training.initialisation import StartingPoint
from abyssal.encoder.training.losses import neighbourhood
from abyssal.encoder.training.measurement import steering_row
from abyssal.encoder.training.schedule import rate_share
from abyssal.encoder.training.views import profiles_of_views, split_codes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MetricSettings:
    """How the metric is learnt.

    Attributes:
        seed: of queries, amplicons and augmentation.
        steps: how many; 0 leaves the closed-form metric.
        queries, amplicons: most views that ask, and most amplicons that are searched, a step.
        learning_rate: peak rate of Adam.
        temperature: divides the cosines; low, so that only near neighbours count.
        measure_every: steps between two measurements, which are also checkpoints.
        measured_queries: most queries of a marker and group in a measurement.
    """

    seed: int = 1
    steps: int = 0
    queries: int = 384
    amplicons: int = 3000
    learning_rate: float = 3e-4
    temperature: float = 0.02
    measure_every: int = 150
    measured_queries: int = 300


class _Metric(nn.Module):
    """Projected profiles times a matrix."""

    def __init__(self, start: StartingPoint) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.from_numpy(start.metric / np.float32(start.length)))

    def forward(self, vectors: Tensor) -> Tensor:
        return functional.normalize(vectors @ self.matrix, dim=1)


class MetricTrainer:
    """One run over one corpus.

    Args:
        network: its wide projection gets the learnt metric, in place.
        corpora: what to train and measure on.
        start: directions and metric to start from.
        settings: how.
        identity: digest of settings, data and code, kept in the checkpoint.
        checkpoint: file to save to and resume from.
        device: what PyTorch computes on.
    """

    def __init__(
        self,
        network: EncoderNetwork,
        corpora: Sequence[MarkerCorpus],
        start: StartingPoint,
        settings: MetricSettings,
        *,
        identity: str,
        checkpoint: Path,
        device: str = "cpu",
    ) -> None:
        self._network = network.to(device)
        self._corpora = corpora
        self._settings = settings
        self._checkpoint = checkpoint
        self._device = device
        self._codes = [split_codes(corpus) for corpus in corpora]
        self._labels = [torch.from_numpy(corpus.labels).to(device) for corpus in corpora]
        self._vectors = [torch.from_numpy(own).to(device) for own in start.vectors]
        self._directions = torch.from_numpy(start.directions).to(device)
        sizes = np.sqrt([len(corpus.sequences) for corpus in corpora])
        self._shares = sizes / sizes.sum()
        self._metric = _Metric(start).to(device)
        self._optimizer = torch.optim.Adam(self._metric.parameters(), lr=settings.learning_rate)
        self._progress = Progress(identity)
        self._best: dict[str, Tensor] = {}

    def run(self) -> Progress:
        """Learn to the end, leave the best metric in the network's projection, return how it went."""
        settings = self._settings
        resumed = load_checkpoint(self._checkpoint, self._metric, self._optimizer, self._progress.identity)
        if resumed is None:
            self._measure([])
        else:
            self._progress, self._best = resumed
        losses: list[float] = []
        while self._progress.step < settings.steps:
            losses.append(self._step(self._progress.step))
            self._progress.step += 1
            if self._progress.step % settings.measure_every == 0 or self._progress.step == settings.steps:
                self._measure(losses)
                losses = []
        self._metric.load_state_dict(self._best)
        self._project()
        return self._progress

    def _step(self, step: int) -> float:
        settings = self._settings
        for group in self._optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate_share(step, settings.steps)
        rng = np.random.default_rng([settings.seed, step, 2])
        marker = int(rng.choice(len(self._corpora), p=self._shares))
        size = len(self._codes[marker])
        asking = rng.choice(size, min(settings.queries, size), replace=False)
        searched = rng.choice(size, min(settings.amplicons, size), replace=False)
        views = [augment(self._codes[marker][record], Augmentation(), rng) for record in asking]
        profiles = torch.from_numpy(profiles_of_views(views, self._network.sizes)).to(self._device)
        queries = self._metric(profiles @ self._directions.T)
        records = tuple(torch.from_numpy(one).to(self._device) for one in (asking, searched))
        amplicons = self._metric(self._vectors[marker][records[1]])
        labels = self._labels[marker]
        loss = neighbourhood(
            queries @ amplicons.T, (labels[records[0]], labels[records[1]]), (records[0], records[1]),
            temperature=settings.temperature,
        )  # fmt: skip
        if loss.requires_grad:
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        return float(loss.detach())

    def _project(self) -> None:
        with torch.no_grad():
            self._network.wide.projection.weight.copy_(self._metric.matrix.T @ self._directions)

    def _measure(self, losses: list[float]) -> None:
        """Grade the metric as it is, keep it when it is the best, write a checkpoint."""
        self._project()
        encoder = TorchEncoder(self._network, digest="", device=self._device, use_deep=False)
        row = steering_row(encoder.embed, self._corpora, self._settings.measured_queries)
        loss = {"neighbourhood": float(np.mean(losses))} if losses else {}
        self._progress.curve.append({"step": self._progress.step, **loss, **row})
        logger.info("metric, step %d: held-out score %.4f %s", self._progress.step, row["score"], loss)
        if row["score"] > self._progress.best_score:
            self._progress.best_score, self._progress.best_step = row["score"], self._progress.step
            self._best = {name: tensor.detach().cpu().clone() for name, tensor in self._metric.state_dict().items()}
        save_checkpoint(self._checkpoint, self._metric, self._optimizer, self._best, self._progress)

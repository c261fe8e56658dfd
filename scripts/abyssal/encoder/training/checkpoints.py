"""Checkpoints that survive a kill: tensors in safetensors, everything else in JSON, both replaced in one go."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from abyssal.errors import DataError
from abyssal.files import atomic_path

_STATE = "state"


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        identity: digest of settings, data and code; a checkpoint of another identity is not resumed.
        step: steps done.
        best_step: step of the best weights.
        best_score: their early-stopping score.
        curve: one row a measurement.
    """

    identity: str
    step: int = 0
    best_step: int = 0
    best_score: float = float("-inf")
    curve: list[dict[str, float]] = field(default_factory=list)


def save_checkpoint(
    target: Path, module: nn.Module, optimizer: torch.optim.Optimizer, best: dict[str, Tensor], progress: Progress
) -> None:
    """Write one file atomically: weights, best weights, the optimizer's moments, and progress in its metadata."""
    tensors = {f"weights.{name}": tensor.detach().contiguous() for name, tensor in module.state_dict().items()}
    tensors |= {f"best.{name}": tensor.contiguous() for name, tensor in best.items()}
    state = optimizer.state_dict()
    for number, moments in state["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    with atomic_path(target) as temporary:
        save_file(tensors, temporary, metadata={_STATE: json.dumps(vars(progress), sort_keys=True)})


def load_checkpoint(
    source: Path, module: nn.Module, optimizer: torch.optim.Optimizer, identity: str
) -> tuple[Progress, dict[str, Tensor]] | None:
    """Restore a run in place and return its progress and best weights; None when there is nothing to resume.

    Raises:
        DataError: the checkpoint belongs to other settings, data or code.
    """
    if not source.is_file():
        return None
    with safe_open(source, framework="pt") as file:
        progress = Progress(**json.loads(file.metadata()[_STATE]))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    if progress.identity != identity:
        message = f"{source}: a checkpoint of other settings, data or code; remove it to start anew"
        raise DataError(message)
    module.load_state_dict(_below(tensors, "weights."))
    state: dict[str, Any] = optimizer.state_dict()
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below(tensors, "optimizer.").items():
        number, _, moment = name.partition(".")
        moments.setdefault(int(number), {})[moment] = tensor
    optimizer.load_state_dict({**state, "state": moments})
    return progress, _below(tensors, "best.")


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

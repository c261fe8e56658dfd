"""An encoder with the matrix products of its costly part in bf16."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

from abyssal.encoder.engines.names import BF16
from abyssal.encoder.engines.programs import HalfPrecisionProgram
from abyssal.encoder.interface import Convertible, Encoder


@runtime_checkable
class Unpaddable(Protocol):
    """A costly part that can leave padding out of its products."""

    def unpadded(self) -> nn.Module:
        """Return the same part without work for padding."""


def with_half_precision(encoder: Convertible, device: str) -> Encoder:
    """Return the encoder computed in bf16 by PyTorch on ``device``; itself where it has no costly part."""
    part = encoder.part()
    return encoder if part is None else _computed(encoder, part, device, BF16)


def half_precision_engines(encoder: Convertible, device: str) -> dict[str, Encoder]:
    """Return by engine the ways to compute it in bf16: padded and, on a GPU where the part can, unpadded."""
    ways = [with_half_precision(encoder, device)]
    part = encoder.part()
    if device.startswith("cuda") and isinstance(part, Unpaddable):
        ways.append(_computed(encoder, part.unpadded(), device, f"{BF16}-unpadded"))
    return {way.engine: way for way in ways}


def _computed(encoder: Convertible, part: nn.Module, device: str, arithmetic: str) -> Encoder:
    return encoder.computed_by(HalfPrecisionProgram(part, device), f"torch-{arithmetic}-{device.partition(':')[0]}")

"""An encoder with the matrix products of its costly part in bf16."""

from __future__ import annotations

from abyssal.encoder.engines.names import BF16
from abyssal.encoder.engines.programs import HalfPrecisionProgram
from abyssal.encoder.interface import Convertible, Encoder


def with_half_precision(encoder: Convertible, device: str) -> Encoder:
    """Return the encoder computed in bf16 by PyTorch on ``device``; itself where it has no costly part."""
    part = encoder.part()
    if part is None:
        return encoder
    return encoder.computed_by(HalfPrecisionProgram(part, device), f"torch-{BF16}-{device.partition(':')[0]}")

"""What every encoder is to the rest of the code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

    from abyssal.encoder.engines.programs import Program


class Encoder(Protocol):
    """Sequence to unit vector; the same sequence gives the same vector whatever stands beside it in a batch."""

    @property
    def dimension(self) -> int:
        """Length of the vectors."""

    @property
    def digest(self) -> str:
        """Hex SHA-256 over config, weights and tokenizer: the identity used in caches and bundles."""

    @property
    def engine(self) -> str:
        """Identifier of what computes, for example ``torch-fp32``."""

    def embed(self, sequences: Sequence[str]) -> NDArray[np.float32]:
        """Return an (n, dimension) float32 array of unit rows; (0, dimension) for no sequences.

        Sequences are normalised IUPAC letters in primer orientation.
        """


@runtime_checkable
class Convertible(Encoder, Protocol):
    """An encoder of which a faster engine may compute the costly part."""

    input_names: tuple[str, ...]

    def part(self) -> nn.Module | None:
        """Return the costly part in PyTorch fp32, from arrays of letters or tokens to one array; None for none."""

    def batches(self, sequences: Sequence[str]) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield the part's inputs in batches of fixed shape: (rows, columns) arrays, as ``embed`` makes them."""

    def computed_by(self, program: Program, engine: str) -> Encoder:
        """Return the same encoder with its costly part computed by a program, named ``engine``."""

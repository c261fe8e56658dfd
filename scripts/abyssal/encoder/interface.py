"""What every encoder is to the rest of the code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


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

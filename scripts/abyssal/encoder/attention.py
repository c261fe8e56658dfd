"""Attention of the deep branch over a padded batch, or over nothing but the tokens that are there.

Both turn queries and keys by their position (Su et al. 2021, RoFormer) and let a token see its own sequence only.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

ROTARY_BASE = 10000.0


class Attention(Protocol):
    """How the tokens of a batch see each other."""

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return what (..., heads, channels) queries gather from keys and values, in their shape."""


class PaddedAttention:
    """Over (rows, tokens, heads, channels); tokens beyond the end of a sequence are computed and not seen.

    Args:
        visible: (rows, tokens) True where a token may be seen; at least one in each row.
        channels: of a head, an even number.
        dtype: of queries and keys.
    """

    def __init__(self, visible: Tensor, channels: int, dtype: torch.dtype) -> None:
        positions = torch.arange(visible.shape[1], device=visible.device)
        self._visible = visible[:, None, None, :]
        self._cosine, self._sine = _rotary_table(positions, channels, dtype)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        attended = functional.scaled_dot_product_attention(
            _rotate(query, self._cosine, self._sine).transpose(1, 2),
            _rotate(key, self._cosine, self._sine).transpose(1, 2),
            value.transpose(1, 2),
            attn_mask=self._visible,
        )
        return attended.transpose(1, 2)


class UnpaddedAttention:
    """Over (tokens of all rows, heads, channels), row after row: no work is done for padding.

    GPUs compute half precision with PyTorch's kernel for sequences of any length, told not to split a sequence by what
    else the batch holds. Everything else computes one sequence after the other: right, but slow.

    Args:
        visible: (rows, tokens) as for ``PaddedAttention``; the tokens of a row begin at its first column.
        channels, dtype: as for ``PaddedAttention``.
    """

    def __init__(self, visible: Tensor, channels: int, dtype: torch.dtype) -> None:
        positions = torch.arange(visible.shape[1], device=visible.device).expand_as(visible)[visible]
        self._starts = functional.pad(visible.sum(dim=1).cumsum(0), (1, 0)).to(torch.int32)
        self._longest = visible.shape[1]
        self._cosine, self._sine = _rotary_table(positions, channels, dtype)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key = _rotate(query, self._cosine, self._sine), _rotate(key, self._cosine, self._sine)
        if query.is_cuda and query.dtype in {torch.float16, torch.bfloat16}:
            return self._by_kernel(query, key, value)
        between = self._starts[1:-1].tolist()
        rows = zip(*(torch.tensor_split(part, between) for part in (query, key, value)), strict=True)
        return torch.cat([_attend_alone(*row) for row in rows])

    def _by_kernel(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        from torch.nn.attention.varlen import varlen_attn

        starts, longest = self._starts, self._longest
        attended = varlen_attn(query, key, value, starts, starts, longest, longest, num_splits=1)
        return attended if isinstance(attended, Tensor) else attended[0]


def _attend_alone(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    query, key, value = (part.transpose(0, 1) for part in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value).transpose(0, 1)


def _rotary_table(positions: Tensor, channels: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, (positions, 1, channels / 2)."""
    steps = torch.arange(0, channels, 2, device=positions.device, dtype=torch.float32)
    angles = positions.float()[:, None, None] * ROTARY_BASE ** (-steps / channels)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def _rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair of channels by its position's angle."""
    first, second = states.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1)

"""The network of the Abyssal encoder: a wide k-mer branch, a deep transformer branch, one unit vector.

The wide branch starts as a projection of k-mer profiles onto their principal directions, which keeps cosines, so that
an untrained model already searches as well as k-mers do; a residual network that starts at zero refines it. The deep
branch (convolutions, rotary transformer layers, attention pooling) is added through a gate that starts at zero:
training may use it, but cannot start worse for it.

This module does without ``transformers``: ``modeling`` wraps it for that library, whose import takes longer than
everything else a classification of a few reads does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from abyssal.encoder.attention import Attention, PaddedAttention, UnpaddedAttention
from abyssal.encoder.kmers import window_places
from abyssal.encoder.letters import BASE_SHARES, PADDING

LARGEST_KMER = 10
_LARGEST_SIZE = 1 << 16


@dataclass(frozen=True)
class EncoderSizes:
    """Sizes of both branches.

    Attributes:
        kmer_size: letters of a k-mer of the wide branch (bases).
        kmer_skip: every so many-th letter of a k-mer's window is passed over (2 or more); 0 passes over none.
        dimension: length of the vectors.
        residual_width: hidden units of the wide branch's residual network; 0 leaves it out.
        stem_width: channels of the first convolution.
        stem_kernel, stem_stride: window and step of the first convolution (bases).
        patch_kernel, patch_stride: window and step of the second convolution (positions of the first one).
        width: channels of a token.
        layers: transformer layers; 0 leaves the deep branch out altogether.
        heads: attention heads; each has an even number of channels.
        max_bases: letters of a sequence that the deep branch reads (bases); the wide branch reads all of them.
    """

    kmer_size: int = 5
    kmer_skip: int = 0
    dimension: int = 384
    residual_width: int = 512
    stem_width: int = 64
    stem_kernel: int = 9
    stem_stride: int = 3
    patch_kernel: int = 8
    patch_stride: int = 4
    width: int = 96
    layers: int = 2
    heads: int = 4
    max_bases: int = 2000

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> EncoderSizes:
        """Take the sizes out of a parsed config.json; sizes it does not name keep their defaults.

        Raises:
            ValueError: a size of no encoder; made in earnest, it would take all memory before the weights are read.
        """
        sizes = {field.name: int(values[field.name]) for field in fields(cls) if field.name in values}
        for name, size in sizes.items():
            most = LARGEST_KMER if name == "kmer_size" else _LARGEST_SIZE
            if not 0 <= size <= most:
                message = f"{name} is {size}; expected 0 to {most}"
                raise ValueError(message)
        found = cls(**sizes)
        if found.kmer_skip == 1:
            message = "kmer_skip is 1; expected 0 (no letter is passed over) or 2 and more"
            raise ValueError(message)
        if found.layers and (not found.heads or found.width % (2 * found.heads)):
            message = f"width is {found.width} and heads {found.heads}; each head needs an even number of channels"
            raise ValueError(message)
        return found


PRESETS = {
    "small": EncoderSizes(),
    "base": EncoderSizes(kmer_size=6, kmer_skip=3, dimension=1024, residual_width=0, width=256, layers=6),
}
"""Sizes by name: 1.4 and 8.5 million parameters; half of the latter are the deep branch's, which wants a GPU."""


@dataclass(frozen=True)
class NetworkOutput:
    """What a forward pass returns.

    Attributes:
        embedding: (n, dimension) unit rows; a row of zeros for a sequence without any evidence.
        deep: (n, dimension) unit rows of the deep branch before the gate; None when it did not run.
        tokens: (n, tokens, width) states of the deep branch after its last layer; None when it did not run.
        token_mask: (n, tokens) True where a token begins inside its sequence; None when the deep branch did not run.
    """

    embedding: Tensor
    deep: Tensor | None = None
    tokens: Tensor | None = None
    token_mask: Tensor | None = None


class WideBranch(nn.Module):
    """k-mer profile to vector: a bias-free projection plus, where there is one, a residual network that starts at 0."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        kmers = 4**sizes.kmer_size
        self.scale = kmers**0.5
        self.projection = nn.Linear(kmers, sizes.dimension, bias=False)
        self.refines = bool(sizes.residual_width)
        if self.refines:
            self.expand = nn.Linear(kmers, sizes.residual_width)
            self.contract = nn.Linear(sizes.residual_width, sizes.dimension, bias=False)
            nn.init.zeros_(self.contract.weight)

    def forward(self, profiles: Tensor) -> Tensor:
        projected: Tensor = self.projection(profiles)
        if not self.refines:
            return projected
        # A unit row has entries of about 1 / scale; the hidden units want entries of about 1.
        refined: Tensor = self.contract(functional.gelu(self.expand(profiles * self.scale)))
        # A profile without any window stays at zero instead of becoming what the biases say.
        return projected + refined * (profiles.sum(dim=1, keepdim=True) > 0)


class TransformerLayer(nn.Module):
    """Pre-norm self-attention with rotary positions, then a gated feed-forward network."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        width = sizes.width
        self.heads = sizes.heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.attention_output = nn.Linear(width, width, bias=False)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward_input = nn.Linear(width, 4 * width, bias=False)
        self.feed_forward_output = nn.Linear(2 * width, width, bias=False)

    def forward(self, states: Tensor, attention: Attention) -> Tensor:
        mixed = self.query_key_value(self.attention_norm(states))
        query, key, value = mixed.unflatten(-1, (3, self.heads, -1)).unbind(-3)
        states = states + self.attention_output(attention(query, key, value).flatten(-2))
        gate, content = self.feed_forward_input(self.feed_forward_norm(states)).chunk(2, dim=-1)
        return states + self.feed_forward_output(functional.gelu(gate) * content)  # type: ignore[no-any-return]


class DeepBranch(nn.Module):
    """Letters to vector: two convolutions cut the read into tokens, transformer layers read them, attention pools."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.stem = nn.Linear(4 * sizes.stem_kernel, sizes.stem_width)
        self.patch = nn.Linear(sizes.stem_width * sizes.patch_kernel, sizes.width)
        self.layers = nn.ModuleList([TransformerLayer(sizes) for _ in range(sizes.layers)])
        self.norm = nn.LayerNorm(sizes.width)
        self.pooling = nn.Linear(sizes.width, 1, bias=False)
        self.projection = nn.Linear(sizes.width, sizes.dimension, bias=False)

    def forward(self, letters: Tensor, *, unpadded: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Return the (n, dimension) unit rows, the (n, tokens, width) states and the (n, tokens) mask.

        Args:
            letters: (n, length) ids.
            unpadded: multiply matrices with nothing but what lies inside the sequences. The same up to rounding; how
                much there is to compute then depends on the letters, which a GPU takes well and a fixed shape does not.
        """
        tokens, mask = self.tokenize(letters, unpadded=unpadded)
        # A row without letters may attend to its first token, or its softmax would be 0 / 0; it is zeroed below.
        visible = mask.clone()
        visible[:, 0] = True
        see = UnpaddedAttention if unpadded else PaddedAttention
        attention = see(visible, self.sizes.width // self.sizes.heads, tokens.dtype)
        states = tokens[visible] if unpadded else tokens
        for layer in self.layers:
            states = layer(states, attention)
        states = self.norm(states)
        tokens = _placed(states, visible) if unpadded else states
        scores = self.pooling(tokens).squeeze(-1).masked_fill(~visible, float("-inf"))
        pooled = (torch.softmax(scores, dim=1).unsqueeze(-1) * tokens).sum(dim=1)
        vectors = functional.normalize(self.projection(pooled), dim=1) * mask[:, :1]
        return vectors, tokens, mask

    def tokenize(self, letters: Tensor, *, unpadded: bool = False) -> tuple[Tensor, Tensor]:
        """Cut (n, length) letter ids into (n, tokens, width) states and say which tokens begin inside the sequence.

        The convolutions are gathered windows times a matrix: on a CPU several times faster than ``Conv1d`` with four
        input channels. Windows beyond the end see zeros, whatever the padding.
        """
        sizes = self.sizes
        shares = torch.tensor(BASE_SHARES, dtype=self.stem.weight.dtype, device=letters.device)[letters.long()]
        lengths = (letters != PADDING).sum(dim=1)
        shares = functional.pad(shares, (0, 0, 0, sizes.stem_kernel - 1))
        windows = shares.unfold(1, sizes.stem_kernel, sizes.stem_stride)
        inside = _begins_inside(lengths, windows.shape[1], sizes.stem_stride)
        stem = _convolved(self.stem, windows, inside, unpadded=unpadded)
        stem = functional.gelu(stem) * inside.unsqueeze(-1)
        stem = functional.pad(stem, (0, 0, 0, sizes.patch_kernel - 1))
        patches = stem.unfold(1, sizes.patch_kernel, sizes.patch_stride)
        mask = _begins_inside(lengths, patches.shape[1], sizes.stem_stride * sizes.patch_stride)
        return _convolved(self.patch, patches, mask, unpadded=unpadded), mask


class EncoderNetwork(nn.Module):
    """Both branches and the gate between them."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.wide = WideBranch(sizes)
        self.deep = DeepBranch(sizes) if sizes.layers else None
        self.gate = nn.Parameter(torch.zeros(sizes.dimension)) if sizes.layers else None

    @property
    def reads_letters(self) -> bool:
        """Whether the deep branch has any say: a closed gate makes running it a waste."""
        return self.gate is not None and bool(self.gate.any())

    def forward(
        self, letters: Tensor, profiles: Tensor | None = None, *, use_deep: bool | None = None
    ) -> NetworkOutput:
        """Embed sequences.

        Args:
            letters: (n, length) ids of ``abyssal.encoder.letters``, padded with 0 to the right.
            profiles: (n, 4**k) k-mer profiles; counted from the letters when None.
            use_deep: run the deep branch; None runs it unless its gate is closed.
        """
        if profiles is None:
            profiles = profiles_of_letters(letters, self.sizes.kmer_size, self.sizes.kmer_skip)
        deep = tokens = mask = None
        if self.deep is not None and (self.reads_letters if use_deep is None else use_deep):
            deep, tokens, mask = self.deep(letters[:, : self.sizes.max_bases])
        return NetworkOutput(self.joined(profiles, deep), deep, tokens, mask)

    def joined(self, profiles: Tensor, deep: Tensor | None) -> Tensor:
        """Return the (n, dimension) embedding of k-mer profiles and of what the deep branch made of the letters."""
        vectors = self.wide(profiles.to(self.wide.projection.weight.dtype))
        if deep is not None and self.gate is not None:
            vectors = vectors + self.gate * deep
        return functional.normalize(vectors, dim=1)


def profiles_of_letters(letters: Tensor, k: int, skip: int = 0) -> Tensor:
    """Return what ``kmers.kmer_profiles`` returns, from (n, length) letter ids."""
    counts = torch.zeros(letters.shape[0], 4**k, device=letters.device)
    places = torch.from_numpy(window_places(k, skip)).to(letters.device)
    span = int(places[-1]) + 1
    if letters.shape[1] >= span:
        windows = letters.long().unfold(1, span, 1)[:, :, places]
        whole = ((windows >= 1) & (windows <= 4)).all(dim=2)
        powers = 4 ** torch.arange(k - 1, -1, -1, device=letters.device)
        numbers = ((windows - 1) * powers).sum(dim=2).masked_fill(~whole, 0)
        counts.scatter_add_(1, numbers, whole.float())
    return (counts / counts.sum(dim=1, keepdim=True).clamp(min=1)).sqrt()


def _begins_inside(lengths: Tensor, positions: int, step: int) -> Tensor:
    return torch.arange(0, positions * step, step, device=lengths.device) < lengths.unsqueeze(1)


def _convolved(layer: nn.Linear, windows: Tensor, inside: Tensor, *, unpadded: bool) -> Tensor:
    """Return (n, windows, channels) products of (n, windows, channels, kernel) windows; unpadded, zeros beyond."""
    if not unpadded:
        return layer(windows.flatten(2))  # type: ignore[no-any-return]
    return _placed(layer(windows[inside].flatten(1)), inside)


def _placed(values: Tensor, inside: Tensor) -> Tensor:
    """Return (n, positions, channels) with the (inside, channels) values where they belong and zeros elsewhere."""
    placed = values.new_zeros(*inside.shape, values.shape[-1])
    placed[inside] = values
    return placed

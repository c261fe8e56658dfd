"""The Abyssal encoder: a wide k-mer branch, a deep transformer branch, one unit vector.

The wide branch starts as a projection of 6-mer profiles onto their principal directions, which keeps cosines, so that an
untrained model already searches as well as k-mers do; a residual network that starts at zero refines it. The deep branch
(convolutions, rotary transformer layers, attention pooling) is added through a gate that starts at zero: training may use
it, but cannot start worse for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel
from transformers.utils import ModelOutput

from abyssal.encoder.configuration import AbyssalEncoderConfig
from abyssal.encoder.letters import BASE_SHARES, PADDING

ROTARY_BASE = 10000.0


@dataclass
class AbyssalEncoderOutput(ModelOutput):  # type: ignore[misc,unused-ignore]
    """What a forward pass returns.

    Attributes:
        embedding: (n, dimension) unit rows; a row of zeros for a sequence without any evidence.
        tokens: (n, tokens, width) states of the deep branch after its last layer; None when it did not run.
        token_mask: (n, tokens) True where a token lies inside its sequence; None when the deep branch did not run.
    """

    embedding: Tensor | None = None
    tokens: Tensor | None = None
    token_mask: Tensor | None = None


class WideBranch(nn.Module):
    """k-mer profile to vector: a bias-free projection plus a residual network that starts at zero."""

    def __init__(self, config: AbyssalEncoderConfig) -> None:
        super().__init__()
        self.projection = nn.Linear(4**config.kmer_size, config.dimension, bias=False)
        self.norm = nn.LayerNorm(config.dimension)
        self.expand = nn.Linear(config.dimension, config.residual_width)
        self.contract = nn.Linear(config.residual_width, config.dimension, bias=False)

    def forward(self, profiles: Tensor) -> Tensor:
        projected: Tensor = self.projection(profiles)
        refined: Tensor = self.contract(functional.gelu(self.expand(self.norm(projected))))
        # A profile without any window stays at zero instead of becoming what the biases say.
        return projected + refined * (profiles.sum(dim=1, keepdim=True) > 0)


class TransformerLayer(nn.Module):
    """Pre-norm self-attention with rotary positions, then a gated feed-forward network."""

    def __init__(self, config: AbyssalEncoderConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.attention_output = nn.Linear(width, width, bias=False)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward_input = nn.Linear(width, 4 * width, bias=False)
        self.feed_forward_output = nn.Linear(2 * width, width, bias=False)

    def forward(self, states: Tensor, mask: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        rows, tokens, width = states.shape
        mixed = self.query_key_value(self.attention_norm(states))
        query, key, value = mixed.view(rows, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(
            _rotate(query, cosine, sine), _rotate(key, cosine, sine), value, attn_mask=mask[:, None, None, :]
        )
        states = states + self.attention_output(attended.transpose(1, 2).reshape(rows, tokens, width))
        gate, content = self.feed_forward_input(self.feed_forward_norm(states)).chunk(2, dim=-1)
        return states + self.feed_forward_output(functional.gelu(gate) * content)  # type: ignore[no-any-return]


class DeepBranch(nn.Module):
    """Letters to vector: two convolutions cut the read into tokens, transformer layers read them, attention pools."""

    def __init__(self, config: AbyssalEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Linear(4 * config.stem_kernel, config.stem_width)
        self.patch = nn.Linear(config.stem_width * config.patch_kernel, config.width)
        self.layers = nn.ModuleList([TransformerLayer(config) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(config.width)
        self.pooling = nn.Linear(config.width, 1, bias=False)
        self.projection = nn.Linear(config.width, config.dimension, bias=False)

    def forward(self, letters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the (n, dimension) unit rows, the (n, tokens, width) states and the (n, tokens) mask."""
        tokens, mask = self.tokenize(letters)
        cosine, sine = _rotary_table(tokens.shape[1], self.config.width // self.config.heads, tokens)
        # A row without letters may attend to its first token, or its softmax would be 0 / 0; it is zeroed below.
        visible = mask.clone()
        visible[:, 0] = True
        for layer in self.layers:
            tokens = layer(tokens, visible, cosine, sine)
        tokens = self.norm(tokens)
        scores = self.pooling(tokens).squeeze(-1).masked_fill(~visible, float("-inf"))
        pooled = (torch.softmax(scores, dim=1).unsqueeze(-1) * tokens).sum(dim=1)
        vectors = functional.normalize(self.projection(pooled), dim=1) * mask[:, :1]
        return vectors, tokens, mask

    def tokenize(self, letters: Tensor) -> tuple[Tensor, Tensor]:
        """Cut (n, length) letter ids into (n, tokens, width) states and say which tokens begin inside the sequence.

        The convolutions are gathered windows times a matrix: on a CPU several times faster than ``Conv1d`` with four
        input channels. Windows beyond the end see zeros, whatever the padding.
        """
        config = self.config
        shares = torch.tensor(BASE_SHARES, dtype=self.stem.weight.dtype, device=letters.device)[letters.long()]
        lengths = (letters != PADDING).sum(dim=1)
        shares = functional.pad(shares, (0, 0, 0, config.stem_kernel - 1))
        windows = shares.unfold(1, config.stem_kernel, config.stem_stride).flatten(2)
        inside = _begins_inside(lengths, windows.shape[1], config.stem_stride)
        stem = functional.gelu(self.stem(windows)) * inside.unsqueeze(-1)
        stem = functional.pad(stem, (0, 0, 0, config.patch_kernel - 1))
        patches = stem.unfold(1, config.patch_kernel, config.patch_stride).flatten(2)
        mask = _begins_inside(lengths, patches.shape[1], config.stem_stride * config.patch_stride)
        return self.patch(patches), mask


class AbyssalEncoderModel(PreTrainedModel):  # type: ignore[misc,unused-ignore]
    """Sequences to unit vectors; see the module."""

    config_class = AbyssalEncoderConfig
    base_model_prefix = "abyssal_encoder"
    main_input_name = "input_ids"

    def __init__(self, config: AbyssalEncoderConfig) -> None:
        super().__init__(config)
        self.wide = WideBranch(config)
        self.deep = DeepBranch(config) if config.layers else None
        self.gate = nn.Parameter(torch.zeros(config.dimension)) if config.layers else None
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, WideBranch):
            nn.init.orthogonal_(module.projection.weight)
            nn.init.zeros_(module.contract.weight)
        if isinstance(module, AbyssalEncoderModel) and module.gate is not None:
            nn.init.zeros_(module.gate)

    @property
    def reads_letters(self) -> bool:
        """Whether the deep branch has any say: a closed gate makes running it a waste."""
        return self.gate is not None and bool(self.gate.any())

    def forward(
        self, input_ids: Tensor, profiles: Tensor | None = None, *, use_deep: bool | None = None
    ) -> AbyssalEncoderOutput:
        """Embed sequences.

        Args:
            input_ids: (n, length) letter ids of ``abyssal.encoder.letters``, padded with 0 to the right.
            profiles: (n, 4**k) k-mer profiles; counted from the letters when None.
            use_deep: run the deep branch; None runs it unless its gate is closed.
        """
        if profiles is None:
            profiles = profiles_of_letters(input_ids, self.config.kmer_size)
        vectors = self.wide(profiles.to(self.wide.projection.weight.dtype))
        tokens = mask = None
        if self.deep is not None and (self.reads_letters if use_deep is None else use_deep):
            deep, tokens, mask = self.deep(input_ids[:, : self.config.max_bases])
            vectors = vectors + self.gate * deep
        return AbyssalEncoderOutput(functional.normalize(vectors, dim=1), tokens, mask)


def profiles_of_letters(letters: Tensor, k: int) -> Tensor:
    """Return what ``kmers.kmer_profiles`` returns, from (n, length) letter ids."""
    counts = torch.zeros(letters.shape[0], 4**k, device=letters.device)
    if letters.shape[1] >= k:
        windows = letters.long().unfold(1, k, 1)
        whole = ((windows >= 1) & (windows <= 4)).all(dim=2)
        powers = 4 ** torch.arange(k - 1, -1, -1, device=letters.device)
        numbers = ((windows - 1) * powers).sum(dim=2).masked_fill(~whole, 0)
        counts.scatter_add_(1, numbers, whole.float())
    return (counts / counts.sum(dim=1, keepdim=True).clamp(min=1)).sqrt()


def _begins_inside(lengths: Tensor, positions: int, step: int) -> Tensor:
    return torch.arange(0, positions * step, step, device=lengths.device) < lengths.unsqueeze(1)


def _rotary_table(tokens: int, channels: int, like: Tensor) -> tuple[Tensor, Tensor]:
    frequencies = ROTARY_BASE ** (-torch.arange(0, channels, 2, device=like.device, dtype=torch.float32) / channels)
    angles = torch.arange(tokens, device=like.device, dtype=torch.float32).unsqueeze(1) * frequencies
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def _rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair of channels by its position's angle (Su et al. 2021, RoFormer)."""
    first, second = states.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1)


AutoModel.register(AbyssalEncoderConfig, AbyssalEncoderModel)

"""The deep branch without padding: the same vectors, and the kernel that GPUs compute it with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from abyssal.encoder.attention import PaddedAttention, UnpaddedAttention
from abyssal.encoder.engines.half import Unpaddable, half_precision_engines
from abyssal.encoder.engines.programs import HalfPrecisionProgram
from abyssal.encoder.interface import Convertible
from abyssal.encoder.letters import letter_ids
from abyssal.encoder.load import load_encoder
from abyssal.encoder.network import PRESETS, EncoderNetwork

from .conftest import random_dna

LENGTHS = (400, 13, 0, 1, 64, 380, 200, 12, 11)


def letters() -> torch.Tensor:
    rng = np.random.default_rng(4)
    sequences = [random_dna(rng, length) for length in LENGTHS]
    return torch.from_numpy(letter_ids(sequences, rows=len(LENGTHS) + 2, columns=448))


@pytest.mark.parametrize("size", ["small", "base"])
def test_leaving_padding_out_changes_no_vector(size: str) -> None:
    torch.manual_seed(1)
    deep = EncoderNetwork(PRESETS[size]).eval().deep
    assert deep is not None
    with torch.inference_mode():
        padded, states, mask = deep(letters())
        unpadded, own_states, own_mask = deep(letters(), unpadded=True)
    assert torch.equal(mask, own_mask)
    torch.testing.assert_close(unpadded, padded, rtol=0, atol=1e-6)
    torch.testing.assert_close(own_states[mask], states[mask], rtol=0, atol=1e-4)
    assert not unpadded[[2, -2, -1]].any()


def test_no_product_is_computed_for_padding() -> None:
    deep = EncoderNetwork(PRESETS["small"]).eval().deep
    assert deep is not None
    rows: list[int] = []
    for layer in (deep.stem, deep.patch, *(one.query_key_value for one in deep.layers)):
        layer.register_forward_hook(lambda _, given, __: rows.append(given[0].shape[:-1].numel()))
    deep(letters(), unpadded=True)
    tokens = sum(-(-length // 12) for length in LENGTHS)
    empty = LENGTHS.count(0) + 2
    assert rows == [sum(-(-length // 3) for length in LENGTHS), tokens, *[tokens + empty] * len(deep.layers)]


def test_a_row_does_not_depend_on_its_company() -> None:
    torch.manual_seed(2)
    visible = torch.arange(9) < torch.tensor([[9], [1], [5]])
    query, key, value = torch.randn(3, 15, 2, 4)
    together = UnpaddedAttention(visible, 4, torch.float32)(query, key, value)
    alone = UnpaddedAttention(visible[2:], 4, torch.float32)(query[10:], key[10:], value[10:])
    torch.testing.assert_close(together[10:], alone)
    padded = PaddedAttention(visible[2:], 4, torch.float32)
    filled = [torch.nn.functional.pad(part[10:], (0, 0, 0, 0, 0, 4))[None] for part in (query, key, value)]
    torch.testing.assert_close(padded(*filled)[0, :5], alone)


def test_the_gpu_kernel_takes_what_it_is_given() -> None:
    """No GPU computes here: PyTorch checks the call against the kernel's own declaration."""
    attention = UnpaddedAttention(torch.ones(8, 33, dtype=torch.bool), 24, torch.bfloat16)
    with FakeTensorMode():
        attention._starts = torch.empty(9, dtype=torch.int32, device="cuda")
        states = torch.empty(8 * 33, 4, 24, dtype=torch.bfloat16, device="cuda")
        attended = attention._by_kernel(states, states, states)
    assert (attended.shape, attended.dtype, attended.device) == (states.shape, states.dtype, states.device)


def test_an_unpadded_engine_is_offered_on_gpus_only(tiny_encoder: Path) -> None:
    encoder = load_encoder(tiny_encoder, batch_size=8)
    assert isinstance(encoder, Convertible)
    assert list(half_precision_engines(encoder, "cpu")) == ["torch-bf16-cpu"]
    assert list(half_precision_engines(encoder, "cuda:0")) == ["torch-bf16-cuda", "torch-bf16-unpadded-cuda"]


def test_an_unpadded_engine_gives_the_vectors_of_the_padded_one(tiny_encoder: Path) -> None:
    encoder = load_encoder(tiny_encoder, batch_size=8)
    assert isinstance(encoder, Convertible)
    part = encoder.part()
    assert isinstance(part, Unpaddable)
    rng = np.random.default_rng(5)
    reads = [random_dna(rng, int(length)) for length in rng.integers(50, 400, 30)]
    engine = encoder.computed_by(HalfPrecisionProgram(part.unpadded(), "cpu"), "torch-bf16-unpadded-cpu")
    expected, found = encoder.embed(reads), engine.embed(reads)
    assert (expected * found).sum(axis=1).min() > 0.999
    np.testing.assert_allclose(engine.embed(reads[::-1])[::-1], found, rtol=0, atol=2e-3)

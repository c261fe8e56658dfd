"""Embedding in windows and shards: every sequence in exactly one shard, and the same file as in one piece."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abyssal.encoder.configuration import AbyssalEncoderConfig
from abyssal.encoder.interface import Encoder
from abyssal.encoder.load import load_encoder
from abyssal.encoder.modeling import AbyssalEncoderModel
from abyssal.encoder.shards import embed_file, gather_shards, window_sizes
from abyssal.encoder.store import save_encoder
from abyssal.encoder.vectors import embed_fasta, read_vectors, write_vectors
from abyssal.errors import DataError

BATCH = 4
WINDOW = 16


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("encoder")
    save_encoder(AbyssalEncoderModel(AbyssalEncoderConfig()), folder)
    return load_encoder(folder, batch_size=BATCH)


def write_fasta(path: Path, count: int) -> Path:
    random = np.random.default_rng(3)
    lengths = random.integers(20, 400, size=count)
    rows = (f">s{i}\n{''.join(random.choice(list('ACGT'), size=n))}\n" for i, n in enumerate(lengths))
    path.write_text("".join(rows))
    return path


def in_shards(encoder: Encoder, fasta: Path, folder: Path, shards: int) -> list[Path]:
    parts = [folder / f"{shard}-of-{shards}.safetensors" for shard in range(1, shards + 1)]
    for shard, part in enumerate(parts, start=1):
        embed_file(encoder, fasta, part, shard=shard, shards=shards, window=WINDOW)
    return parts


@pytest.mark.parametrize("count", [0, 1, 37, 70])
@pytest.mark.parametrize("shards", [1, 2, 8])
def test_any_number_of_shards_gives_the_same_bytes(encoder: Encoder, tmp_path: Path, count: int, shards: int) -> None:
    fasta = write_fasta(tmp_path / "a.fasta", count)
    write_vectors(tmp_path / "whole.safetensors", embed_fasta(encoder, fasta))
    parts = in_shards(encoder, fasta, tmp_path, shards)
    gather_shards(fasta, parts, tmp_path / "gathered.safetensors", window=WINDOW)
    assert (tmp_path / "gathered.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


@given(st.integers(0, 300), st.integers(1, 9), st.integers(1, 40))
def test_windows_cover_everything_once(count: int, shards: int, window: int) -> None:
    sizes = window_sizes(count, shards, window=window)
    assert sum(sizes) == count
    assert all(0 < size <= window for size in sizes)
    assert len(set(sizes[:-1])) <= 1
    assert len(sizes) <= max(shards, -(-count // window))


def test_a_shard_of_something_else_is_named(encoder: Encoder, tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "a.fasta", 20)
    parts = in_shards(encoder, fasta, tmp_path, 2)
    target = tmp_path / "gathered.safetensors"
    with pytest.raises(DataError, match=r"1-of-2\.safetensors: made from another file"):
        gather_shards(write_fasta(tmp_path / "b.fasta", 21), parts, target, window=WINDOW)
    with pytest.raises(DataError, match="embed this shard again"):
        gather_shards(fasta, parts[:1], target, window=WINDOW)
    embed_file(load_encoder("kmers"), fasta, parts[1], shard=2, shards=2, window=WINDOW)
    with pytest.raises(DataError, match="machines of one kind"):
        gather_shards(fasta, parts, target, window=WINDOW)
    assert not target.exists()


def test_memory_does_not_grow_with_the_number_of_sequences(tmp_path: Path) -> None:
    encoder = load_encoder("kmers")
    peaks = []
    for count in (100, 1600):
        fasta = write_fasta(tmp_path / f"{count}.fasta", count)
        embed_file(encoder, fasta, tmp_path / "warm.safetensors", window=WINDOW)
        tracemalloc.start()
        embed_file(encoder, fasta, tmp_path / f"{count}.safetensors", window=WINDOW)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert read_vectors(tmp_path / f"{count}.safetensors", fasta=fasta).values.shape == (count, encoder.dimension)
    # 1,500 more vectors of 4,096 numbers are 25 MB.
    assert peaks[1] < peaks[0] + 1_000_000

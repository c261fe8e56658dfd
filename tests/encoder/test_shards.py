"""Embedding in shards: every sequence in exactly one shard, and the same file as in one piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abyssal.encoder.configuration import AbyssalEncoderConfig
from abyssal.encoder.interface import Encoder
from abyssal.encoder.load import load_encoder
from abyssal.encoder.modeling import AbyssalEncoderModel
from abyssal.encoder.shards import embed_shard, gather_shards, shard_places
from abyssal.encoder.store import save_encoder
from abyssal.encoder.vectors import embed_fasta, write_vectors
from abyssal.errors import DataError

BATCH = 4


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
    parts = []
    for shard in range(1, shards + 1):
        part = folder / f"{shard}-of-{shards}.safetensors"
        write_vectors(part, embed_shard(encoder, fasta, batch_size=BATCH, shard=shard, shards=shards))
        parts.append(part)
    return parts


@pytest.mark.parametrize("count", [0, 1, 37])
@pytest.mark.parametrize("shards", [1, 2, 8])
def test_any_number_of_shards_gives_the_same_bytes(encoder: Encoder, tmp_path: Path, count: int, shards: int) -> None:
    fasta = write_fasta(tmp_path / "a.fasta", count)
    write_vectors(tmp_path / "whole.safetensors", embed_fasta(encoder, fasta))
    gathered = gather_shards(fasta, in_shards(encoder, fasta, tmp_path, shards), batch_size=BATCH)
    write_vectors(tmp_path / "gathered.safetensors", gathered)
    assert (tmp_path / "gathered.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 9), st.integers(1, 9))
def test_every_sequence_is_in_exactly_one_shard(lengths: list[int], batch_size: int, shards: int) -> None:
    places = [shard_places(lengths, batch_size, shard, shards) for shard in range(1, shards + 1)]
    assert sorted(np.concatenate(places).tolist()) == list(range(len(lengths)))


def test_a_shard_of_something_else_is_named(encoder: Encoder, tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "a.fasta", 20)
    parts = in_shards(encoder, fasta, tmp_path, 2)
    with pytest.raises(DataError, match=r"1-of-2\.safetensors: made from another file"):
        gather_shards(write_fasta(tmp_path / "b.fasta", 21), parts, batch_size=BATCH)
    with pytest.raises(DataError, match="embed this shard again"):
        gather_shards(fasta, parts[:1], batch_size=BATCH)
    write_vectors(parts[1], embed_shard(load_encoder("kmers"), fasta, batch_size=BATCH, shard=2, shards=2))
    with pytest.raises(DataError, match="machines of one kind"):
        gather_shards(fasta, parts, batch_size=BATCH)

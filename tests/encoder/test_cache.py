"""Vectors computed before: the same bits, only once, and never a result that depends on the cache."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from abyssal.encoder.cache import DEFAULT_FOLDER, CachedEncoder, cache_folder
from abyssal.encoder.interface import Encoder
from abyssal.encoder.load import load_encoder

from .conftest import random_dna

_RANDOM = np.random.default_rng(5)
READS = [random_dna(_RANDOM, length) for length in (50, 60, 60, 130, 200, 333)]


class Counting:
    """An encoder that remembers what it was asked."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.asked: list[str] = []
        self.dimension, self.digest, self.engine = encoder.dimension, encoder.digest, encoder.engine

    def embed(self, sequences: Sequence[str]) -> np.ndarray:
        self.asked.extend(sequences)
        return self._encoder.embed(sequences)


@pytest.fixture
def counting(tiny_encoder: Path) -> Counting:
    return Counting(load_encoder(tiny_encoder, batch_size=4))


def cached(encoder: Encoder, folder: Path, code: str = "1") -> CachedEncoder:
    return CachedEncoder(encoder, folder, code=code, batch_size=4)


def test_only_new_sequences_are_computed_and_the_bits_are_the_same(counting: Counting, tmp_path: Path) -> None:
    plain = load_encoder("kmers").embed([]).dtype, counting.embed(READS)
    counting.asked.clear()
    first = cached(counting, tmp_path).embed([*READS[:4], READS[0].lower()])
    assert counting.asked == READS[:4]
    second = cached(counting, tmp_path).embed([*reversed(READS), READS[0]])
    assert sorted(counting.asked) == sorted(READS)
    assert first.dtype == second.dtype == plain[0]
    assert first.tobytes() == plain[1][[0, 1, 2, 3, 0]].tobytes()
    assert second.tobytes() == plain[1][[5, 4, 3, 2, 1, 0, 0]].tobytes()


def test_another_encoder_or_other_code_has_its_own_vectors(counting: Counting, tmp_path: Path) -> None:
    cached(counting, tmp_path).embed(READS)
    cached(counting, tmp_path, code="2").embed(READS)
    assert len(counting.asked) == 2 * len(READS)
    kmers = cached(load_encoder("kmers"), tmp_path).embed(READS)
    assert kmers.shape == (len(READS), 4096)
    assert len(list(tmp_path.glob("*.sqlite"))) == 3


def test_a_damaged_row_is_computed_again(counting: Counting, tmp_path: Path) -> None:
    before = cached(counting, tmp_path).embed(READS)
    (file,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(file) as table:
        ((key, stored),) = table.execute("SELECT key, vector FROM vectors LIMIT 1").fetchall()
        table.execute("UPDATE vectors SET vector = ? WHERE key = ?", (b"\x00" + stored[1:-1] + b"\x07", key))
    table.close()
    counting.asked.clear()
    assert cached(counting, tmp_path).embed(READS).tobytes() == before.tobytes()
    assert len(counting.asked) == 1
    cached(counting, tmp_path).embed(READS)
    assert len(counting.asked) == 1


@pytest.mark.parametrize("harm", ["garbage", "folder", "cut"])
def test_a_cache_that_cannot_be_used_costs_time_only(
    counting: Counting, tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    before = cached(counting, tmp_path / "cache").embed(READS)
    (file,) = (tmp_path / "cache").glob("*.sqlite")
    if harm == "garbage":
        file.write_bytes(b"not a database" * 1000)
    elif harm == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.unlink()
        file.mkdir()
    again = cached(counting, tmp_path / "cache")
    assert again.embed(READS).tobytes() == before.tobytes()
    assert again.embed(READS[:2]).tobytes() == before[:2].tobytes()
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert str(file) in caplog.text


def embed_some(directory: Path, folder: Path, number: int) -> bytes:
    """Embed a window of overlapping sequences through the cache: one of several writers."""
    reads = [random_dna(np.random.default_rng(seed), 80) for seed in range(10 * number, 10 * number + 30)]
    encoder = cached(load_encoder(directory, batch_size=4), folder)
    return b"".join(encoder.embed(reads[start : start + 5]).tobytes() for start in range(0, 30, 5))


def test_several_writers_at_a_time(tiny_encoder: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(embed_some, [(tiny_encoder, tmp_path / "cache", number) for number in range(3)])
    assert found == [embed_some(tiny_encoder, tmp_path / "none", number) for number in range(3)]
    (file,) = (tmp_path / "cache").glob("*.sqlite")
    with sqlite3.connect(file) as table:
        assert table.execute("SELECT count(*) FROM vectors").fetchone() == (50,)
    table.close()


def test_the_environment_names_the_folder() -> None:
    assert cache_folder({}) == Path(DEFAULT_FOLDER)
    assert cache_folder({"ABYSSAL_VECTOR_CACHE": "/shared/vectors"}) == Path("/shared/vectors")
    assert cache_folder({"ABYSSAL_VECTOR_CACHE": "off"}) is None

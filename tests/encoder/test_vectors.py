"""Vectors on disk."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from abyssal.encoder.load import load_encoder
from abyssal.encoder.vectors import embed_fasta, read_vectors, write_vectors
from abyssal.errors import DataError
from abyssal.sequences.records import write_fasta


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    target = tmp_path / "asvs.fasta"
    write_fasta(target, [("a", "ACGTTGCA" * 12), ("b", "GGATCCAT" * 9)])
    return target


def test_what_is_written_is_read(fasta: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    encoder = load_encoder(tiny_encoder, batch_size=2)
    vectors = embed_fasta(encoder, fasta)
    write_vectors(tmp_path / "v.safetensors", vectors)
    again = read_vectors(tmp_path / "v.safetensors", fasta=fasta, encoder_digest=encoder.digest)
    assert np.array_equal(again.values, vectors.values)
    assert (again.encoder_digest, again.engine) == (encoder.digest, "torch-fp32")
    assert np.array_equal(again.values, np.round(again.values, 6).astype(np.float32))


def test_the_same_vectors_give_the_same_bytes(fasta: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_vectors(tmp_path / name, embed_fasta(load_encoder(tiny_encoder), fasta))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_empty_fasta_gives_no_rows(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.fasta").write_text("")
    write_vectors(tmp_path / "v", embed_fasta(load_encoder(tiny_encoder), tmp_path / "empty.fasta"))
    assert read_vectors(tmp_path / "v", fasta=tmp_path / "empty.fasta").values.shape == (0, 16)


def test_vectors_of_another_fasta_or_encoder_are_refused(fasta: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    target = tmp_path / "v.safetensors"
    write_vectors(target, embed_fasta(load_encoder(tiny_encoder), fasta))
    with pytest.raises(DataError, match=r"made by encoder .*, expected 000000000000"):
        read_vectors(target, encoder_digest="0" * 64)
    write_fasta(fasta, [("a", "ACGT" * 20)])
    with pytest.raises(DataError, match=re.escape(f"made from another file than {fasta}")):
        read_vectors(target, fasta=fasta)


def test_other_files_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected abyssal-vectors version 1"):
        read_vectors(tiny_encoder / "model.safetensors")
    with pytest.raises(DataError, match="not a readable file of vectors"):
        read_vectors(tmp_path / "missing.safetensors")
    (tmp_path / "text").write_text("no tensors here")
    with pytest.raises(DataError, match="not a readable file of vectors"):
        read_vectors(tmp_path / "text")

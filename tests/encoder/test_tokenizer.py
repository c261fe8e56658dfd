"""``AutoModel`` and ``AutoTokenizer`` on an encoder's directory give the vectors that Abyssal gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import abyssal.encoder.modeling  # noqa: F401  - registers the model
from abyssal.encoder.identity import encoder_digest, encoder_files
from abyssal.encoder.letters import LETTER_IDS
from abyssal.encoder.load import load_encoder
from abyssal.encoder.tokenizer import write_tokenizer

from .conftest import random_dna

_RANDOM = np.random.default_rng(12)
READS = [
    *(random_dna(_RANDOM, length) for length in (50, 64, 120, 333)), "ACGU" * 20, "acgt" * 15, "ACGTNRYSWKMBDHV" * 5,
]  # fmt: skip


@pytest.fixture(params=["shipped small", "shipped base", "open gate"])
def directory(request: pytest.FixtureRequest, repository: Path, tiny_encoder: Path, tmp_path: Path) -> Path:
    kind, _, size = request.param.partition(" ")
    if kind == "shipped":
        return repository / f"resources/encoders/abyssal-{size}"
    copy = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, copy)
    write_tokenizer(copy, max_bases=2000)
    return copy


def test_a_directory_loads_with_transformers_alone(directory: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory)
    tokens = tokenizer(READS, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        found = model(**tokens).pooler_output.numpy()
    np.testing.assert_allclose(found, load_encoder(directory, batch_size=4).embed(READS), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", ["small", "base"])
def test_the_shipped_files_are_those_that_are_written(size: str, repository: Path, tmp_path: Path) -> None:
    shipped = repository / f"resources/encoders/abyssal-{size}"
    write_tokenizer(tmp_path, max_bases=json.loads((shipped / "config.json").read_text())["max_bases"])
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (shipped / file.name).read_bytes()


def test_other_signs_are_read_as_n(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    write_tokenizer(tmp_path, max_bases=2000)
    tokens = AutoTokenizer.from_pretrained(tmp_path)("AX-t")["input_ids"]
    assert tokens == [LETTER_IDS["A"], LETTER_IDS["N"], LETTER_IDS["N"], LETTER_IDS["T"]]


def test_they_are_no_part_of_the_identity_or_of_a_bundle(tiny_encoder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, copy)
    write_tokenizer(copy, max_bases=2000)
    assert encoder_digest(copy) == encoder_digest(tiny_encoder)
    assert [file.name for file in encoder_files(copy)] == ["config.json", "model.safetensors"]

"""What every encoder promises, whatever it is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from abyssal.encoder.engines.choose import ready
from abyssal.encoder.engines.names import CONVERTED
from abyssal.encoder.interface import Encoder
from abyssal.encoder.load import load_encoder

from .conftest import random_dna, with_choice

KINDS = [
    "abyssal", "shipped small", "shipped base", "kmers", "bert", "esm",
    "abyssal onnx-fp32", "abyssal onnx-int8", "abyssal openvino-fp32", "abyssal openvino-int8",
    pytest.param("bert onnx-int8", marks=pytest.mark.slow), pytest.param("esm openvino-int8", marks=pytest.mark.slow),
]  # fmt: skip
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=KINDS)
def encoder(request: pytest.FixtureRequest, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    fixtures = {"abyssal": "tiny_encoder", "bert": "bert_directory", "esm": "esm_directory"}
    converted = {"abyssal": "prepared", "bert": "prepared_bert", "esm": "prepared_esm"}
    kind, _, engine = request.param.partition(" ")
    if kind == "kmers":
        return load_encoder("kmers")
    if kind == "shipped":
        return load_encoder(repository / f"resources/encoders/abyssal-{engine}", batch_size=8)
    plain = load_encoder(request.getfixturevalue(fixtures[kind]), batch_size=8)
    if not engine:
        return plain
    folder = tmp_path_factory.mktemp("chosen")
    with_choice(request.getfixturevalue(converted[kind]), folder, engine)
    found = ready(plain, folder)
    assert found is not None
    assert found.engine == engine
    return found


@pytest.fixture(scope="module")
def reads() -> list[str]:
    rng = np.random.default_rng(11)
    lengths = [50, 63, 64, 65, 128, 200, 380, 381, 381, 700, *rng.integers(50, 400, 20)]
    return [random_dna(rng, int(length)) for length in lengths]


def test_no_sequences_give_no_rows(encoder: Encoder) -> None:
    vectors = encoder.embed([])
    assert vectors.shape == (0, encoder.dimension)
    assert vectors.dtype == np.float32


def test_rows_are_unit_float32_vectors(encoder: Encoder, reads: list[str]) -> None:
    vectors = encoder.embed(reads)
    assert vectors.shape == (len(reads), encoder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def test_a_sequence_alone_is_the_sequence_in_company(encoder: Encoder, reads: list[str]) -> None:
    together = encoder.embed(reads)
    alone = np.concatenate([encoder.embed([read]) for read in reads])
    np.testing.assert_allclose(alone, together, rtol=0, atol=TOLERANCE)


def test_order_does_not_matter(encoder: Encoder, reads: list[str]) -> None:
    order = np.random.default_rng(1).permutation(len(reads))
    shuffled = encoder.embed([reads[index] for index in order])
    np.testing.assert_allclose(shuffled, encoder.embed(reads)[order], rtol=0, atol=TOLERANCE)


def test_the_same_call_gives_the_same_bits(encoder: Encoder, reads: list[str]) -> None:
    assert encoder.embed(reads).tobytes() == encoder.embed(reads).tobytes()


def test_the_number_of_threads_does_not_matter(encoder: Encoder, reads: list[str]) -> None:
    threads = torch.get_num_threads()
    rows = {}
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            rows[count] = encoder.embed(reads)
    finally:
        torch.set_num_threads(threads)
    assert rows[1].tobytes() == rows[2].tobytes() == rows[3].tobytes()


def test_case_and_uracil_do_not_matter(encoder: Encoder, reads: list[str]) -> None:
    rna = [read.replace("T", "U").lower() for read in reads]
    assert np.array_equal(encoder.embed(rna), encoder.embed(reads))


def test_ambiguous_letters_are_taken_in(encoder: Encoder) -> None:
    read = random_dna(np.random.default_rng(2), 150)
    vectors = encoder.embed([read[:70] + "NRYSWKMBDHV" + read[81:], read, "N" * 80])
    assert np.isfinite(vectors).all()
    assert vectors[0] @ vectors[1] > 0.5


def test_different_sequences_give_different_vectors(encoder: Encoder, reads: list[str]) -> None:
    vectors = encoder.embed(reads[-20:])
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, 0)
    assert cosines.max() < 1 - 1e-4


def test_the_digest_is_a_sha256_and_the_engine_has_a_name(encoder: Encoder) -> None:
    assert len(bytes.fromhex(encoder.digest)) == 32
    assert encoder.engine in {"torch-fp32", "numba-fp32", *CONVERTED}

"""The network and its transformers dress."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from abyssal.encoder.engine import BatchWorkers, TorchEncoder
from abyssal.encoder.kmers import kmer_profiles
from abyssal.encoder.letters import letter_ids
from abyssal.encoder.network import EncoderNetwork, profiles_of_letters
from abyssal.encoder.store import load_network
from abyssal.errors import DataError

from .conftest import TINY, random_dna


@pytest.fixture
def reads() -> list[str]:
    rng = np.random.default_rng(0)
    return [random_dna(rng, length) for length in (60, 90, 100)] + ["ACGTNNRYACGTACGTTTGCA"]


def test_auto_model_loads_it_and_computes_the_same(tiny_encoder: Path, reads: list[str]) -> None:
    from transformers import AutoModel

    import abyssal.encoder.modeling  # noqa: F401 - registers the architecture

    model = AutoModel.from_pretrained(tiny_encoder)
    assert model.dtype == torch.float32
    letters = torch.from_numpy(letter_ids(reads, rows=4, columns=128))
    with torch.inference_mode():
        embedding = model(letters).pooler_output.numpy()
    ours = TorchEncoder(load_network(tiny_encoder), digest="").embed(reads)
    np.testing.assert_allclose(embedding, ours, atol=2e-6)


def test_saving_and_loading_keeps_every_bit(tiny_encoder: Path, tmp_path: Path) -> None:
    from abyssal.encoder.modeling import AbyssalEncoderModel
    from abyssal.encoder.store import save_encoder

    model = AbyssalEncoderModel.from_pretrained(tiny_encoder, dtype=torch.float32)
    save_encoder(model, tmp_path / "again")
    first, second = load_network(tiny_encoder).state_dict(), load_network(tmp_path / "again").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tiny_encoder / name).read_bytes()


def test_letters_and_strings_are_counted_alike(reads: list[str]) -> None:
    letters = torch.from_numpy(letter_ids(reads, rows=4, columns=128))
    np.testing.assert_allclose(profiles_of_letters(letters, 3).numpy(), kmer_profiles(reads, k=3), atol=1e-6)


def test_a_new_network_is_the_projection_alone(tiny_network: EncoderNetwork, reads: list[str]) -> None:
    letters = torch.from_numpy(letter_ids(reads, rows=4, columns=128))
    profiles = torch.from_numpy(kmer_profiles(reads, k=TINY.kmer_size))
    with torch.inference_mode():
        vectors = tiny_network(letters, profiles, use_deep=True).embedding
        expected = torch.nn.functional.normalize(tiny_network.wide.projection(profiles), dim=1)
    torch.testing.assert_close(vectors, expected)
    assert not tiny_network.reads_letters


def test_an_open_gate_lets_the_deep_branch_speak(tiny_encoder: Path, reads: list[str]) -> None:
    network = load_network(tiny_encoder)
    with_deep = TorchEncoder(network, digest="").embed(reads)
    without = TorchEncoder(network, digest="", use_deep=False).embed(reads)
    assert np.abs(with_deep - without).max() > 0.01


def test_padding_changes_nothing(tiny_encoder: Path, reads: list[str]) -> None:
    network = load_network(tiny_encoder)
    with torch.inference_mode():
        short, long = (
            network(torch.from_numpy(letter_ids(reads, rows=4, columns=columns)), use_deep=True)
            for columns in (100, 448)
        )
    torch.testing.assert_close(short.embedding, long.embedding, rtol=0, atol=1e-6)
    tokens = short.tokens.shape[1]
    assert not long.token_mask[:, tokens:].any()
    torch.testing.assert_close(
        short.tokens[short.token_mask], long.tokens[:, :tokens][short.token_mask], rtol=0, atol=1e-5
    )


def test_a_sequence_without_a_whole_kmer_has_no_wide_vector(tiny_network: EncoderNetwork) -> None:
    vectors = TorchEncoder(tiny_network, digest="").embed(["AC", "NNNNNNNN", "ACG"])
    assert np.linalg.norm(vectors, axis=1).round(4).tolist() == [0, 0, 1]


def test_sequences_beyond_the_deep_branchs_reach_are_embedded(tiny_encoder: Path) -> None:
    read = random_dna(np.random.default_rng(8), 4000)
    encoder = TorchEncoder(load_network(tiny_encoder), digest="", batch_size=2)
    assert np.linalg.norm(encoder.embed([read])) == pytest.approx(1, abs=1e-4)


def test_wrong_weights_are_an_error_that_names_the_file(tiny_encoder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    config = (tiny_encoder / "config.json").read_text()
    (broken / "config.json").write_text(config.replace('"dimension": 16', '"dimension": 24'))
    (broken / "model.safetensors").write_bytes((tiny_encoder / "model.safetensors").read_bytes())
    with pytest.raises(DataError, match=r"broken/model\.safetensors"):
        load_network(broken)
    (broken / "model.safetensors").write_bytes((tiny_encoder / "model.safetensors").read_bytes()[:-7])
    with pytest.raises(DataError, match="damaged"):
        load_network(broken)


def test_a_batch_has_one_thread_and_threads_that_begin_later_as_many_as_before() -> None:
    threads = torch.get_num_threads()
    workers, found = BatchWorkers("cpu"), []

    def look(_columns: int, indices: list[int]) -> np.ndarray:
        found.append(torch.get_num_threads())
        return np.zeros((len(indices), 1), dtype=np.float32)

    try:
        torch.set_num_threads(3)
        list(workers.vectors(look, [(64, [0]), (64, [1])]))
        later = threading.Thread(target=look, args=(64, [0]))
        later.start()
        later.join()
    finally:
        torch.set_num_threads(threads)
    assert found == [1, 1, 3]

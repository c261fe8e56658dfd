"""The network and its transformers dress."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize(("k", "skip"), [(3, 0), (3, 2), (4, 3)])
def test_letters_and_strings_are_counted_alike(reads: list[str], k: int, skip: int) -> None:
    letters = torch.from_numpy(letter_ids(reads, rows=4, columns=128))
    found = profiles_of_letters(letters, k, skip).numpy()
    np.testing.assert_allclose(found, kmer_profiles(reads, k=k, skip=skip), atol=1e-6)


@given(sequence=st.text("ACGTN", max_size=40), k=st.integers(1, 4), skip=st.sampled_from([0, 2, 3, 4]))
@settings(deadline=None)
def test_a_profile_counts_the_letters_that_its_windows_keep(sequence: str, k: int, skip: int) -> None:
    window = []
    while window.count(True) < k:
        window.append(not skip or (len(window) + 1) % skip != 0)
    counts: Counter[str] = Counter()
    for start in range(len(sequence) - len(window) + 1):
        kept = "".join(letter for letter, keep in zip(sequence[start:], window, strict=False) if keep)
        counts[kept] += "N" not in kept
    total = sum(counts.values())
    expected = [(counts["".join(word)] / max(1, total)) ** 0.5 for word in product("ACGT", repeat=k)]
    np.testing.assert_allclose(kmer_profiles([sequence], k=k, skip=skip)[0], expected, atol=1e-6)


def test_without_a_residual_network_there_is_the_projection_alone(reads: list[str]) -> None:
    sizes = replace(TINY, kmer_skip=3, residual_width=0, layers=0)
    network = EncoderNetwork(sizes)
    assert [name for name, _ in network.named_parameters()] == ["wide.projection.weight"]
    vectors = TorchEncoder(network, digest="").embed([*reads, "N" * 30])
    expected = kmer_profiles(reads, k=3, skip=3) @ network.wide.projection.weight.detach().numpy().T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors[:-1], expected, atol=2e-6)
    assert not vectors[-1].any()


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

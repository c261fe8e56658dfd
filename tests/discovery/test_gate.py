"""The gate needs no labels, and off-target amplicons never reach it."""

from __future__ import annotations

import numpy as np

from abyssal.discovery.gate import best_similarity, decide
from abyssal.encoder.kmers import kmer_profiles


def sequence(seed: int, length: int = 300) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), size=length))


def with_errors(original: str, every: int) -> str:
    swap = str.maketrans("ACGT", "CATG")
    return "".join(base.translate(swap) if place % every == 0 else base for place, base in enumerate(original))


REFERENCES = [sequence(seed) for seed in range(40)]


def test_best_similarity_is_the_largest_dot_product_of_profiles() -> None:
    queries = [with_errors(REFERENCES[0], 50), sequence(99)]
    expected = (kmer_profiles(queries) @ kmer_profiles(REFERENCES).T).max(axis=1)
    np.testing.assert_allclose(best_similarity(queries, REFERENCES), expected, atol=1e-6)
    assert best_similarity(queries, []).tolist() == [0.0, 0.0]


def test_amplicons_are_explained_beyond_the_gate_or_off_target() -> None:
    known, divergent, foreign = with_errors(REFERENCES[3], 150), with_errors(REFERENCES[5], 14), sequence(1234)
    decision = decide([known, divergent, foreign], REFERENCES, distance=0.2, seed=1)
    assert decision.beyond.tolist() == [False, True, False]
    assert decision.off_target.tolist() == [False, False, True]


def test_a_dissimilar_amplicon_of_a_strange_length_is_off_target() -> None:
    divergent = with_errors(REFERENCES[5], 8)
    assert decide([divergent], REFERENCES, distance=0.2, seed=1, length_window=(250, 350)).beyond.tolist() == [True]
    assert decide([divergent], REFERENCES, distance=0.2, seed=1, length_window=(350, 400)).beyond.tolist() == [False]


def test_a_known_amplicon_of_a_strange_length_is_not_off_target() -> None:
    decision = decide([REFERENCES[2]], REFERENCES, distance=0.2, seed=1, length_window=(350, 400))
    assert decision.off_target.tolist() == [False]


def test_no_amplicons() -> None:
    decision = decide([], REFERENCES, distance=0.2, seed=1)
    assert decision.similarity.shape == decision.beyond.shape == decision.off_target.shape == (0,)

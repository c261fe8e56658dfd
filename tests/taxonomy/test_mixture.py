"""The mix of novelty of a study: found from many reads, written out, and no answer depends on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evolved_taxa import mutate

from abyssal.config.models import NoveltyConfig
from abyssal.files import read_json
from abyssal.sequences.records import write_fasta
from abyssal.taxonomy.mixture import KINDS, estimate_mixture, kinds_of
from abyssal.taxonomy.stage import estimate_novelty

from .conftest import Trained

STATED = NoveltyConfig()
PRIOR = np.array([0.10, 0.15, 0.25, 0.50])


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(0.05, 1.0)] * 4), st.integers(0, 1000))
def test_the_mix_is_found_from_probabilities_that_hold_for_another(parts: tuple[float, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.array(parts) / sum(parts)
    kind = rng.choice(4, size=6000, p=truth)
    seen = np.eye(4)[kind] * 2.0 + rng.normal(size=(6000, 4))
    likelihood = np.exp(seen * 2.0)
    posterior = likelihood * PRIOR / (likelihood * PRIOR).sum(axis=1, keepdims=True)
    found = estimate_mixture(posterior, STATED, np.random.default_rng(1))
    assert found.shares is not None
    assert found.shares.sum() == pytest.approx(1.0)
    assert np.abs(found.shares - truth).max() < 0.04
    assert found.low is not None
    assert found.high is not None
    assert (found.low <= found.shares + 1e-9).all()
    assert (found.shares <= found.high + 1e-9).all()


def test_few_reads_say_nothing() -> None:
    found = estimate_mixture(np.tile(PRIOR, (5, 1)), STATED, np.random.default_rng(1))
    assert found.as_json(STATED)["estimated"] is None


def test_kinds_are_the_steps_of_absence() -> None:
    assert kinds_of(np.array([[0.1, 0.2, 0.5, 0.9]])) == pytest.approx(np.array([[0.2, 0.3, 0.4, 0.1]]))
    assert kinds_of(np.array([[0.3, 0.4]])) == pytest.approx(np.array([[0.0, 0.3, 0.1, 0.6]]))


def test_a_study_of_new_genera_is_told_from_one_of_known_species(trained: Trained, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    known = [mutate(sequence, 0.002, rng) for sequence in trained.reference.sequences]
    new = [mutate(sequence, 0.01, rng) for sequence in trained.new_genus for _ in range(6)]
    shares = {}
    for name, reads in {"known": known, "new": [*new, *known[: len(new) // 4]]}.items():
        write_fasta(tmp_path / f"{name}.fasta", [(f"r{row}", read) for row, read in enumerate(reads)])
        estimate_novelty(trained.classifier, tmp_path / f"{name}.fasta", tmp_path / f"{name}.json")
        written = read_json(tmp_path / f"{name}.json")
        assert written["stated"] == STATED.model_dump()
        assert set(written["estimated"]) == set(KINDS) == set(written["interval"])
        shares[name] = written["estimated"]
    assert shares["known"]["known"] > 0.8
    assert shares["new"]["known"] < 0.5
    again = tmp_path / "again.json"
    estimate_novelty(trained.classifier, tmp_path / "new.fasta", again)
    assert again.read_bytes() == (tmp_path / "new.json").read_bytes()

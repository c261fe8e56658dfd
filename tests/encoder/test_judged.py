"""The judged benchmark on small references: what equals its peer is shown as equal, what is worse as worse."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from benchmarks.encoder.judged_figures import group_rows, name_rows, novelty_rows, robust_rows
from benchmarks.encoder.judged_sets import PEERS, peer_cells, with_changed_queries

from abyssal.encoder.baseline import KmerEncoder
from abyssal.encoder.training.corpus import Exclusions, MarkerCorpus, build_corpus
from abyssal.encoder.training.measurement import grade

from .conftest import make_reference

SIXMERS = KmerEncoder().embed


def blind(sequences: tuple[str, ...] | list[str]) -> np.ndarray:
    """Return vectors that say nothing of their sequences."""
    vectors = np.random.default_rng(len(sequences)).normal(size=(len(sequences), 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def corpora() -> tuple[MarkerCorpus, ...]:
    references = {name: make_reference(seed, families=5, genera=8, species=5) for name, seed in (("a", 1), ("b", 2))}
    return build_corpus(references, Exclusions(frozenset(), frozenset()))


def test_an_encoder_equals_itself_and_beats_a_blind_one(corpora: tuple[MarkerCorpus, ...]) -> None:
    cells = {name: grade(embed, corpora, part="report") for name, embed in
             (("ours", SIXMERS), ("same", SIXMERS), ("blind", blind))}  # fmt: skip
    rows = name_rows(cells, "ours")
    assert rows[-1]["marker"] == "all"
    for row in rows:
        assert row["minus"]["same"]["low"] == row["minus"]["same"]["high"] == 0
    assert rows[-1]["minus"]["blind"]["low"] > 0.3
    assert rows[-1]["shares"]["ours"] == rows[-1]["shares"]["same"] > 0.7
    novelty = novelty_rows(cells, "ours", "blind")
    assert {row["novel"] for row in novelty} == {"new species", "new genus"}
    assert all(row["auroc"]["ours"] > 0.7 and row["minus"][1] <= row["minus"][0] <= row["minus"][2] for row in novelty)


def test_peers_answer_the_same_queries(corpora: tuple[MarkerCorpus, ...]) -> None:
    if shutil.which("vsearch") is None:
        pytest.skip("vsearch is not installed")
    ours, peers = grade(SIXMERS, corpora, part="report"), peer_cells(corpora)
    assert set(peers) == set(PEERS)
    for cells in peers.values():
        assert [(c.marker, c.group, c.rank, len(c.right)) for c in cells] == [
            (c.marker, c.group, c.rank, len(c.right)) for c in ours
        ]
    assert np.concatenate([cell.right for cell in peers["top-hit"]]).mean() > 0.7


def test_groups_are_those_of_the_species_where_vectors_know_them(corpora: tuple[MarkerCorpus, ...]) -> None:
    rows = group_rows(corpora, {"ours": SIXMERS, "blind": blind}, "ours")
    assert [row["marker"] for row in rows] == ["a", "b"]
    for row in rows:
        assert row["ari"]["ours"] > 0.8
        assert row["minus"][0] == pytest.approx(row["ari"]["ours"] - row["ari"]["blind"])
        assert row["minus"][1] > 0.2


def test_errors_move_reads_a_little_and_cuts_move_them_more(corpora: tuple[MarkerCorpus, ...]) -> None:
    changed = {name: with_changed_queries(corpora, name) for name in ("errors 1 %", "half length")}
    rows = robust_rows(corpora, changed, {"ours": SIXMERS})
    similar = {row["variant"]: row["similar"] for row in rows if row["marker"] == "a"}
    assert 0.9 < similar["errors 1 %"] < 1
    assert 0.6 < similar["half length"] < 0.8
    assert [row["variant"] for row in rows if row["marker"] == "all"] == ["errors 1 %", "half length"]

"""The weights that ship: what lies beside them belongs to them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from abyssal.encoder.identity import encoder_digest
from abyssal.encoder.load import load_encoder

from .conftest import mutate, random_dna

MOST_BYTES = {"abyssal-small": 5_000_000, "abyssal-base": 25_000_000}


@pytest.fixture(scope="module", params=MOST_BYTES)
def shipped(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / "resources/encoders" / request.param


def test_they_are_small(shipped: Path) -> None:
    assert (shipped / "model.safetensors").stat().st_size <= MOST_BYTES[shipped.name]


def test_none_that_ships_is_left_out_here(repository: Path) -> None:
    folders = {found.parent.name for found in (repository / "resources/encoders").glob("*/model.safetensors")}
    assert folders == set(MOST_BYTES)


def test_the_training_is_told_in_full(shipped: Path) -> None:
    """Sizes in the record are those of the weights, and the best step lies on the curve with the best score."""
    record = json.loads((shipped / "training_config.json").read_text())
    config = json.loads((shipped / "config.json").read_text())
    assert {name: config.get(name, size) for name, size in record["sizes"].items()} == record["sizes"]
    header, *lines = (line.split("\t") for line in (shipped / "curve.tsv").read_text().splitlines())
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    best = max(rows, key=lambda row: float(row["score"]))
    assert record["best_step"] == float(best["step"])


def test_metrics_are_of_these_weights(shipped: Path) -> None:
    assert json.loads((shipped / "metrics.json").read_text())["encoder_digest"] == encoder_digest(shipped)


def test_the_card_holds_the_measured_figures(shipped: Path) -> None:
    card = (shipped / "README.md").read_text()
    rows = json.loads((shipped / "metrics.json").read_text())["tables"]["encoder"]
    assert rows
    for row in rows:
        line = next(line for line in card.splitlines() if line.startswith(f"| {row['marker']} | {row['group']} →"))
        assert f"| {row['queries']} |" in line
        assert f"{row['accuracy']:.3f}" in line


def test_a_read_with_one_percent_errors_stays_near(shipped: Path) -> None:
    rng = np.random.default_rng(0)
    clean = [random_dna(rng, 380) for _ in range(40)]
    # A third more than 1 %, because one letter in four is drawn anew as itself.
    noisy = [mutate(read, rng, share=0.0133) for read in clean]
    encoder = load_encoder(shipped)
    similarity = np.sum(encoder.embed(clean) * encoder.embed(noisy), axis=1)
    assert similarity.mean() >= 0.95

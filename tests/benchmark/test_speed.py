"""Speed rows: every size and method is measured, and a program's memory is its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from abyssal.benchmark.communities import bray_curtis, by_name
from abyssal.benchmark.speed import resized, timed, write_speed
from abyssal.config.models import TrainConfig
from abyssal.references.model import AmpliconReference, write_reference


@pytest.mark.skipif(shutil.which("vsearch") is None, reason="vsearch is not installed")
def test_rows_of_a_small_sweep(evolved: AmpliconReference, tmp_path: Path) -> None:
    write_reference(evolved, tmp_path / "reference.fasta.gz", tmp_path / "lineages.tsv")
    settings = TrainConfig(neighbours=20, calibration_queries=200)
    target = tmp_path / "speed.json"
    write_speed(tmp_path, "kmers", settings, [0.5, 2.0], target, batch_size=64, seed=1, threads=1)
    rows = json.loads(target.read_text())["rows"]
    assert [row["method"] for row in rows] == ["abyssal", "sintax", "usearch_global"] * 2
    assert {row["amplicons"] for row in rows} == {len(evolved) // 2, len(evolved) * 2}
    assert all(row["reads_per_second"] > 0 and row["reads_per_processor_second"] > 0 for row in rows)
    own = [row["peak_memory_mb"] for row in rows if row["method"] == "sintax"]
    assert max(own) < min(row["peak_memory_mb"] for row in rows if row["method"] == "abyssal")


def test_a_larger_reference_holds_the_smaller_one(evolved: AmpliconReference) -> None:
    larger = resized(evolved, 1.5, np.random.default_rng(1))
    assert larger.sequences[: len(evolved)] == evolved.sequences
    assert len(set(larger.ids)) == len(set(larger.sequences)) == len(larger)


def test_memory_of_the_starting_process_is_not_counted() -> None:
    held = np.ones(40_000_000)
    assert timed(["true"]).memory_mb < held.nbytes / 2**20 / 2


def test_dissimilarity_and_sums_by_name_by_hand() -> None:
    assert bray_curtis({"a": 3, "b": 1}, {"a": 30, "b": 10}) == pytest.approx(0.0)
    assert bray_curtis({"a": 1}, {"b": 1}) == 1.0
    assert bray_curtis({"a": 1, "b": 1}, {"a": 1}) == pytest.approx(0.5)
    assert by_name({"x": 2, "y": 3, "z": 5, "w": 0}, {"x": "G", "y": "G"}) == {"G": 5.0, "": 5.0}

"""Errors are absorbed, chimeras found, and nothing depends on threads or on the order of libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.amplicons import random_sequence, substituted

from abyssal.reads.denoise import ChimeraSettings, denoise, pool_uniques, remove_chimeras
from abyssal.reads.filtering import read_sized
from abyssal.sequences.alphabet import sequence_id

Sized = dict[str, int]


def write_library(path: Path, reads: Sized) -> Path:
    rows = sorted(((-size, sequence_id(sequence), sequence) for sequence, size in reads.items()))
    path.write_text("".join(f">{name};size={-size}\n{sequence}\n" for size, name, sequence in rows))
    return path


def variants(folder: Path, *libraries: Sized, threads: int = 1, skew: float | None = 16.0) -> tuple[Sized, Sized]:
    """Sizes by sequence of the variants kept and of the chimeras."""
    sources = [write_library(folder / f"library{number}", reads) for number, reads in enumerate(libraries)]
    pooled = pool_uniques(sources, folder / "uniques")
    assert pooled == sum(sum(reads.values()) for reads in libraries)
    denoise(folder / "uniques", folder / "variants", min_size=2, alpha=2.0, threads=threads)
    remove_chimeras(
        folder / "variants",
        folder / "asvs",
        folder / "chimeras",
        settings=None if skew is None else ChimeraSettings("uchime3", skew),
    )
    kept, chimeras = (
        {sequence: size for _, sequence, size in read_sized(folder / name)} for name in ("asvs", "chimeras")
    )
    return kept, chimeras


@pytest.fixture
def species() -> list[str]:
    rng = np.random.default_rng(11)
    return [random_sequence(rng, 240) for _ in range(4)]


def test_errors_are_absorbed_by_their_source(tmp_path: Path, species: list[str]) -> None:
    errors = {substituted(species[0], position): 2 for position in range(10, 60, 5)}
    kept, _ = variants(tmp_path, {species[0]: 500, species[1]: 300, **errors})
    assert set(kept) == {species[0], species[1]}


def test_a_neighbour_as_abundant_as_its_neighbour_is_kept(tmp_path: Path, species: list[str]) -> None:
    neighbour = substituted(species[0], 100)
    kept, _ = variants(tmp_path, {species[0]: 500, neighbour: 400})
    assert set(kept) == {species[0], neighbour}


def test_the_same_two_differences_in_many_reads_are_a_relative(tmp_path: Path, species: list[str]) -> None:
    relative = substituted(substituted(species[0], 60), 120)
    error = substituted(substituted(species[0], 80), 140)
    kept, _ = variants(tmp_path, {species[0]: 2500, relative: 70, error: 5})
    assert kept == {species[0]: 2505, relative: 70}


def test_one_gap_in_many_reads_is_a_relative(tmp_path: Path, species: list[str]) -> None:
    relative = species[0][:100] + species[0][101:]
    error = species[0][:150] + species[0][151:]
    kept, _ = variants(tmp_path, {species[0]: 4100, relative: 670, error: 400})
    assert kept == {species[0]: 4500, relative: 670}


def test_rare_variants_are_found_by_pooling(tmp_path: Path, species: list[str]) -> None:
    kept, _ = variants(tmp_path, {species[0]: 50, species[1]: 1}, {species[0]: 10, species[1]: 1})
    assert kept == {species[0]: 60, species[1]: 2}


def test_chimeras_are_told_from_their_parents(tmp_path: Path, species: list[str]) -> None:
    chimera = species[0][:120] + species[1][120:]
    reads = {species[0]: 900, species[1]: 700, chimera: 20}
    kept, chimeras = variants(tmp_path, reads)
    assert (set(kept), set(chimeras)) == ({species[0], species[1]}, {chimera})
    kept, chimeras = variants(tmp_path, reads, skew=None)
    assert chimera in kept
    assert not chimeras


def test_order_of_libraries_and_threads_change_no_byte(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    kinds = [random_sequence(rng, 150) for _ in range(60)]
    libraries = [{kind: int(rng.integers(1, 6)) for kind in rng.permutation(kinds)[:40]} for _ in range(4)]
    seen = set()
    for number, (order, threads) in enumerate([(libraries, 1), (libraries[::-1], 1), (libraries, 2)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        variants(folder, *order, threads=threads)
        seen.add(tuple((folder / name).read_bytes() for name in ("uniques", "variants", "asvs", "chimeras")))
    assert len(seen) == 1


def test_an_empty_pool_gives_empty_files(tmp_path: Path) -> None:
    assert variants(tmp_path, {}, {}) == ({}, {})


def test_short_sequences_are_not_dropped_silently(tmp_path: Path) -> None:
    short = "ACGTTGCAACGGTACCATGA"
    assert variants(tmp_path, {short: 9})[0] == {short: 9}

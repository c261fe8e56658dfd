"""Each method makes ASVs of a known community, says which reads belong where, and passes an empty pool."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.amplicons import Sequencer, random_sequence, substituted
from support.reads_chain import Chain, library

from abyssal.config.preprocess import DenoiseConfig, PreprocessConfig
from abyssal.errors import ToolError
from abyssal.reads import dada2
from abyssal.reads.consensus import consensus_variants, majority
from abyssal.reads.filtering import read_sized
from abyssal.reads.variants import VariantSettings, make_variants, read_members
from abyssal.sequences.alphabet import sequence_id

RNG = np.random.default_rng(41)
SPECIES = [random_sequence(RNG, 180) for _ in range(3)]


def has_dada2() -> bool:
    try:
        dada2.require_dada2()
    except ToolError:
        return False
    return True


NO_DADA2 = "R's dada2 is not installed"
METHODS = [
    "unoise",
    pytest.param("swarm", marks=pytest.mark.skipif(shutil.which("swarm") is None, reason="swarm is not installed")),
    "otu",
    "consensus",
    # R takes a while to load the package.
    pytest.param("dada2", marks=[pytest.mark.slow, pytest.mark.skipif(not has_dada2(), reason=NO_DADA2)]),
]


@pytest.mark.parametrize("method", METHODS)
def test_a_community_comes_out_by_every_method(tmp_path: Path, method: str) -> None:
    amplicons = [kind for kind, reads in zip(SPECIES, (60, 40, 20), strict=True) for _ in range(reads)]
    amplicons[1::20] = [substituted(read, 7 + 11 * place) for place, read in enumerate(amplicons[1::20])]
    config = PreprocessConfig(denoise=DenoiseConfig(method=method))  # type: ignore[arg-type]
    rows = [
        library("a", *Sequencer(read_length=170).write(tmp_path, "a", amplicons)),
        library("empty", *Sequencer(read_length=170).write(tmp_path, "empty", [])),
    ]
    results = Chain(tmp_path / "out", config).run(rows)
    assert set(results.table.features) == {sequence_id(kind) for kind in SPECIES}
    found = results.counts("a")
    assert [found[sequence_id(kind)] for kind in SPECIES] == [60, 40, 20]
    assert results.counts("empty") == {}


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_without_reads(tmp_path: Path, method: str) -> None:
    uniques, passed = tmp_path / "uniques.fasta", tmp_path / "passed.fastq.gz"
    uniques.write_text("")
    passed.write_bytes(gzip.compress(b""))
    variants, members = tmp_path / "variants.fasta", tmp_path / "members.tsv"
    make_variants(uniques, variants, members, VariantSettings(method=method), passed=[passed])  # type: ignore[arg-type]
    assert list(read_sized(variants)) == []
    assert read_members(members) == {}


def test_clusters_name_their_members(tmp_path: Path) -> None:
    uniques = tmp_path / "uniques.fasta"
    near, far = substituted(SPECIES[0], 20), substituted(SPECIES[0], *range(0, 180, 10))
    sizes = {SPECIES[0]: 9, near: 3, far: 1}
    uniques.write_text("".join(f">{sequence_id(read)};size={size}\n{read}\n" for read, size in sizes.items()))
    make_variants(uniques, tmp_path / "v", tmp_path / "m", VariantSettings(method="otu", min_size=2))
    assert [(size, sequence) for _, sequence, size in read_sized(tmp_path / "v")] == [(12, SPECIES[0])]
    assert read_members(tmp_path / "m") == {sequence_id(read): sequence_id(SPECIES[0]) for read in (SPECIES[0], near)}


def noisy(sequence: str, rate: float) -> str:
    """The sequence with substitutions, insertions and deletions, a third each."""
    out = []
    for letter in sequence:
        draw = RNG.random()
        if draw < rate / 3:
            continue
        out.append(str(RNG.choice(list("ACGT"))) if draw < 2 * rate / 3 else letter)
        if draw > 1 - rate / 3:
            out.append(str(RNG.choice(list("ACGT"))))
    return "".join(out)


def test_the_consensus_of_noisy_reads_is_the_truth(tmp_path: Path) -> None:
    """Two relatives 3 % apart, read with 4 % errors: no two reads are equal, and both come out letter for letter."""
    first = random_sequence(RNG, 900)
    second = substituted(first, *range(10, 900, 33))
    reads = [(noisy(first, 0.04), 8.0) for _ in range(30)] + [(noisy(second, 0.04), 9.0) for _ in range(25)]
    reads += [(random_sequence(RNG, 900), 5.0) for _ in range(3)]
    uniques = tmp_path / "uniques.fasta"
    uniques.write_text("".join(f">{sequence_id(read)};size=1;ee={errors}\n{read}\n" for read, errors in reads))
    members = consensus_variants(uniques, tmp_path / "v.fasta", identity=0.93, min_size=5)
    variants = {sequence: size for _, sequence, size in read_sized(tmp_path / "v.fasta")}
    assert set(variants) == {first, second}
    assert sum(variants.values()) == len(members) >= 53


def test_a_majority_decides_every_position() -> None:
    draft = "ACGTACGTTACG"
    reads = ["ACGTACGTACG", "ACGTACGTACG", "ACGTACGTACGT"]
    assert majority(draft, [(read, 1) for read in reads]) == "ACGTACGTACG"
    assert majority("ACGTACG", [("ACGGTACG", 2), ("ACGTACG", 1)]) == "ACGGTACG"


def test_without_r_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="Rscript is not on PATH"):
        dada2.require_dada2()
    (tmp_path / "Rscript").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "Rscript").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(ToolError, match="apt-get install r-bioc-dada2"):
        dada2.require_dada2()

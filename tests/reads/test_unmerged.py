"""Pairs that do not merge are lost by name, or kept as they are asked for; poor reads are counted, not denoised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.amplicons import Sequencer, random_sequence, substituted, write_fastq
from support.reads_chain import Chain, Results, library

from abyssal.config.preprocess import FilterConfig, MergeConfig, PreprocessConfig
from abyssal.reads.filtering import FilterFiles, FilterSettings, filter_reads, read_sized
from abyssal.sequences.alphabet import reverse_complement, sequence_id

RNG = np.random.default_rng(53)
LONG = [random_sequence(RNG, 500) for _ in range(2)]
SHORT = random_sequence(RNG, 180)


def study(folder: Path, unmerged: str) -> Results:
    files = Sequencer(read_length=170).write(folder, "a", [LONG[0]] * 5 + [LONG[1]] * 4 + [SHORT] * 6)
    config = PreprocessConfig(merge=MergeConfig(unmerged=unmerged))  # type: ignore[arg-type]
    return Chain(folder / "out", config, window=(150, 600)).run([library("a", *files)])


def test_by_default_they_are_lost_and_named(tmp_path: Path) -> None:
    results = study(tmp_path, "drop")
    assert results.counts("a") == {sequence_id(SHORT): 6}
    assert sum(results.lost("a").values()) == 9


def test_mates_are_joined_by_a_gap(tmp_path: Path) -> None:
    results = study(tmp_path, "concatenate")
    ends = [kind[: 170 - 20] + "N" * 8 + kind[-(170 - 21) :] for kind in LONG]
    expected = {sequence_id(kind): reads for kind, reads in zip([SHORT, *ends], (6, 5, 4), strict=True)}
    assert results.counts("a") == expected
    assert results.lost("a") == {}


def test_or_the_forward_read_stands_alone(tmp_path: Path) -> None:
    results = study(tmp_path, "forward")
    assert sorted(results.counts("a").values()) == [4, 5, 6]
    assert sequence_id(LONG[0][: 170 - 20]) in results.counts("a")
    assert reverse_complement(LONG[0])[:20] not in results.outputs.asvs.read_text()


def with_poor_reads(folder: Path, limit: float | None) -> Results:
    """Nine good reads, three that are poor, and two of something else that are poor as well."""
    other = random_sequence(RNG, 180)
    poor = Sequencer(read_length=170, quality=":")  # about one error in 300 bases: some three a read
    good = Sequencer(read_length=170).pairs([SHORT] * 9)
    bad, foreign = poor.pairs([substituted(SHORT, 60)] * 3), poor.pairs([other] * 2)
    files = []
    for mate in (0, 1):
        reads = [*good[mate], *bad[mate], *foreign[mate]]
        reads = [(f"r{number}", sequence, quality) for number, (_, sequence, quality) in enumerate(reads)]
        files.append(write_fastq(folder / f"{mate}.fastq", reads))
    config = PreprocessConfig(filter=FilterConfig(max_expected_errors=0.05, max_expected_errors_mapped=limit))
    return Chain(folder / "out", config).run([library("a", *files)])


def test_poor_reads_count_towards_the_asv_they_are_near(tmp_path: Path) -> None:
    results = with_poor_reads(tmp_path, 5.0)
    assert results.counts("a") == {sequence_id(SHORT): 12}
    assert results.lost("a") == {"too_many_expected_errors": 2}
    steps = {row.step: (row.reads_in, row.reads_out) for row in results.ledger}
    assert (steps["filter"], steps["map_back"]) == ((14, 14), (14, 12))


@pytest.mark.parametrize("limit", [None, 0.06])
def test_or_they_are_lost_in_the_filter(tmp_path: Path, limit: float | None) -> None:
    results = with_poor_reads(tmp_path, limit)
    assert results.counts("a") == {sequence_id(SHORT): 9}
    assert results.lost("a") == {"too_many_expected_errors": 5}


def test_long_reads_are_judged_by_errors_per_base(tmp_path: Path) -> None:
    reads = [("short", "ACGT" * 30, "+" * 120), ("long", "ACGT" * 300, "5" * 1200)]  # 10 % and 1 % errors
    source = write_fastq(tmp_path / "m.fastq", reads)
    settings = FilterSettings(max_expected_errors=None, max_error_rate=0.05, annotate=True)
    filtered, _ = filter_reads("a", FilterFiles(source, tmp_path / "u.fasta"), settings)
    assert filtered.losses == {"too_many_expected_errors": 1}
    header = (tmp_path / "u.fasta").read_text().splitlines()[0]
    assert header.endswith(";size=1;ee=12.0000")
    assert [size for _, _, size in read_sized(tmp_path / "u.fasta")] == [1]


def test_mates_apart_have_no_length_window(tmp_path: Path) -> None:
    files = Sequencer(read_length=170).write(tmp_path, "a", [LONG[0]] * 5)
    config = PreprocessConfig(merge=MergeConfig(unmerged="concatenate"))
    results = Chain(tmp_path / "out", config, window=(100, 250)).run([library("a", *files)])
    assert sum(results.counts("a").values()) == 5

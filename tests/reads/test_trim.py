"""Primers come off whatever the layout of the reads; reads without them are counted as lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dnaio
import numpy as np
import pytest
from support.amplicons import FORWARD, REVERSE, Sequencer, one_of, random_sequence, substituted, write_fastq

from abyssal.reads.counts import StepCounts
from abyssal.reads.cutadapt import TrimSettings
from abyssal.reads.merge import merge_pairs
from abyssal.reads.trim import trim_primers
from abyssal.sequences.alphabet import reverse_complement

SETTINGS = TrimSettings(FORWARD, REVERSE)


def sequences(path: Path) -> list[str]:
    if not path.stat().st_size:
        return []
    with dnaio.open(path) as reader:
        return [record.sequence for record in reader]


def trim(
    folder: Path, *files: Path, settings: TrimSettings = SETTINGS
) -> tuple[StepCounts, list[list[str]], list[Path]]:
    targets = [folder / f"trimmed{number}.fastq" for number, _ in enumerate(files)]
    raw, trimmed = trim_primers("lib", list(files), targets, settings)
    assert raw.reads_out == trimmed.reads_in
    return trimmed, [sequences(target) for target in targets], targets


def merged(folder: Path, targets: list[Path]) -> list[str]:
    merge_pairs("lib", targets, folder / "merged.fastq", min_overlap=16, max_differences=5)
    return sequences(folder / "merged.fastq")


@pytest.fixture
def amplicons() -> list[str]:
    rng = np.random.default_rng(7)
    return [random_sequence(rng, 200) for _ in range(20)]


def test_primers_are_cut_off_both_reads(tmp_path: Path, amplicons: list[str]) -> None:
    counts, (first, second), _ = trim(tmp_path, *Sequencer().write(tmp_path, "a", amplicons))
    assert counts.reads_out == 20
    assert not counts.losses
    assert first == [amplicon[: 150 - len(FORWARD)] for amplicon in amplicons]
    assert second == [reverse_complement(amplicon)[: 150 - len(REVERSE)] for amplicon in amplicons]


@pytest.mark.parametrize("length", [60, 110, 128, 129, 130, 131, 140, 149, 150, 165, 200])
def test_reads_that_run_through_the_amplicon_merge_to_it(tmp_path: Path, length: int) -> None:
    """From adapters deep inside the reads to amplicons longer than them, at every overlap of the far primer."""
    rng = np.random.default_rng(length)
    short = [random_sequence(rng, length) for _ in range(10)]
    counts, _, targets = trim(tmp_path, *Sequencer().write(tmp_path, "a", short))
    assert counts.reads_out == 10
    assert merged(tmp_path, targets) == short


def test_random_bases_before_the_primer_do_not_matter(tmp_path: Path, amplicons: list[str]) -> None:
    sequencer = Sequencer(random_bases=4, read_length=160)
    files = sequencer.write(tmp_path, "a", amplicons)
    for settings in (SETTINGS, replace(SETTINGS, random_bases=4)):
        counts, _, targets = trim(tmp_path, *files, settings=settings)
        assert counts.reads_out == 20
        assert merged(tmp_path, targets) == amplicons


def test_read_through_into_the_mates_random_bases_merges(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    short = [random_sequence(rng, 100) for _ in range(10)]
    files = Sequencer(random_bases=4).write(tmp_path, "a", short)
    _, _, targets = trim(tmp_path, *files, settings=replace(SETTINGS, random_bases=4))
    assert merged(tmp_path, targets) == short


def test_pairs_in_either_orientation_are_turned_into_primer_orientation(tmp_path: Path, amplicons: list[str]) -> None:
    forward = Sequencer().pairs(amplicons[:12])
    flipped = Sequencer().pairs(amplicons[12:], flipped=True)
    files = [write_fastq(tmp_path / f"{n}.fastq", rename(forward[n] + flipped[n])) for n in (0, 1)]
    counts, _, targets = trim(tmp_path, *files, settings=replace(SETTINGS, mixed_orientation=True))
    assert counts.reads_out == 20
    assert counts.notes["turned_round"] == 8
    assert merged(tmp_path, targets) == amplicons
    as_they_are, _, _ = trim(tmp_path, *files)
    assert as_they_are.losses == {"no_primer": 8}


def rename(reads: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [(f"r{number}", sequence, quality) for number, (_, sequence, quality) in enumerate(reads)]


def test_reads_of_another_marker_are_lost_as_such(tmp_path: Path, amplicons: list[str]) -> None:
    other = Sequencer(forward="GTCGGTAAAACTCGTGCCAGC", reverse="CATAGTGGGGTATCTAATCCCAGTTTG")
    counts, reads, _ = trim(tmp_path, *other.write(tmp_path, "a", amplicons))
    assert counts.losses == {"no_primer": 20}
    assert reads == [[], []]


def test_primer_dimers_are_lost_as_too_short(tmp_path: Path) -> None:
    counts, _, _ = trim(tmp_path, *Sequencer().write(tmp_path, "a", ["", "ACGT", "ACGTAC"]))
    assert counts.losses == {"too_short_after_trimming": 3}


@pytest.mark.parametrize(("errors", "kept"), [(0, 1), (2, 1), (3, 1), (5, 0)])
def test_primers_may_have_the_stated_share_of_errors(tmp_path: Path, errors: int, kept: int) -> None:
    (name, sequence, quality), second = (reads[0] for reads in Sequencer().pairs(["ACGTTGCA" * 25]))
    first = (name, substituted(sequence, *range(4, 4 + 3 * errors, 3)), quality)
    files = write_fastq(tmp_path / "1.fastq", [first]), write_fastq(tmp_path / "2.fastq", [second])
    counts, _, _ = trim(tmp_path, *files)
    assert counts.reads_out == kept


def test_single_reads_lose_both_primers_and_the_adapter(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    short = [random_sequence(rng, 90) for _ in range(10)]
    first, _ = Sequencer(read_length=180).write(tmp_path, "a", short)
    _, (reads,), targets = trim(tmp_path, first)
    assert reads == short
    assert merged(tmp_path, targets) == short


def test_single_reads_in_either_orientation(tmp_path: Path, amplicons: list[str]) -> None:
    rng = np.random.default_rng(1)
    whole = [one_of(FORWARD, rng) + amplicon + reverse_complement(one_of(REVERSE, rng)) for amplicon in amplicons]
    turned = [reverse_complement(read) if number % 2 else read for number, read in enumerate(whole)]
    source = write_fastq(tmp_path / "a.fastq", [(f"r{n}", read, "I" * len(read)) for n, read in enumerate(turned)])
    counts, (reads,), _ = trim(tmp_path, source, settings=replace(SETTINGS, mixed_orientation=True))
    assert reads == amplicons
    assert counts.notes["turned_round"] == 10


def test_inosine_in_a_primer_matches_any_base(tmp_path: Path, amplicons: list[str]) -> None:
    primers = {"forward": "GGWACWGGWTGAACWGTWTAYCCYCC", "reverse": "TAIACYTCIGGRTGICCRAARAAYCA"}
    files = Sequencer(**primers).write(tmp_path, "a", amplicons)
    counts, _, _ = trim(tmp_path, *files, settings=TrimSettings(primers["forward"], primers["reverse"], 0.0))
    assert counts.reads_out == 20


def test_files_may_have_any_name(tmp_path: Path, amplicons: list[str]) -> None:
    files = Sequencer().write(tmp_path, "a", amplicons)
    renamed = [path.rename(tmp_path / f"upload-{number}") for number, path in enumerate(files)]
    counts, _, _ = trim(tmp_path, *renamed)
    assert counts.reads_out == 20


def test_an_empty_library_passes(tmp_path: Path) -> None:
    files = write_fastq(tmp_path / "1.fastq.gz", []), write_fastq(tmp_path / "2.fastq.gz", [])
    counts, reads, targets = trim(tmp_path, *files)
    assert (counts.reads_in, counts.reads_out) == (0, 0)
    assert reads == [[], []]
    assert merged(tmp_path, targets) == []

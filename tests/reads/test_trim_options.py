"""Adapters, dark ends of two-colour machines, anchored primers, primers that are gone already, primers of a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.amplicons import FORWARD, REVERSE, Sequencer, one_of, random_sequence, write_fastq
from support.reads_chain import Chain, library

from abyssal.errors import ConfigError
from abyssal.reads.adapters import KNOWN_ADAPTERS, adapter_pairs
from abyssal.reads.counts import StepCounts
from abyssal.reads.cutadapt import TrimSettings
from abyssal.reads.trim import trim_primers

RNG = np.random.default_rng(29)


def trim(folder: Path, files: list[Path], **settings: object) -> StepCounts:
    targets = [folder / f"out{number}.fastq" for number, _ in enumerate(files)]
    return trim_primers("lib", files, targets, TrimSettings(FORWARD, REVERSE, **settings))[1]  # type: ignore[arg-type]


def lengths(path: Path) -> list[int]:
    return [len(line) for line in path.read_text().splitlines()[1::4]]


def single(folder: Path, reads: list[str], quality: str = "I") -> list[Path]:
    return [write_fastq(folder / "s.fastq", [(f"r{n}", read, quality * len(read)) for n, read in enumerate(reads)])]


def test_adapters_by_name_and_by_letters() -> None:
    assert adapter_pairs(["TruSeq", "ACGTACGTAA,TTTTGGGGCC"]) == (
        KNOWN_ADAPTERS["truseq"],
        ("ACGTACGTAA", "TTTTGGGGCC"),
    )
    assert adapter_pairs(["acgtacgtaa"]) == (("ACGTACGTAA", "ACGTACGTAA"),)
    with pytest.raises(ConfigError, match="'truseek' is neither truseq nor nextera nor DNA"):
        adapter_pairs(["truseek"])


def test_adapters_come_off_where_no_primer_ends_the_read(tmp_path: Path) -> None:
    """A library amplified with other reverse primers: only the adapter can tell where the amplicon ends."""
    adapter = KNOWN_ADAPTERS["nextera"][0]
    inserts = [one_of(FORWARD, RNG) + random_sequence(RNG, 90) for _ in range(6)]
    files = single(tmp_path, [read + adapter for read in inserts] + [adapter, adapter + "ACGT"])
    assert trim(tmp_path, files, adapters=adapter_pairs(["nextera"])).losses == {"adapter_only": 2}
    assert lengths(tmp_path / "out0.fastq") == [90] * 6
    trim(tmp_path, files)
    assert lengths(tmp_path / "out0.fastq") == [90 + len(adapter)] * 6


def test_dark_ends_of_two_colour_machines_are_cut(tmp_path: Path) -> None:
    reads = [one_of(FORWARD, RNG) + random_sequence(RNG, 90) + "T" + "G" * 40 for _ in range(5)]
    assert trim(tmp_path, single(tmp_path, reads), two_colour_quality=20).reads_out == 5
    assert lengths(tmp_path / "out0.fastq") == [91] * 5


def test_an_anchored_primer_is_the_start_of_the_read(tmp_path: Path) -> None:
    whole = one_of(FORWARD, RNG) + random_sequence(RNG, 120)
    files = single(tmp_path, [whole, "ACGT" + whole])
    assert trim(tmp_path, files).reads_out == 2
    assert trim(tmp_path, files, anchored=True).losses == {"no_primer": 1}
    assert trim(tmp_path, files, anchored=True, random_bases=4).reads_out == 1


def test_reads_whose_primers_are_gone_already_may_be_kept(tmp_path: Path) -> None:
    amplicons = [random_sequence(RNG, 120) for _ in range(3)]
    files = single(tmp_path, [*amplicons, one_of(FORWARD, RNG) + amplicons[0]])
    assert trim(tmp_path, files).losses == {"no_primer": 3}
    counts = trim(tmp_path, files, optional=True)
    assert (counts.reads_out, counts.notes["forward_primer_found"]) == (4, 1)
    assert lengths(tmp_path / "out0.fastq") == [120] * 4


def test_a_row_may_have_primers_of_its_own(tmp_path: Path) -> None:
    from dataclasses import replace

    other = "GTCGGTAAAACTCGTGCCAGC", "CATAGTGGGGTATCTAATCCCAGTTTG"
    species = random_sequence(RNG, 180)
    usual = library("a", *Sequencer(read_length=170).write(tmp_path, "a", [species] * 4))
    files = Sequencer(read_length=170, forward=other[0], reverse=other[1]).write(tmp_path, "b", [species] * 3)
    own = replace(library("b", *files), primers=other)
    results = Chain(tmp_path / "out").run([usual, own])
    assert results.table.totals() == {"a": 4, "b": 3}
    assert len(results.table.features) == 1

"""Every discarded read has a reason, every sequence is kept once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.amplicons import random_sequence, write_fastq

from abyssal.errors import SequenceFormatError
from abyssal.reads.filtering import FilterFiles, FilterSettings, filter_reads, read_sized
from abyssal.sequences.alphabet import sequence_id

SETTINGS = FilterSettings(max_expected_errors=1.0, max_ambiguous=0, min_length=80, max_length=120)


@pytest.mark.parametrize(
    ("sequence", "quality", "losses"),
    [
        ("ACGT" * 25, "I", {}),
        ("ACGT" * 25, "+", {"too_many_expected_errors": 1}),
        ("ACGT" * 24, "5", {}),  # 96 bases at Q20: 0.96 expected errors
        ("ACGT" * 10, "I", {"too_short": 1}),
        ("ACGT" * 40, "I", {"too_long": 1}),
        ("ACGN" + "ACGT" * 24, "I", {"too_many_ambiguous": 1}),
        ("N" * 100, "!", {"too_many_ambiguous": 1}),
    ],
    ids=["good", "poor", "just good enough", "short", "long", "one N", "all N"],
)
def test_each_loss_has_its_reason(tmp_path: Path, sequence: str, quality: str, losses: dict[str, int]) -> None:
    source = write_fastq(tmp_path / "m.fastq", [("r", sequence, quality * len(sequence))])
    filtered, dereplicated = filter_reads("lib", FilterFiles(source, tmp_path / "u.fasta"), SETTINGS)
    assert filtered.losses == losses
    assert dereplicated.reads_out == 1 - sum(losses.values())


def test_unique_sequences_are_named_by_md5_sized_and_in_a_fixed_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    kinds = [random_sequence(rng, 100) for _ in range(30)]
    reads = [kind for number, kind in enumerate(kinds) for _ in range(1 + number % 3)]
    expected = sorted(
        ((sequence_id(kind), kind, 1 + number % 3) for number, kind in enumerate(kinds)),
        key=lambda unique: (-unique[2], unique[0]),
    )
    for order in (reads, reads[::-1]):
        source = write_fastq(tmp_path / "m.fastq", [(f"r{n}", read, "I" * 100) for n, read in enumerate(order)])
        _, counts = filter_reads("lib", FilterFiles(source, tmp_path / "u.fasta"), SETTINGS)
        assert list(read_sized(tmp_path / "u.fasta")) == expected
        assert (counts.reads_in, counts.reads_out, counts.notes) == (60, 60, {"unique": 30})


def test_no_reads_in_no_reads_out(tmp_path: Path) -> None:
    filtered, dereplicated = filter_reads(
        "lib", FilterFiles(write_fastq(tmp_path / "m.fastq", []), tmp_path / "u.fasta"), SETTINGS
    )
    assert (filtered.reads_in, dereplicated.reads_out) == (0, 0)
    assert list(read_sized(tmp_path / "u.fasta")) == []


def test_a_size_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "u.fasta"
    source.write_text(">a;size=many\nACGT\n")
    with pytest.raises(SequenceFormatError, match=r"u\.fasta: expected FASTA with headers such as"):
        list(read_sized(source))

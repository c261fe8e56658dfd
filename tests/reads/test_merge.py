"""The merger's own numbers become the ledger's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.amplicons import random_sequence, substituted, write_fastq

from abyssal.errors import ToolError
from abyssal.reads.merge import merge_pairs, parse_merge_report
from abyssal.sequences.alphabet import reverse_complement


def pair_files(folder: Path, amplicons: list[str], length: int, errors: int = 0) -> list[Path]:
    first, second = [], []
    for number, amplicon in enumerate(amplicons):
        back = substituted(reverse_complement(amplicon), *range(length - 5, length - 5 - 20 * errors, -20))
        first.append((f"r{number}", amplicon[:length], "I" * len(amplicon[:length])))
        second.append((f"r{number}", back[:length], "I" * len(back[:length])))
    return [write_fastq(folder / "1.fastq", first), write_fastq(folder / "2.fastq", second)]


def test_pairs_that_do_not_overlap_are_lost_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    amplicons = [random_sequence(rng, 200) for _ in range(5)] + [random_sequence(rng, 400) for _ in range(3)]
    sources = pair_files(tmp_path, amplicons, 120)
    counts = merge_pairs("lib", sources, tmp_path / "merged.fastq", min_overlap=16, max_differences=5)
    assert (counts.reads_in, counts.reads_out) == (8, 5)
    assert sum(counts.losses.values()) == 3
    assert set(counts.losses) <= {"no_overlap_found", "overlap_too_poor"}


def test_too_many_differences_are_lost_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sources = pair_files(tmp_path, [random_sequence(rng, 200) for _ in range(4)], 180, errors=7)
    counts = merge_pairs("lib", sources, tmp_path / "merged.fastq", min_overlap=16, max_differences=5)
    assert counts.losses == {"too_many_differences": 4}
    allowed = merge_pairs("lib", sources, tmp_path / "merged.fastq", min_overlap=16, max_differences=7)
    assert allowed.reads_out == 4


def test_high_quality_letters_of_new_sequencers_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    amplicon = random_sequence(rng, 150)
    reads = (amplicon[:100], reverse_complement(amplicon)[:100])
    sources = [write_fastq(tmp_path / f"{n}.fastq", [("r", read, "S" * 100)]) for n, read in enumerate(reads)]
    assert merge_pairs("lib", sources, tmp_path / "m.fastq", min_overlap=16, max_differences=5).reads_out == 1


def test_a_report_without_numbers_is_an_error() -> None:
    with pytest.raises(ToolError, match="library lib: cannot find the numbers"):
        parse_merge_report("lib", "Merging reads 100%\n")


def test_an_unknown_reason_keeps_its_words() -> None:
    report = (
        "        10  Pairs\n         7  Merged (70.0%)\n         3  Not merged (30.0%)\n\n"
        "Pairs that failed merging due to various reasons:\n         2  expected error too high\n"
        "         1  staggered read pairs\n\nStatistics of all reads:\n    150.00  Mean read length\n"
    )
    assert parse_merge_report("lib", report).losses == {"expected_error_too_high": 2, "staggered": 1}

"""A damaged FASTQ file is named with the place of the damage; an empty one is a library without reads."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from support.amplicons import write_fastq

from abyssal.errors import SequenceFormatError
from abyssal.reads.integrity import count_fastq

READS = [(f"read{number}", "ACGTNACGTA", "IIIIIIIIII") for number in range(500)]


@pytest.mark.parametrize("name", ["a.fastq", "a.fastq.gz"])
def test_whole_files_are_counted(tmp_path: Path, name: str) -> None:
    first, second = write_fastq(tmp_path / f"1{name}", READS), write_fastq(tmp_path / f"2{name}", READS)
    assert count_fastq(first) == 500
    assert count_fastq(first, second) == 500


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")], ids=["empty file", "empty gz"])
def test_a_file_without_reads_is_whole(tmp_path: Path, content: bytes) -> None:
    first, second = tmp_path / "1.fastq.gz", tmp_path / "2.fastq.gz"
    first.write_bytes(content)
    second.write_bytes(b"")
    assert count_fastq(first) == 0
    assert count_fastq(first, second) == 0


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_a_gzipped_file_cut_short_is_named(tmp_path: Path, share: float) -> None:
    rng_reads = [(f"read{n}", "ACGT"[n % 4] * (n % 90 + 10), "I" * (n % 90 + 10)) for n in range(2000)]
    whole = write_fastq(tmp_path / "1.fastq.gz", rng_reads)
    cut = write_fastq(tmp_path / "2.fastq.gz", rng_reads)
    cut.write_bytes(cut.read_bytes()[: int(cut.stat().st_size * share)])
    with pytest.raises(SequenceFormatError, match=r"2\.fastq\.gz.*(damaged or cut short|not a well-formed)"):
        count_fastq(whole, cut)
    with pytest.raises(SequenceFormatError, match=r"2\.fastq\.gz"):
        count_fastq(cut)


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_file_that_ends_in_a_record_is_named_with_the_line(tmp_path: Path, lines: int) -> None:
    whole = write_fastq(tmp_path / "1.fastq", READS)
    cut = tmp_path / "2.fastq"
    cut.write_text("".join(whole.read_text().splitlines(keepends=True)[: 4 * 7 + lines]))
    with pytest.raises(SequenceFormatError, match=r"2\.fastq.*line"):
        count_fastq(whole, cut)


def test_a_flipped_byte_in_a_gzipped_file_is_found(tmp_path: Path) -> None:
    source = write_fastq(tmp_path / "1.fastq.gz", READS)
    content = bytearray(source.read_bytes())
    content[-5] ^= 1  # the checksum at the end
    source.write_bytes(content)
    with pytest.raises(SequenceFormatError, match=r"1\.fastq\.gz.*damaged"):
        count_fastq(source)


def test_mates_of_different_number_are_refused_with_both_numbers(tmp_path: Path) -> None:
    first, second = write_fastq(tmp_path / "1.fastq", READS), write_fastq(tmp_path / "2.fastq", READS[:-1])
    with pytest.raises(SequenceFormatError, match=r"1\.fastq \(500 reads\) and .*2\.fastq \(499 reads\)"):
        count_fastq(first, second)


def test_an_empty_mate_is_refused(tmp_path: Path) -> None:
    first, second = write_fastq(tmp_path / "1.fastq", READS), write_fastq(tmp_path / "2.fastq", [])
    with pytest.raises(SequenceFormatError, match=r"2\.fastq has no reads but its mate"):
        count_fastq(first, second)


def test_mates_with_other_names_are_refused(tmp_path: Path) -> None:
    first, second = write_fastq(tmp_path / "1.fastq", READS), write_fastq(tmp_path / "2.fastq", READS[::-1])
    with pytest.raises(SequenceFormatError, match="do not belong together"):
        count_fastq(first, second)


def test_a_letter_outside_iupac_is_named_with_record_line_and_position(tmp_path: Path) -> None:
    reads = [*READS[:2], ("read2", "ACGTEACGTA", "IIIIIIIIII")]
    first, second = write_fastq(tmp_path / "1.fastq", READS[:3]), write_fastq(tmp_path / "2.fastq", reads)
    with pytest.raises(SequenceFormatError, match=r"2\.fastq: record 3 \(line 10, read2\) has 'E' at position 5"):
        count_fastq(first, second)


def test_lower_case_and_ambiguous_letters_are_dna(tmp_path: Path) -> None:
    source = write_fastq(tmp_path / "1.fastq", [("a", "acgtnRYSWKMBDHVU", "I" * 16)])
    assert count_fastq(source) == 1


def test_qualities_on_the_old_scale_are_refused(tmp_path: Path) -> None:
    source = write_fastq(tmp_path / "1.fastq", [("a", "ACGT", "hhgB")])
    with pytest.raises(SequenceFormatError, match=r"Phred\+64"):
        count_fastq(source)


@pytest.mark.parametrize("qualities", ["IIII", "JJJJ", "~~~~", "#,:F"])
def test_qualities_of_modern_sequencers_pass(tmp_path: Path, qualities: str) -> None:
    assert count_fastq(write_fastq(tmp_path / "1.fastq", [("a", "ACGT", qualities)])) == 1


def test_a_file_that_is_no_fastq_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "1.fastq"
    source.write_text(">a\nACGT\n")
    with pytest.raises(SequenceFormatError, match=r"1\.fastq: not a well-formed FASTQ"):
        count_fastq(source)
    source.write_bytes(b"@a\nAC\xffT\n+\nIIII\n")
    with pytest.raises(SequenceFormatError, match=r"1\.fastq"):
        count_fastq(source)


def test_a_plain_file_called_gz_is_named_as_such(tmp_path: Path) -> None:
    packed = write_fastq(tmp_path / "1.fastq.gz", READS)
    plain = tmp_path / "2.fastq.gz"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    with pytest.raises(SequenceFormatError, match=r"2\.fastq\.gz: called \.gz, but not gzipped"):
        count_fastq(packed, plain)


def test_a_damaged_file_is_not_quoted_whole(tmp_path: Path) -> None:
    source = tmp_path / "1.fastq"
    source.write_text("@read1\r" + "ACGT" * 10_000 + "\r+\r" + "IIII" * 10_000 + "\r")
    with pytest.raises(SequenceFormatError, match=r"1\.fastq.*line 1") as caught:
        count_fastq(source)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("letter", [" ", "\x01", "\x7f"])
def test_a_quality_that_is_none_is_named(tmp_path: Path, letter: str) -> None:
    reads = [*READS[:6], ("bad", "ACGT", f"II{letter}I"), *READS[6:]]
    with pytest.raises(SequenceFormatError, match=r"1\.fastq: record 7 \(line 28, bad\) has the quality"):
        count_fastq(write_fastq(tmp_path / "1.fastq", reads))

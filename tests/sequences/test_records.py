"""Sequence files as users have them: misnamed, packed in other ways, damaged."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from abyssal.errors import SequenceFormatError, UsageError
from abyssal.sequences.records import read_records

FASTA = b">a words\nACGT\nAC\n>b\nGG\n"
FASTQ = b"@a words\nACGTAC\n+\nIIIIII\n@b\nGG\n+\nII\n"


@pytest.mark.parametrize("name", ["reads", "reads.fa", "reads.fq", "reads.txt", "reads.fastq.gz"])
@pytest.mark.parametrize("content", [FASTA, FASTQ, b"\n\r\n" + FASTA, FASTA.replace(b"\n", b"\r\n")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_the_content_tells_the_format(
    tmp_path: Path, name: str, content: bytes, pack: Callable[[bytes], bytes]
) -> None:
    source = tmp_path / name
    source.write_bytes(pack(content))
    assert [(record.id, record.sequence) for record in read_records(source)] == [("a", "ACGTAC"), ("b", "GG")]


@pytest.mark.parametrize("content", [b"", gzip.compress(b""), b"\n\n"])
def test_an_empty_file_has_no_records(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "reads").write_bytes(content)
    assert list(read_records(tmp_path / "reads")) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no sequences here\n", "neither FASTA nor FASTQ"),
        (b"\xef\xbb\xbf" + FASTA, "byte-order mark"),
        (FASTA.decode().encode("utf-16"), "UTF-16"),
        (bz2.compress(FASTA), "bzip2 file; unpack it"),
        (lzma.compress(FASTA), "xz file; unpack it"),
        (b"\x28\xb5\x2f\xfdrest", "Zstandard file; unpack it"),
        (b"PK\x03\x04rest", "zip archive"),
        (gzip.compress(FASTA * 5000)[:60] + b"zzzz" + gzip.compress(FASTA * 5000)[64:], "damaged or cut short"),
        (gzip.compress(FASTA)[:-9], "damaged or cut short"),
        (FASTQ[:-4], "line 7"),
        (b">a\x1b[2Jb\nACGT\n", r"'a\\x1b\[2Jb' holds a control character"),
        (">\u00e9\nACGT\n".encode(), "ASCII"),
        (">\u00e9\nACGT\n".encode("latin-1"), "ASCII"),
    ],
)
def test_what_is_no_sequence_file(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "reads.fa").write_bytes(content)
    with pytest.raises(SequenceFormatError, match=words) as caught:
        list(read_records(tmp_path / "reads.fa"))
    assert str(tmp_path / "reads.fa") in str(caught.value)


def test_a_long_record_is_not_quoted_whole(tmp_path: Path) -> None:
    (tmp_path / "reads").write_bytes(b"@a\n" + b"A" * 100_000)
    with pytest.raises(SequenceFormatError, match=r"A\.\.\.$") as caught:
        list(read_records(tmp_path / "reads"))
    assert len(str(caught.value)) < 1000


def test_a_directory_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a directory; expected FASTA"):
        list(read_records(tmp_path))

"""Ready-made ASVs in every form that laboratories have them, and archives that are not what they seem."""

from __future__ import annotations

import gzip
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from biom import Table
from support.amplicons import Sequencer, random_sequence
from support.reads_chain import Chain

from abyssal.errors import DataError, SequenceFormatError
from abyssal.reads.ready import read_artifact, read_counts_table, read_ready_asvs
from abyssal.samples.model import Library
from abyssal.sequences.alphabet import sequence_id

SEQUENCES = {"f1": "ACGTACGTACGTTTGA", "f2": "GGGTACGTACGTACCA", "f3": "TTTTACGTACGAACGA"}
COUNTS = {"s1": {"f1": 7, "f3": 2}, "s2": {"f1": 1}, "s3": {}}
UUID = "9f3c0c52-7f2b-4a65-9d0a-5f9c0a3b7f10"
FASTA = "".join(f">{name}\n{sequence}\n" for name, sequence in SEQUENCES.items())


def biom_table() -> Table:
    matrix = np.array([[COUNTS[sample].get(feature, 0) for sample in COUNTS] for feature in SEQUENCES])
    return Table(matrix, list(SEQUENCES), list(COUNTS))


def artifact(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def hdf5(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        biom_table().to_hdf5(file, "test")
    return path


def tsv() -> str:
    rows = ["\t".join([name, *(f"{COUNTS[sample].get(name, 0)}.0" for sample in COUNTS)]) for name in SEQUENCES]
    return "\n".join(["# Constructed from biom file", "\t".join(["#OTU ID", *COUNTS]), *rows]) + "\n"


def tables(folder: Path) -> dict[str, Path]:
    (folder / "t.tsv").write_text(tsv())
    (folder / "t.tsv.gz").write_bytes(gzip.compress(tsv().encode()))
    (folder / "json.biom").write_text(biom_table().to_json("test"))
    hdf5(folder / "hdf5.biom")
    artifact(folder / "table.qza", {f"{UUID}/data/feature-table.biom": (folder / "hdf5.biom").read_bytes()})
    return {name: folder / name for name in ("t.tsv", "t.tsv.gz", "json.biom", "hdf5.biom", "table.qza")}


def sequences(folder: Path) -> dict[str, Path]:
    table = "featureid\tdna_sequence\ttaxonomy\n" + "".join(f"{name}\t{read}\tx\n" for name, read in SEQUENCES.items())
    (folder / "s.fasta").write_text(FASTA)
    (folder / "s.fasta.gz").write_bytes(gzip.compress(FASTA.encode()))
    (folder / "s.tsv.gz").write_bytes(gzip.compress(table.encode()))
    (folder / "s.tsv").write_text(table)
    artifact(folder / "rep-seqs.qza", {f"{UUID}/data/dna-sequences.fasta": FASTA.encode(), f"{UUID}/VERSION": b"2"})
    return {name: folder / name for name in ("s.fasta", "s.fasta.gz", "s.tsv.gz", "s.tsv", "rep-seqs.qza")}


def test_every_form_of_sequences_and_counts_gives_the_same(tmp_path: Path) -> None:
    expected = {sequence_id(SEQUENCES["f1"]): 7, sequence_id(SEQUENCES["f3"]): 2}
    for source in sequences(tmp_path).values():
        for table in tables(tmp_path).values():
            reads, found = read_ready_asvs(source, table, "library-1", "s1")
            assert reads == expected
            assert found == {sequence_id(SEQUENCES[name]): SEQUENCES[name] for name in ("f1", "f3")}
            assert read_ready_asvs(source, table, "s3") == ({}, {})


def test_they_are_counted_beside_reads(tmp_path: Path) -> None:
    source, table = sequences(tmp_path)["rep-seqs.qza"], tables(tmp_path)["table.qza"]
    rows = [Library(name, name, "1", "18S", "asvs", (source,), table=table) for name in COUNTS]
    files = Sequencer(read_length=170).write(tmp_path, "r", [random_sequence(np.random.default_rng(1), 160)] * 3)
    results = Chain(tmp_path / "out").run([*rows, Library("r", "r", "1", "18S", "paired", files)])
    assert results.table.totals() == {"s1": 9, "s2": 1, "s3": 0, "r": 3}
    assert {row.step for row in results.ledger if row.library == "s1"} == {
        "raw", "map_back", "screen", "tag_jumps", "controls",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#OTU ID\ts1\nf1\t1.5\n", "feature f1 has the count '1.5'; expected whole numbers"),
        ("#OTU ID\ts1\nf1\t-1\n", "feature f1 has the count '-1'"),
        ("#OTU ID\ts9\nf1\t1\n", "no column s1; it has s9"),
        ("#OTU ID\ts1\nf7\t3\n", "feature f7 has 3 reads but no sequence in"),
        ("#OTU ID\ts1\nf1\tnan\n", "feature f1 has the count 'nan'"),
        ("#OTU ID\ts1\nf1\tinf\n", "feature f1 has the count 'inf'"),
        ("#OTU ID\ts1\ts2\nf1\t1\n", "feature f1 has 1 counts under 2 columns"),
        ("s1\nf1\t1\n", "feature f1 has 1 counts under 0 columns; .* a name above the features"),
        ("#OTU ID\ts1\nf1\t5\nf1\t7\n", "feature f1 stands in two rows"),
        ("#OTU ID\ts1\ts1\nf1\t5\t7\n", "two columns are called s1"),
    ],
)
def test_wrong_tables_are_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_ready_asvs(sequences(tmp_path)["s.fasta"], tmp_path / "t.tsv", "s1")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(tsv().encode())[:-6], "damaged or cut short"),
        (b"\x1f\x8bno gzip at all", "damaged or cut short"),
        (tsv().replace("s2", "\xe9").encode("latin-1"), "not UTF-8 text .byte "),
        (tsv().encode("utf-16"), "not UTF-8 text .byte 1"),
    ],
)
def test_tables_that_cannot_be_read_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.tsv").write_bytes(content)
    with pytest.raises(DataError, match=f"t.tsv: .*{words}"):
        read_ready_asvs(sequences(tmp_path)["s.fasta"], tmp_path / "t.tsv", "s1")
    with pytest.raises(DataError, match=f"t.tsv: .*{words}"):
        read_ready_asvs(tmp_path / "t.tsv", None)


def test_files_of_spreadsheets_are_read(tmp_path: Path) -> None:
    table = "sequence\tid\r\nACGTACGTACGTTTGA\tf1\r\n"
    for name, content in (
        ("mark.tsv", b"\xef\xbb\xbf" + table.encode()),
        ("old.tsv", table.replace("\n", "").encode()),
    ):
        (tmp_path / name).write_bytes(content)
        assert read_ready_asvs(tmp_path / name, None)[0] == {sequence_id("ACGTACGTACGTTTGA"): 1}
    (tmp_path / "mark.fasta").write_bytes(b"\xef\xbb\xbf" + FASTA.encode())
    with pytest.raises(SequenceFormatError, match="save the file as ASCII, or as UTF-8 without that mark"):
        read_ready_asvs(tmp_path / "mark.fasta", None)


def test_sequences_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("id\tname\n1\t2\n")
    with pytest.raises(SequenceFormatError, match="neither FASTA nor a table with a column sequence"):
        read_ready_asvs(tmp_path / "x.txt", None)
    (tmp_path / "x.fasta").write_text(">a\nACGTX\n")
    with pytest.raises(SequenceFormatError, match=r"record 1 \(a\) has 'X' at position 5"):
        read_ready_asvs(tmp_path / "x.fasta", None)


def bomb(path: Path) -> Path:
    return artifact(path, {f"{UUID}/data/dna-sequences.fasta": b"A" * 20_000_000})


def two_members(path: Path) -> Path:
    return artifact(path, {f"{name}/data/dna-sequences.fasta": FASTA.encode() for name in ("a", "b")})


def outside(path: Path) -> Path:
    return artifact(path, {"../data/../../dna-sequences.fasta": FASTA.encode()})


def cut_short(path: Path) -> Path:
    artifact(path, {f"{UUID}/data/dna-sequences.fasta": FASTA.encode() * 50})
    path.write_bytes(path.read_bytes()[:200])
    return path


def encrypted(path: Path) -> Path:
    artifact(path, {f"{UUID}/data/dna-sequences.fasta": FASTA.encode()})
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.index(mark) + offset
        content[start : start + 2] = struct.pack("<H", 1)
    path.write_bytes(bytes(content))
    return path


def broken_sum(path: Path) -> Path:
    artifact(path, {f"{UUID}/data/dna-sequences.fasta": FASTA.encode()})
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02") + 16
    content[start : start + 4] = b"\0\0\0\0"
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("make", [bomb, two_members, outside, cut_short, encrypted, broken_sum])
def test_archives_that_are_not_what_they_seem_are_refused(tmp_path: Path, make: object) -> None:
    source = make(tmp_path / "rep-seqs.qza")  # type: ignore[operator]
    with pytest.raises(DataError, match=r"rep-seqs\.qza"):
        read_artifact(source, "dna-sequences.fasta")
    assert [path.name for path in tmp_path.iterdir()] == ["rep-seqs.qza"]


@pytest.mark.shared_data
def test_real_deep_sea_asvs(shared_data: Path) -> None:
    folder = shared_data / "deepsea-18s-v9-asvs" / "Cruise_OKEX2301"
    table = folder / "02_OKEX2301_ROV-D2_18S_18Sv9_20251112-filtered_table.tsv.gz"
    source = folder / "03_OKEX2301_ROV-D2_18S_naive-bayes_rcrux-18Sv9_20251113-filtered_asv_taxa_features.tsv.gz"
    counted = read_counts_table(table)
    assert len({feature for column in counted.values() for feature in column}) == 10_998
    column = next(iter(counted))
    reads, found = read_ready_asvs(source, table, column)
    assert set(reads) == set(found)
    assert sum(reads.values()) == sum(counted[column].values())

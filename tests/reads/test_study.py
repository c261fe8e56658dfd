"""The whole chain on communities whose composition is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.amplicons import Sequencer, random_sequence, write_fastq
from support.reads_chain import Chain, library

from abyssal.config.preprocess import ControlsConfig, DenoiseConfig, PreprocessConfig, TrimConfig
from abyssal.errors import SequenceFormatError
from abyssal.sequences.alphabet import sequence_id
from abyssal.sequences.records import read_records

RNG = np.random.default_rng(12)
SPECIES = [random_sequence(RNG, int(length)) for length in RNG.integers(150, 230, 12)]
IDS = [sequence_id(sequence) for sequence in SPECIES]


def community(*reads: int) -> list[str]:
    return [sequence for sequence, count in zip(SPECIES, reads, strict=False) for _ in range(count)]


def expected(*reads: int) -> dict[str, int]:
    return {name: count for name, count in zip(IDS, reads, strict=False) if count}


def test_known_communities_are_counted_exactly(tmp_path: Path) -> None:
    files = {name: Sequencer(read_length=180).write(tmp_path, name, community(*reads)) for name, reads in
             {"a": (50, 20, 5, 0, 2), "b": (0, 20, 0, 7, 2)}.items()}  # fmt: skip
    results = Chain(tmp_path / "out").run([library(name, *pair) for name, pair in files.items()])
    assert results.counts("a") == expected(50, 20, 5, 0, 2)
    assert results.counts("b") == expected(0, 20, 0, 7, 2)
    assert results.table.features == tuple(sorted(expected(1, 1, 1, 1, 1), key=lambda name: (
        -sum(results.counts(sample).get(name, 0) for sample in "ab"), name)))  # fmt: skip
    asvs = {record.id: record.sequence for record in read_records(results.outputs.asvs)}
    assert list(asvs) == list(results.table.features)
    assert all(sequence_id(sequence) == name for name, sequence in asvs.items())
    assert sum(row.reads_lost for row in results.ledger) == 0


def test_libraries_of_one_sample_are_added_up(tmp_path: Path) -> None:
    rows = [
        library(name, *Sequencer(read_length=180).write(tmp_path, name, community(*reads)), sample=sample, run=run)
        for name, reads, sample, run in [("a1", (5, 2), "a", "1"), ("a2", (3, 0, 4), "a", "2"), ("b1", (6,), "b", "1")]
    ]
    results = Chain(tmp_path / "out").run(rows)
    assert results.table.columns == ("a", "b")
    assert results.counts("a") == expected(8, 2, 4)
    assert {row.library for row in results.ledger} == {"a1", "a2", "b1"}


@pytest.mark.parametrize("pooling", ["pooled", "sample"])
def test_a_library_seen_alone_or_with_others_when_denoised_by_sample(tmp_path: Path, pooling: str) -> None:
    """Only by-sample denoising promises that a sample's column does not change while the study grows."""
    config = PreprocessConfig(denoise=DenoiseConfig(pooling=pooling))
    first, more = (
        library(name, *Sequencer(read_length=180).write(tmp_path, name, community(*reads)))
        for name, reads in (("a", (9, 1, 4)), ("b", (9, 1, 4)))
    )
    alone = Chain(tmp_path / "alone", config).run([first]).counts("a")
    together = Chain(tmp_path / "together", config).run([first, more]).counts("a")
    assert alone == expected(9, 0, 4)
    assert together == (alone if pooling == "sample" else expected(9, 1, 4))


def test_blanks_leave_the_table_and_take_their_contaminants_along(tmp_path: Path) -> None:
    rows = [
        library("a", *Sequencer(read_length=180).write(tmp_path, "a", community(40, 5, 3))),
        library("blank", *Sequencer(read_length=180).write(tmp_path, "blank", community(2, 5)), control="pcr_blank"),
    ]
    results = Chain(tmp_path / "out").run(rows)
    assert results.table.columns == ("a",)
    assert results.counts("a") == expected(40, 0, 3)
    assert results.lost("a") == {"at_or_below_control": 5}
    assert results.lost("blank") == {"negative_control": 7}
    removals = results.outputs.controls.read_text().splitlines()
    assert f"{IDS[1]}\ta\ta\t5\t5\tat_or_below_control\tblank\t5" in removals
    kept = Chain(tmp_path / "kept", PreprocessConfig(controls=ControlsConfig(method="none"))).run(rows)
    assert kept.counts("blank") == expected(2, 5)


def test_single_reads_and_mixed_orientation(tmp_path: Path) -> None:
    forward = Sequencer(read_length=180).pairs(community(6, 3))
    flipped = Sequencer(read_length=180).pairs(community(2, 5), flipped=True)
    files = []
    for number in (0, 1):
        reads = [(f"r{n}", *read[1:]) for n, read in enumerate(forward[number] + flipped[number])]
        files.append(write_fastq(tmp_path / f"{number}.fastq", reads))
    single, _ = Sequencer(read_length=290).write(tmp_path, "single", community(0, 4, 4))
    config = PreprocessConfig(trim=TrimConfig(orientation="mixed"))
    results = Chain(tmp_path / "out", config).run([library("pairs", *files), library("single", single)])
    assert results.counts("pairs") == expected(8, 8)
    assert results.counts("single") == expected(0, 4, 4)
    summary = results.outputs.summary.read_text().splitlines()
    assert dict(zip(summary[0].split("\t"), summary[1].split("\t"), strict=True))["turned_round"] == "7"


def test_ready_made_asvs_join_the_table(tmp_path: Path) -> None:
    ready = tmp_path / "ready.fasta"
    ready.write_text(f">x;size=12\n{SPECIES[0].lower()}\n>y\n{SPECIES[3]}\n>z;size=2;\n{SPECIES[0]}\n")
    files = Sequencer(read_length=180).write(tmp_path, "a", community(4, 3))
    results = Chain(tmp_path / "out").run([library("a", *files), library("old", ready)])
    assert results.counts("old") == expected(14, 0, 0, 1)
    assert results.counts("a") == expected(4, 3)
    only = Chain(tmp_path / "only").run([library("old", ready)])
    assert only.counts("old") == expected(14, 0, 0, 1)


@pytest.mark.parametrize("text", [">x;size=many\nACGT\n", ">x\nACEGT\n", ">x\n\n"])
def test_ready_made_asvs_that_are_malformed_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "ready.fasta").write_text(f">ok\nACGT\n{text}")
    with pytest.raises(SequenceFormatError, match=r"ready\.fasta: record 2 \(x"):
        Chain(tmp_path / "out").run([library("old", tmp_path / "ready.fasta")])


def test_runs_are_identical_to_the_byte_whatever_threads_and_order(tmp_path: Path) -> None:
    rows = [
        library(name, *Sequencer(read_length=180).write(tmp_path, name, community(*RNG.integers(0, 9, 12).tolist())))
        for name in "abc"
    ]
    once = Chain(tmp_path / "once").run(rows).bytes()
    again = Chain(tmp_path / "again", threads=2).run(rows).bytes()
    turned = Chain(tmp_path / "turned").run(rows[::-1])
    assert once == again
    assert turned.bytes()["asvs"] == once["asvs"]
    assert {name: turned.counts(name) for name in "abc"} == {name: reads_of(once, name) for name in "abc"}


def reads_of(outputs: dict[str, bytes], sample: str) -> dict[str, int]:
    header, *rows = (line.split("\t") for line in outputs["table"].decode().splitlines())
    column = header.index(sample)
    return {row[0]: int(row[column]) for row in rows if row[column] != "0"}

"""Several markers in one library: each read is counted for one marker, also where one amplicon holds another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.amplicons import FORWARD, REVERSE, Read, Sequencer, one_of, random_sequence, write_fastq

from abyssal.reads.contaminants import Contaminants, contaminant_file
from abyssal.reads.counts import StepCounts
from abyssal.reads.cutadapt import TrimSettings
from abyssal.reads.trim import trim_primers
from abyssal.sequences.alphabet import reverse_complement
from abyssal.sequences.records import read_records

RNG = np.random.default_rng(23)
MARKERS = {
    "18S": (FORWARD, REVERSE),
    "12S": ("GTCGGTAAAACTCGTGCCAGC", "CATAGTGGGGTATCTAATCCCAGTTTG"),
    "mini": ("GGWACWGGWTGAACWGTWTAYCCYCC", "TAIACYTCIGGRTGICCRAARAAYCA"),
}


def reads_of(marker: str, amplicons: list[str]) -> tuple[list[Read], list[Read]]:
    forward, reverse = MARKERS[marker]
    return Sequencer(forward=forward, reverse=reverse).pairs(amplicons)


def library(folder: Path, parts: list[tuple[list[Read], list[Read]]]) -> list[Path]:
    files = []
    for mate in (0, 1):
        reads = [read for part in parts for read in part[mate]]
        reads = [(f"r{number}", sequence, quality) for number, (_, sequence, quality) in enumerate(reads)]
        files.append(write_fastq(folder / f"{mate}.fastq", reads))
    return files


def trimmed(folder: Path, files: list[Path], marker: str, **changes: object) -> StepCounts:
    others = tuple((name, *pair) for name, pair in MARKERS.items() if name != marker)
    settings = replace(TrimSettings(*MARKERS[marker], other_markers=others), **changes)
    raw, counts = trim_primers(marker, files, [folder / f"out{n}.fastq" for n, _ in enumerate(files)], settings)
    assert raw.reads_out == counts.reads_in
    return counts


def test_every_read_goes_to_one_marker(tmp_path: Path) -> None:
    kinds = {"18S": 5, "12S": 3, "mini": 7}
    parts = [reads_of(name, [random_sequence(RNG, 180) for _ in range(number)]) for name, number in kinds.items()]
    noise = [[(f"n{number}", random_sequence(RNG, 150), "I" * 150) for number in range(4)] for _ in range(2)]
    files = library(tmp_path, [*parts, (noise[0], noise[1])])
    counts = {name: trimmed(tmp_path, files, name) for name in kinds}
    assert {name: found.reads_out for name, found in counts.items()} == kinds
    assert {name: found.losses["other_marker"] for name, found in counts.items()} == {"18S": 10, "12S": 12, "mini": 8}
    assert all(found.losses["no_primer"] == 4 for found in counts.values())


def test_an_amplicon_that_holds_the_primers_of_a_shorter_one(tmp_path: Path) -> None:
    inner = (
        one_of(MARKERS["mini"][0], RNG) + random_sequence(RNG, 60) + reverse_complement(one_of(MARKERS["mini"][1], RNG))
    )
    nested = [random_sequence(RNG, 6) + inner + random_sequence(RNG, 6) for _ in range(6)]
    files = library(tmp_path, [reads_of("18S", nested), reads_of("mini", [random_sequence(RNG, 80)] * 2)])
    assert trimmed(tmp_path, files, "18S").reads_out == 6
    assert trimmed(tmp_path, files, "mini").reads_out == 2


@pytest.mark.parametrize("mixed", [True, False])
def test_pairs_and_single_reads_in_either_orientation(tmp_path: Path, *, mixed: bool) -> None:
    first, second = reads_of("12S", [random_sequence(RNG, 180) for _ in range(8)])
    files = library(tmp_path, [(first[:4] + second[4:], second[:4] + first[4:])])
    assert trimmed(tmp_path, files, "12S", mixed_orientation=mixed).reads_out == (8 if mixed else 4)
    forward, reverse = (one_of(primer, RNG) for primer in MARKERS["12S"])
    whole = [forward + random_sequence(RNG, 150) + reverse_complement(reverse) for _ in range(6)]
    whole[3:] = [reverse_complement(read) for read in whole[3:]]
    single = write_fastq(tmp_path / "s.fastq", [(f"r{n}", read, "I" * len(read)) for n, read in enumerate(whole)])
    assert trimmed(tmp_path, [single], "12S", mixed_orientation=mixed).reads_out == (6 if mixed else 3)


def test_reads_of_phix_are_named(tmp_path: Path) -> None:
    genome = next(iter(read_records(contaminant_file("phix174")))).sequence
    assert len(genome) == 5386
    spiked = [genome[start : start + 150] for start in range(0, 5000, 500)]
    spiked[::2] = [reverse_complement(read) for read in spiked[::2]]
    reads = [(f"x{number}", read, "I" * 150) for number, read in enumerate(spiked)]
    files = library(tmp_path, [(reads, reads), reads_of("18S", [random_sequence(RNG, 180)] * 3)])
    phix = {"contaminants": (contaminant_file("phix174"),)}
    alone = TrimSettings(*MARKERS["18S"], **phix)  # type: ignore[arg-type]
    _, counts = trim_primers("lib", files, [tmp_path / "a.fastq", tmp_path / "b.fastq"], alone)
    assert (counts.reads_out, counts.losses) == (3, {"contaminant": 10})
    assert trimmed(tmp_path, files, "18S", **phix).losses == {"contaminant": 10}
    assert not any(random_sequence(RNG, 200) in Contaminants([contaminant_file("phix174")]) for _ in range(50))

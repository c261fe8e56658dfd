"""Tags sort reads into libraries, spacers and all, and every read that fits no library is counted by name."""

from __future__ import annotations

from pathlib import Path

import dnaio
import numpy as np
import pytest
from support.amplicons import Read, Sequencer, random_sequence, write_fastq

from abyssal.reads.counts import read_counts
from abyssal.reads.demultiplex import COUNTS, TagSettings, demultiplex, library_reads
from abyssal.sequences.alphabet import reverse_complement

TAGS = {"a": ("ACACACAC", "GTGTGTGT"), "b": ("ACACACAC", "CTCTCTCT"), "c": ("TGCATGCA", "GTGTGTGT")}
RNG = np.random.default_rng(17)


def tagged(
    reads: tuple[list[Read], list[Read]], tags: tuple[str, str], spacer: int = 0
) -> tuple[list[Read], list[Read]]:
    """The pairs with a spacer and a tag before each read."""
    put: list[list[Read]] = []
    for mate, tag in zip(reads, tags, strict=True):
        start = random_sequence(RNG, spacer) + tag
        put.append([(name, start + read, "I" * len(start) + quality) for name, read, quality in mate])
    return put[0], put[1]


def write(folder: Path, *parts: tuple[list[Read], list[Read]]) -> list[Path]:
    files = []
    for mate in (0, 1):
        reads = [read for part in parts for read in part[mate]]
        reads = [(f"r{number}", sequence, quality) for number, (_, sequence, quality) in enumerate(reads)]
        files.append(write_fastq(folder / f"pool_R{mate + 1}.fastq.gz", reads))
    return files


def amplicons(number: int) -> list[str]:
    return [random_sequence(RNG, 120) for _ in range(number)]


def names(path: Path) -> list[str]:
    if not path.stat().st_size:
        return []
    with dnaio.open(path) as reader:
        return [record.name.split()[0] for record in reader]


def leftovers(folder: Path) -> dict[str, int]:
    raw, lost = read_counts(folder / COUNTS)
    assert raw.reads_out == lost.reads_in
    assert lost.reads_out == 0
    return dict(lost.losses)


@pytest.mark.parametrize("spacer", [0, 1, 3])
def test_pairs_of_tags_name_libraries(tmp_path: Path, spacer: int) -> None:
    made = {
        name: tagged(Sequencer().pairs(amplicons(5 + place)), tags, spacer)
        for place, (name, tags) in enumerate(TAGS.items())
    }
    jumped = tagged(Sequencer().pairs(amplicons(2)), ("TGCATGCA", "CTCTCTCT"))
    foreign = tagged(Sequencer().pairs(amplicons(3)), ("GGGGTTTT", "GTGTGTGT"))
    files = write(tmp_path, *made.values(), jumped, foreign)
    demultiplex("undetermined-1", files, tmp_path / "out", TAGS, TagSettings(max_spacer=3))
    found = {name: names(library_reads(name, [tmp_path / "out"])[0]) for name in TAGS}
    assert {name: len(reads) for name, reads in found.items()} == {"a": 5, "b": 6, "c": 7}
    assert all(len(library_reads(name, [tmp_path / "out"])) == 2 for name in TAGS)
    assert leftovers(tmp_path / "out") == {"unused_tag_pair": 2, "no_tag": 3}


def test_tags_come_off_and_primers_stay(tmp_path: Path) -> None:
    reads = Sequencer().pairs(amplicons(4))
    files = write(tmp_path, tagged(reads, TAGS["a"]))
    demultiplex("u", files, tmp_path / "out", TAGS, TagSettings())
    for mate, path in enumerate(library_reads("a", [tmp_path / "out"])):
        with dnaio.open(path) as reader:
            assert [record.sequence for record in reader] == [read for _, read, _ in reads[mate]]


def test_one_error_is_forgiven_and_two_are_not(tmp_path: Path) -> None:
    reads = Sequencer().pairs(amplicons(2))
    one, two = tagged(reads, ("ACACACAA", "GTGTGTGT")), tagged(reads, ("ACACAGGC", "GTGTGTGT"))
    demultiplex("u", write(tmp_path, one, two), tmp_path / "out", TAGS, TagSettings(max_errors=1))
    assert len(names(library_reads("a", [tmp_path / "out"])[0])) == 2
    assert leftovers(tmp_path / "out") == {"no_tag": 2}


def test_pairs_in_either_orientation(tmp_path: Path) -> None:
    first, second = tagged(Sequencer().pairs(amplicons(6)), TAGS["a"])
    files = write(tmp_path, (first[:3] + second[3:], second[:3] + first[3:]))
    demultiplex("u", files, tmp_path / "out", TAGS, TagSettings(mixed_orientation=True))
    assert len(names(library_reads("a", [tmp_path / "out"])[0])) == 6


def test_single_reads_with_tags_at_both_ends_and_at_one(tmp_path: Path) -> None:
    whole = [random_sequence(RNG, 90) for _ in range(4)]
    both = [TAGS["a"][0] + read + reverse_complement(TAGS["a"][1]) for read in whole]
    source = write_fastq(tmp_path / "s.fastq", [(f"r{n}", read, "I" * len(read)) for n, read in enumerate(both)])
    demultiplex("u", [source], tmp_path / "both", TAGS, TagSettings())
    (reads,) = library_reads("a", [tmp_path / "both"])
    with dnaio.open(reads) as reader:
        assert [record.sequence for record in reader] == whole
    demultiplex("u", [source], tmp_path / "one", {"x": ("ACACACAC", ""), "y": ("TGCATGCA", "")}, TagSettings())
    assert [len(names(library_reads(name, [tmp_path / "one"])[0])) for name in "xy"] == [4, 0]


def test_an_empty_pool_gives_empty_libraries(tmp_path: Path) -> None:
    demultiplex("u", write(tmp_path, ([], [])), tmp_path / "out", TAGS, TagSettings())
    assert [names(path) for path in library_reads("b", [tmp_path / "out"])] == [[], []]
    assert leftovers(tmp_path / "out") == {}

"""A hopeless library is a normal case: the run succeeds, says so, and the other libraries do not change by a byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support.amplicons import Read, Sequencer, random_sequence, write_fastq
from support.reads_chain import Chain, Results, library

from abyssal.config.preprocess import DenoiseConfig, PreprocessConfig
from abyssal.reads.study import LibraryFiles
from abyssal.samples.model import Library

RNG = np.random.default_rng(5)
SPECIES = [random_sequence(RNG, 180) for _ in range(6)]
GOOD = Sequencer(read_length=170)
OTHER_MARKER = Sequencer(read_length=170, forward="GTCGGTAAAACTCGTGCCAGC", reverse="CATAGTGGGGTATCTAATCCCAGTTTG")

Pair = tuple[list[Read], list[Read]]


def all_n() -> Pair:
    reads = [(f"r{number}", "N" * 170, "#" * 170) for number in range(20)]
    return reads, reads


def n_behind_the_primers() -> Pair:
    first, second = GOOD.pairs(SPECIES)
    return tuple([(name, read[:25] + "N" * 145, quality) for name, read, quality in reads] for reads in (first, second))


def turned_round() -> Pair:
    return GOOD.pairs(SPECIES * 5, flipped=True)


def read_backwards() -> Pair:
    first, second = GOOD.pairs(SPECIES * 5)
    return tuple([(name, read[::-1], quality) for name, read, quality in reads] for reads in (first, second))


def noise() -> Pair:
    return tuple([(f"r{n}", random_sequence(RNG, 170), "I" * 170) for n in range(30)] for _ in range(2))


def terrible_quality() -> Pair:
    first, second = Sequencer(read_length=170, quality="#").pairs(SPECIES * 5)
    return first, second


HOPELESS: dict[str, Callable[[], Pair]] = {
    "empty": lambda: ([], []),
    "one read": lambda: GOOD.pairs([random_sequence(RNG, 180)]),
    "all N": all_n,
    "N behind the primers": n_behind_the_primers,
    "primer dimers": lambda: GOOD.pairs(["", "A", "ACG"] * 10),
    "wrong marker": lambda: OTHER_MARKER.pairs(SPECIES * 5),
    "turned round": turned_round,
    "read backwards": read_backwards,
    "noise": noise,
    "terrible quality": terrible_quality,
    "short reads": lambda: tuple([("r", "ACG", "III")] for _ in range(2)),
}


@dataclass(frozen=True)
class Others:
    """Two good libraries, taken through their own steps once."""

    rows: list[Library]
    prepared: dict[str, LibraryFiles]

    def study(self, folder: Path, replaced: Pair, pooling: str) -> Results:
        """Run them with a third library between them."""
        folder.mkdir()
        files = [write_fastq(folder / f"hopeless_R{n}.fastq.gz", reads) for n, reads in enumerate(replaced, start=1)]
        config = PreprocessConfig(denoise=DenoiseConfig(pooling=pooling))
        rows = [self.rows[0], library("hopeless", *files), self.rows[1]]
        return Chain(folder / "out", config, prepared=self.prepared).run(rows)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Others:
    folder = tmp_path_factory.mktemp("others")
    rows = []
    for name, reads in (("a", (9, 5, 0, 3, 2, 1)), ("b", (2, 2, 7, 0, 4, 8))):
        amplicons = [kind for kind, count in zip(SPECIES, reads, strict=True) for _ in range(count)]
        rows.append(library(name, *GOOD.write(folder, name, amplicons)))
    return Others(rows, {row.library: Chain(folder / "out").prepare(row) for row in rows})


def rows_of_others(results: Results) -> tuple[bytes, dict[str, dict[str, int]], list[str]]:
    ledger = results.outputs.ledger.read_text().splitlines()
    return (
        results.outputs.asvs.read_bytes(),
        {name: results.counts(name) for name in "ab"},
        [line for line in ledger if not line.startswith("hopeless\t")],
    )


@pytest.fixture(scope="module")
def with_empty(others: Others, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    folder = tmp_path_factory.mktemp("empty")
    return {pooling: others.study(folder / pooling, ([], []), pooling) for pooling in ("pooled", "sample")}


@pytest.mark.parametrize("pooling", ["pooled", "sample"])
@pytest.mark.parametrize("kind", HOPELESS)
def test_a_hopeless_library_changes_nothing_else(
    tmp_path: Path, others: Others, with_empty: dict[str, Results], kind: str, pooling: str
) -> None:
    replaced = HOPELESS[kind]()
    results = others.study(tmp_path / "study", replaced, pooling)
    assert rows_of_others(results) == rows_of_others(with_empty[pooling])
    assert results.table.columns == ("a", "hopeless", "b")
    assert results.counts("hopeless") == {}
    assert sum(results.lost("hopeless").values()) == len(replaced[0])
    summary = [line.split("\t") for line in results.outputs.summary.read_text().splitlines()]
    row = dict(zip(summary[0], summary[2], strict=True))
    assert (row["library"], row["reads_raw"], row["reads_final"]) == ("hopeless", str(len(replaced[0])), "0")
    assert row["remark"]


def test_a_study_of_nothing_but_empty_libraries_succeeds(tmp_path: Path) -> None:
    rows = [
        library(name, *(write_fastq(tmp_path / f"{name}{n}.fastq", []) for n in (1, 2)), control=control)
        for name, control in (("a", ""), ("blank", "pcr_blank"))
    ]
    results = Chain(tmp_path / "out").run(rows)
    assert results.table.columns == ("a",)
    assert results.table.features == ()
    assert results.outputs.asvs.read_text() == ""

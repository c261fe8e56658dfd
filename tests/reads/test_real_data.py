"""Real libraries of four markers pass, and the 18S study lands where a plain cutadapt and vsearch run lands."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.reads_chain import Chain, Results, library

from abyssal.config.preprocess import FilterConfig, PreprocessConfig, TrimConfig

pytestmark = pytest.mark.shared_data


def study(chain: Chain, folder: Path, mate: str = "_R1", most: int | None = None) -> tuple[Results, Counter[str]]:
    """Run the libraries of a folder; the results, and the reads that each step left."""
    firsts = sorted(folder.glob(f"*{mate}*"))[:most]
    rows = [library(path.name.split(mate)[0], path, path.with_name(path.name.replace("_R1", "_R2"))) for path in firsts]
    results = chain.run(rows)
    left: Counter[str] = Counter()
    for _, step, reads in {(row.library, row.step, row.reads_out) for row in results.ledger}:
        left[step] += reads
    return results, left


def test_carbom_18s_lands_where_the_plain_chain_does(shared_data: Path, tmp_path: Path) -> None:
    """Plain chain: 8,974 pairs trimmed, 7,017 merged, 3,959 filtered, 92 ASVs."""
    reads = shared_data / "18s-carbom-reads" / "fastq"
    strict = PreprocessConfig(filter=FilterConfig(max_expected_errors_mapped=None))
    results, left = study(Chain(tmp_path / "strict", strict, window=(200, 700)), reads)
    assert left["raw"] == 14_000
    assert left["trim"] == pytest.approx(8_974, abs=20)
    assert left["merge"] == pytest.approx(7_017, abs=70)
    assert left["filter"] == pytest.approx(3_959, abs=20)
    assert left["controls"] > 0.98 * left["filter"]
    assert len(results.table.features) == pytest.approx(92, abs=4)
    # By default poorer reads are counted towards the same ASVs.
    usual, more = study(Chain(tmp_path / "usual", window=(200, 700)), reads)
    assert usual.table.features
    assert set(usual.table.features) == set(results.table.features)
    assert more["merge"] == left["merge"]
    assert 1.5 * left["controls"] < more["controls"] <= more["filter"]


def test_reef_12s_reads_run_through_the_amplicon_and_merge(shared_data: Path, tmp_path: Path) -> None:
    primers = ("GTCGGTAAAACTCGTGCCAGC", "CATAGTGGGGTATCTAATCCCAGTTTG")
    results, left = study(Chain(tmp_path, primers=primers, window=(100, 350)), shared_data / "12s-reef-reads")
    assert left["trim"] > 1_950
    assert left["merge"] > 1_300  # the rest is bacterial 16S, longer than two reads of this quality can span
    assert len(results.table.features) > 20


def test_multirun_16s_has_random_bases_before_its_primers(shared_data: Path, tmp_path: Path) -> None:
    config = PreprocessConfig(trim=TrimConfig(random_bases=4))
    primers = ("GTGCCAGCMGCCGCGGTAA", "GGACTACNVGGGTWTCTAAT")
    _, left = study(Chain(tmp_path, config, primers, (230, 280)), shared_data / "16s-multirun-reads")
    assert left["raw"] == 8_000
    assert left["trim"] > 7_700
    assert left["filter"] > 7_400


def test_beetle_coi_passes(shared_data: Path, tmp_path: Path) -> None:
    primers = ("CCNGAYATRGCNTTYCCNCG", "TANACYTCNGGRTGNCCRAARAAYCA")
    chain = Chain(tmp_path, primers=primers, window=(390, 450))
    results, left = study(chain, shared_data / "coi-beetle-reads", most=1)
    assert left["trim"] > 0.99 * left["raw"]
    assert left["filter"] > 0.8 * left["raw"]
    assert len(results.table.features) > 5

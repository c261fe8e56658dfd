"""Simulated libraries go through the real tools as real ones do, and what comes out is the truth."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from abyssal.sequences.alphabet import sequence_id
from abyssal.sequences.records import read_records
from abyssal.simulate.community import LibraryPlan
from abyssal.simulate.settings import Amplification
from abyssal.simulate.templates import Template
from abyssal.tools import run_tool

from .conftest import FORWARD, REVERSE, Simulated

pytestmark = pytest.mark.skipif(shutil.which("vsearch") is None, reason="vsearch is not installed")


def cutadapt(*arguments: object) -> None:
    """Run the cutadapt of this environment."""
    run_tool([sys.executable, "-m", "cutadapt", "--quiet", "--cores", "1", *map(str, arguments)])


def test_cutadapt_and_vsearch_find_the_variants_that_are_there(
    simulate: Callable[..., Simulated], templates: list[Template], tmp_path: Path
) -> None:
    rng = np.random.default_rng(8)
    weights = {
        template.id: float(weight) for template, weight in zip(templates, rng.lognormal(0, 0.8, 24), strict=True)
    }
    made = simulate(
        libraries=[LibraryPlan("lib", 6000, weights)], amplification=Amplification(efficiency_sd=0.0, chimera_rate=0.02)
    )
    ends = [made.folder / f"lib_R{mate}.fastq.gz" for mate in (1, 2)]
    trimmed = [tmp_path / f"t{mate}.fastq" for mate in (1, 2)]
    report = tmp_path / "cutadapt.json"
    cutadapt(
        "-e", 0.15, "-g", f"^{FORWARD}", "-G", f"^{REVERSE}", "--discard-untrimmed", "--json", report,
        "-o", trimmed[0], "-p", trimmed[1], *ends,
    )  # fmt: skip
    counts = json.loads(report.read_text())["read_counts"]
    assert counts["input"] == 6000
    assert counts["output"] > 0.97 * 6000
    merged, filtered, unique, variants, clean = (tmp_path / name for name in ("m.fq", "f.fa", "u.fa", "v.fa", "c.fa"))
    run_tool(["vsearch", "--fastq_mergepairs", trimmed[0], "--reverse", trimmed[1], "--fastq_maxdiffs", "20",
              "--fastqout", merged, "--threads", "1"])  # fmt: skip
    run_tool(["vsearch", "--fastq_filter", merged, "--fastq_maxee", "1.0", "--fastaout", filtered])
    run_tool(["vsearch", "--derep_fulllength", filtered, "--sizeout", "--output", unique])
    run_tool(["vsearch", "--cluster_unoise", unique, "--minsize", "4", "--sizein", "--sizeout", "--centroids", variants,
              "--threads", "1"])  # fmt: skip
    run_tool(["vsearch", "--uchime3_denovo", variants, "--sizein", "--xsize", "--nonchimeras", clean])
    found = {sequence_id(record.sequence) for record in read_records(clean)}
    expected = {sequence_id(template.sequence) for template in templates}
    assert len(found & expected) >= 22
    truth = {row["molecule"]: row["status"] for row in made.counts()}
    assert len([name for name in found - expected if name not in truth]) <= 2


def test_cutadapt_removes_adapters_behind_short_molecules(simulate: Callable[..., Simulated], tmp_path: Path) -> None:
    short = Template("short", "ACGTTGCAACGGTCATTACA" * 5)
    made = simulate(pairs=300, own=[short])
    out = [tmp_path / f"t{mate}.fastq" for mate in (1, 2)]
    cutadapt("-a", "AGATCGGAAGAGCACACGTC", "-A", "AGATCGGAAGAGCGTCGTGT", "-o", out[0], "-p", out[1],
             made.folder / "lib_R1.fastq.gz", made.folder / "lib_R2.fastq.gz")  # fmt: skip
    lengths = np.array([len(record.sequence) for path in out for record in read_records(path)])
    assert np.mean(lengths == len(FORWARD) + 100 + len(REVERSE)) > 0.95

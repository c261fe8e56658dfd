"""The rules of the stage as Snakemake runs them: what is rerun, what a deleted read does, what a damaged file does."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.amplicons import FORWARD, REVERSE, Sequencer, random_sequence, write_fastq

from abyssal.reads.ledger import read_ledger
from abyssal.reads.table import read_table

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(900)]

RNG = np.random.default_rng(31)
SPECIES = [random_sequence(RNG, 180) for _ in range(4)]
SNAKEFILE = """\
include: "{repository}/workflow/rules/common.smk"
include: "{repository}/workflow/rules/preprocess.smk"


rule counted:
    default_target: True
    input:
        "results/small/18S/preprocess/ledger.tsv",
"""


@dataclass
class Stage:
    """A study that stops after preprocessing."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results" / "small" / "18S" / "preprocess"

    def configure(self, **preprocess: object) -> None:
        marker = {"forward_primer": FORWARD, "reverse_primer": REVERSE, "min_length": 100, "max_length": 300}
        config = {"study": "small", "samples": "samples.tsv", "markers": {"18S": marker}, "preprocess": preprocess}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def run(self, *arguments: str, succeeds: bool = True) -> str:
        """Run Snakemake and return what it prints."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", "--configfile", "config.yaml"]
        done = subprocess.run(
            [*command, *arguments], cwd=self.folder, check=False, capture_output=True, text=True, env={**os.environ}
        )
        output = done.stdout + done.stderr
        assert (done.returncode == 0) == succeeds, output[-6000:]
        return output

    def planned(self) -> dict[str, int]:
        """Jobs by rule that Snakemake would run now."""
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", self.run("-n"), re.DOTALL)
        return {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()} if table else {}


@pytest.fixture
def stage(repository: Path, tmp_path: Path) -> Stage:
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(repository=repository))
    sequencer = Sequencer(read_length=170)
    sequencer.write(tmp_path, "a", SPECIES * 4)
    sequencer.write(tmp_path, "blank", SPECIES[:1])
    for number in (1, 2):
        write_fastq(tmp_path / f"empty_R{number}.fastq.gz", [])
    (tmp_path / "single.fastq").write_text("")
    rows = ["sample\tr1\tr2\tcontrol", "a\ta_R1.fastq.gz\ta_R2.fastq.gz\t"]
    rows += ["empty\tempty_R1.fastq.gz\tempty_R2.fastq.gz\t", "single\tsingle.fastq\t\t"]
    rows += ["blank\tblank_R1.fastq.gz\tblank_R2.fastq.gz\tpcr_blank"]
    (tmp_path / "samples.tsv").write_text("\n".join(rows) + "\n")
    study = Stage(tmp_path)
    study.configure()
    return study


def test_from_sheet_to_ledger_and_what_a_change_reruns(stage: Stage) -> None:
    stage.run()
    table = read_table(stage.results / "asv_table.tsv")
    assert table.totals() == {"a": 16, "empty": 0, "single": 0}
    assert {row.library for row in read_ledger(stage.results / "ledger.tsv")} == {"a", "empty", "single", "blank"}
    assert stage.planned() == {}
    stage.configure(controls={"method": "none"})
    assert stage.planned() == {"count_asvs": 1, "counted": 1}
    stage.configure(chimeras=None)
    assert set(stage.planned()) == {"remove_chimeras", "map_back", "count_asvs", "counted"}
    stage.configure(trim={"error_rate": 0.1})
    assert stage.planned()["trim_primers"] == 4
    stage.configure(denoise={"pooling": "sample"})
    assert stage.planned()["denoise"] == 4
    stage.run()
    assert read_table(stage.results / "asv_table.tsv").totals() == {"a": 16, "empty": 0, "single": 0}


@pytest.mark.parametrize(("after", "file", "step"), [("trim_primers", "trimmed.R2.fastq", "merge"),
                                                     ("merge_pairs", "merged.fastq", "filter"),
                                                     ("filter_reads", "unique.fasta", "map_back")])  # fmt: skip
def test_a_read_deleted_in_mid_chain_makes_the_run_fail(stage: Stage, after: str, file: str, step: str) -> None:
    stage.run("--notemp", "--until", after)
    folder = stage.results / "libraries" / "a"
    victims = [folder / file] if file != "trimmed.R2.fastq" else [folder / "trimmed.R1.fastq", folder / file]
    for victim in victims:
        lines = victim.read_text().splitlines(keepends=True)
        if file == "unique.fasta":
            lines[0] = lines[0].replace(";size=4", ";size=3")
            victim.write_text("".join(lines))
        else:
            victim.write_text("".join(lines[4:]))
    output = stage.run("--notemp", succeeds=False)
    assert f"ERROR: library a, step {step}: 15 reads arrived, but step" in output
    assert not (stage.results / "ledger.tsv").exists()


def test_a_damaged_file_is_named(stage: Stage) -> None:
    damaged = stage.folder / "a_R2.fastq.gz"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    output = stage.run("--keep-going", succeeds=False)
    assert re.search(r"ERROR: a_R2\.fastq\.gz.*(cut short|damaged)", output)
    assert (stage.results / "libraries" / "empty" / "unique.fasta").exists()


def of_samples(stage: Stage, number: int) -> None:
    """Give the study as many empty samples."""
    rows = ["sample\tr1\tr2"]
    for place in range(number):
        for mate in (1, 2):
            (stage.folder / f"s{place}_R{mate}.fastq.gz").write_bytes(b"")
        rows.append(f"s{place}\ts{place}_R1.fastq.gz\ts{place}_R2.fastq.gz")
    (stage.folder / "samples.tsv").write_text("\n".join(rows) + "\n")


def test_a_sample_more_is_three_jobs_more(stage: Stage) -> None:
    of_samples(stage, 60)
    jobs = stage.planned()
    by_library = {"trim_primers", "merge_pairs", "filter_reads"}
    assert {jobs.pop(rule) for rule in by_library} == {60}
    assert set(jobs.values()) == {1}
    assert set(jobs) == {"check_libraries", "denoise", "remove_chimeras", "map_back", "count_asvs", "counted"}


@pytest.mark.slow
def test_a_thousand_samples_are_planned_within_half_a_minute(stage: Stage) -> None:
    of_samples(stage, 1000)
    # Processor time of the child, so that whatever else runs on the machine does not count.
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    output = stage.run("-n", "--quiet", "rules")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 30
    assert re.search(r"trim_primers +1000", output)

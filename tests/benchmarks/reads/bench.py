"""Reads to a count table by Abyssal, by the bare chain of cutadapt and vsearch, and by cutadapt and DADA2.

All three get the same simulated libraries and the same cores, one after the other. Abyssal is timed as users run it,
Snakemake and all. Wall time says how long one waits, processor time what it costs whatever else the machine does.

    make bench                                                         # 100,000 pairs in four libraries
    PYTHONPATH=tests python -m benchmarks.reads.bench --pairs 250000   # one million
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from benchmarks.spent import measured

from abyssal.references.markers import ResolvedMarker, resolve_marker
from abyssal.sequences.alphabet import reverse_complement

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
RESULTS = HERE / "RESULTS.md"
MARKER = "18S-V4-Zingone"
STUDY = "bench"
SNAKEFILE = """\
include: "{repository}/workflow/rules/common.smk"
include: "{repository}/workflow/rules/preprocess.smk"


rule counted:
    default_target: True
    input:
        f"results/{{config_model.study}}/{{next(iter(config_model.markers))}}/preprocess/ledger.tsv",
"""


@dataclass(frozen=True)
class Cost:
    """Seconds of one route: on the clock, and of processors; ASVs it found and reads it counted."""

    wall: float
    processor: float
    asvs: int
    reads: int


def timed(run: Callable[[], tuple[int, int]]) -> Cost:
    """Run a route, which returns its ASVs and reads, and measure it with all its children."""
    (asvs, reads), spent = measured(run)
    return Cost(spent.wall, spent.processor, asvs, reads)


def simulate(folder: Path, pairs: int, libraries: int) -> list[str]:
    """Make the libraries and return their names."""
    command = [
        *("abyssal", "simulate", REPOSITORY / "resources" / "demo" / "reference.fasta.gz", "-o", folder),
        *("--marker", MARKER, "--libraries", libraries, "--pairs", pairs, "--richness", 60, "--seed", 5),
        "--no-read-truth",
    ]
    subprocess.run([str(part) for part in command], check=True)
    return sorted(path.name.removesuffix("_R1.fastq.gz") for path in folder.glob("*_R1.fastq.gz"))


def abyssal(folder: Path, reads: Path, cores: int, pooling: str) -> tuple[int, int]:
    """Run the workflow's preprocessing."""
    (folder / "Snakefile").write_text(SNAKEFILE.format(repository=REPOSITORY))
    rows = [f"{path.name.removesuffix('_R1.fastq.gz')}\t{path}\t{str(path).replace('_R1.', '_R2.')}"
            for path in sorted(reads.glob("*_R1.fastq.gz"))]  # fmt: skip
    (folder / "samples.tsv").write_text("\n".join(["sample\tr1\tr2", *rows]) + "\n")
    preprocess = {"denoise": {"pooling": pooling}}
    config = {"study": STUDY, "samples": "samples.tsv", "markers": {MARKER: {}}, "preprocess": preprocess}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        str(cores),
        "--quiet",
        "all",
        "--configfile",
        "config.yaml",
    ]
    subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    rows = (folder / "results" / STUDY / MARKER / "preprocess" / "asv_table.tsv").read_text().splitlines()[1:]
    return len(rows), sum(sum(map(int, row.split("\t")[1:])) for row in rows)


def linked(front: str, back: str) -> str:
    return f"{front};required...{reverse_complement(back)};optional"


def trim(reads: Path, folder: Path, name: str, marker: ResolvedMarker, cores: int) -> tuple[Path, Path]:
    """Cut primers off with cutadapt."""
    out = folder / f"{name}_R1.fastq", folder / f"{name}_R2.fastq"
    forward, reverse = marker.forward_primer, marker.reverse_primer
    call(
        "cutadapt", "--cores", cores, "--error-rate", 0.15, "--discard-untrimmed", "--minimum-length", 50, "-g",
        linked(forward, reverse), "-G", linked(reverse, forward), "--pair-filter", "any", "-o", out[0], "-p", out[1],
        reads / f"{name}_R1.fastq.gz", reads / f"{name}_R2.fastq.gz",
    )  # fmt: skip
    return out


def bare_chain(folder: Path, reads: Path, names: list[str], cores: int) -> tuple[int, int]:
    """Run cutadapt and vsearch by hand: the same steps and settings, nothing counted or checked in between."""
    marker = resolve_marker(MARKER)
    shared = ("--threads", cores, "--fasta_width", 0)
    for name in names:
        first, second = trim(reads, folder, name, marker, cores)
        merged, kept, mapped = (folder / f"{name}.{kind}" for kind in ("merged.fq", "kept.fa", "mapped.fa"))
        vsearch("--fastq_mergepairs", first, "--reverse", second, "--fastqout", merged, "--fastq_minovlen", 16,
                "--fastq_maxdiffs", 20, "--fastq_allowmergestagger", "--threads", cores)  # fmt: skip
        first.unlink()
        second.unlink()
        window = ("--fastq_minlen", marker.min_length, "--fastq_maxlen", marker.max_length, "--fastq_maxns", 0)
        for target, errors in ((kept, 1.0), (mapped, 4.0)):
            vsearch("--fastq_filter", merged, "--fastaout", target, "--fastq_maxee", errors, *window)
            vsearch("--derep_fulllength", target, "--output", target.with_suffix(".unique"), "--sizeout",
                    "--relabel_sha1", "--fasta_width", 0)  # fmt: skip
    for kind in ("kept", "mapped"):
        with (folder / f"all.{kind}").open("wb") as out:
            for name in names:
                with (folder / f"{name}.{kind}.unique").open("rb") as part:
                    shutil.copyfileobj(part, out)
    vsearch("--derep_fulllength", folder / "all.kept", "--output", folder / "pooled", "--sizein", "--sizeout")
    vsearch("--cluster_unoise", folder / "pooled", "--centroids", folder / "variants", "--minsize", 2, "--sizein",
            "--sizeout", *shared)  # fmt: skip
    vsearch("--uchime3_denovo", folder / "variants", "--nonchimeras", folder / "asvs", "--sizein", "--sizeout",
            "--fasta_width", 0)  # fmt: skip
    vsearch("--derep_fulllength", folder / "all.mapped", "--output", folder / "queries", "--sizein", "--sizeout")
    vsearch("--usearch_global", folder / "queries", "--db", folder / "asvs", "--id", 0.97, "--otutabout",
            folder / "table", "--sizein", *shared)  # fmt: skip
    rows = (folder / "table").read_text().splitlines()[1:]
    return len(rows), sum(sum(map(int, row.split("\t")[1:])) for row in rows)


def dada2(folder: Path, reads: Path, names: list[str], cores: int) -> tuple[int, int]:
    """Run cutadapt, then DADA2's own route on pairs."""
    for name in names:
        trim(reads, folder, name, resolve_marker(MARKER), cores)
    done = subprocess.run(["Rscript", str(HERE / "dada2_route.R"), str(folder), str(cores)], check=True,
                          capture_output=True, text=True)  # fmt: skip
    asvs, counted = done.stdout.split()[-2:]
    return int(asvs), int(counted)


def vsearch(*arguments: object) -> None:
    call("vsearch", *arguments)


def call(*arguments: object) -> None:
    subprocess.run([str(part) for part in arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def versions() -> str:
    """Return versions of the programs and the commit."""

    def first(*command: str) -> str:
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY)
        return (done.stdout or done.stderr).split("\n")[0].strip()

    r = first("Rscript", "-e", 'cat(as.character(packageVersion("dada2")))') if shutil.which("Rscript") else "absent"
    # vsearch prints its version to stderr, and its authors to stdout.
    done = subprocess.run(["vsearch", "--version"], check=True, capture_output=True, text=True)
    search = done.stderr.split(",")[0].replace("_linux_x86_64", "").strip()
    commit = first("git", "rev-parse", "--short", "HEAD")
    return f"{search}, cutadapt {first('cutadapt', '--version')}, dada2 {r}, {commit}"


def main() -> int:
    """Time all routes and append a row to RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=25_000, help="pairs a library (default: %(default)s)")
    parser.add_argument("--libraries", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--cores", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--pooling", choices=("pooled", "sample"), default="pooled")
    parser.add_argument("--without-dada2", action="store_true", help="leave the slow route out")
    parser.add_argument("--dry", action="store_true", help="print, do not write RESULTS.md")
    given = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        root = Path(scratch)
        for name in ("reads", "abyssal", "bare", "dada2"):
            (root / name).mkdir()
        names = simulate(root / "reads", given.pairs, given.libraries)
        costs = {
            "Abyssal": timed(lambda: abyssal(root / "abyssal", root / "reads", given.cores, given.pooling)),
            "bare chain": timed(lambda: bare_chain(root / "bare", root / "reads", names, given.cores)),
        }
        if not given.without_dada2:
            costs["cutadapt + DADA2"] = timed(lambda: dada2(root / "dada2", root / "reads", names, given.cores))
    report(given, costs)
    return 0


def report(given: argparse.Namespace, costs: dict[str, Cost]) -> None:
    """Print what was measured and append it to the table."""
    ours = costs["Abyssal"]
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    what = f"{given.pairs * given.libraries:,} in {given.libraries}, {given.pooling}"
    rows = [
        f"| {today} | {what} | {given.cores} | {name} | {cost.wall:.0f} | {cost.processor:.0f} "
        f"| {cost.wall / ours.wall:.2f} | {cost.processor / ours.processor:.2f} | {cost.asvs} | {cost.reads:,} "
        f"| {versions()} |\n"
        for name, cost in costs.items()
    ]
    sys.stdout.writelines(rows)
    if not given.dry:
        with RESULTS.open("a", encoding="utf-8") as out:
            out.writelines(rows)


if __name__ == "__main__":
    sys.exit(main())

"""How the workflow's cost grows: simulated studies of more and more reads and samples, every rule's time and memory.

    PYTHONPATH=tests python -m benchmarks.scale.scale 100000x10 1000000x10        # reads x samples; reads to vectors
    PYTHONPATH=tests python -m benchmarks.scale.scale 1000000x10 --until count_asvs
    PYTHONPATH=tests python -m benchmarks.scale.scale 200000x1000 --add 10        # then ten samples more
    PYTHONPATH=tests python -m benchmarks.scale.scale 10000000x10 --until count_asvs --reads DIR   # simulated before
    PYTHONPATH=tests python -m benchmarks.scale.scale 10000000x10 --reads DIR --bare               # the chain by hand

Rows are appended to RESULTS.md: one a study, below it one a rule that took a second or more.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from benchmarks.reads.bench import bare_chain
from benchmarks.scale.measure import RunCost, growth, run_workflow, watched

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
MARKER = "18S-V4-Zingone"
STUDY = "scale"
DEMO = REPOSITORY / "resources" / "demo"
TARGETS = {
    "count_asvs": "preprocess/ledger.tsv",
    "embed": "embed/asvs.safetensors",
    "bundle": "bundle/manifest.json",
}


def simulate(reads: Path, pairs: int, samples: int) -> None:
    """Make the libraries; communities turn over from sample to sample, so that more samples hold more taxa."""
    command = [
        "abyssal", "simulate", DEMO / "reference.fasta.gz", "-o", reads, "--marker", MARKER, "--libraries",
        samples, "--pairs", max(1, pairs // samples), "--richness", 60, "--turnover", 0.3, "--seed", 11,
        "--no-read-truth",
    ]  # fmt: skip
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def write_study(folder: Path, reads: Path, samples: int, pooling: str) -> None:
    """Write the config and a sheet of the first samples."""
    files = sorted(reads.glob("*_R1.fastq.gz"))[:samples]
    rows = [f"{file.name.removesuffix('_R1.fastq.gz')}\t{file}\t{str(file).replace('_R1.', '_R2.')}" for file in files]
    (folder / "samples.tsv").write_text("\n".join(["sample\tr1\tr2", *rows]) + "\n")
    demo = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    reference = demo["markers"][MARKER]["reference"]
    reference |= {key: str(REPOSITORY / reference[key]) for key in ("fasta", "lineages")}
    demo["markers"][MARKER].pop("truth", None)
    encoder = {"name": str(REPOSITORY / "resources" / "encoders" / "abyssal-small")}
    demo |= {"study": STUDY, "samples": "samples.tsv", "encoder": encoder}
    demo["preprocess"] = {**demo.get("preprocess", {}), "denoise": {"pooling": pooling}}
    (folder / "config.yaml").write_text(yaml.safe_dump(demo))


def arguments(until: str) -> list[str]:
    """Return what Snakemake is asked for."""
    return ["--snakefile", str(REPOSITORY / "Snakefile"), f"results/{STUDY}/{MARKER}/{TARGETS[until]}"]


def counted(folder: Path) -> dict[str, dict[str, int]]:
    """Return each ASV's reads in the samples that it is in; its name is the MD5 of its sequence."""
    table = folder / "results" / STUDY / MARKER / "preprocess" / "asv_table.tsv"
    header, *rows = (line.split("\t") for line in table.read_text().splitlines())
    return {
        name: {sample: int(reads) for sample, reads in zip(header[1:], counts, strict=True) if int(reads)}
        for name, *counts in rows
    }


def changes(before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]) -> str:
    """Say which ASVs a study lost and gained when it grew, and how many have other reads in the samples it had."""
    old = set().union(*before.values())
    moved = sum(
        {sample: reads for sample, reads in after[name].items() if sample in old} != before[name]
        for name in before.keys() & after.keys()
    )
    return (
        f"{len(before)} ASVs before, {moved} with other reads in the old samples; "
        f"lost {listed(before, after)}; gained {listed(after, before)}"
    )


def listed(these: dict[str, dict[str, int]], others: dict[str, dict[str, int]]) -> str:
    """Name the ASVs that only the first study has, with their reads."""
    only = sorted(these.keys() - others.keys(), key=lambda name: (-sum(these[name].values()), name))
    words = [f"{name} ({sum(these[name].values())} reads)" for name in only]
    return f"{len(only)}: {', '.join(words)}" if only else "none"


def study(given: argparse.Namespace, pairs: int, samples: int) -> list[tuple[str, RunCost]]:
    """Run one study, and once more with samples added where that is asked for."""
    with tempfile.TemporaryDirectory(prefix="scale-", dir=given.scratch) as scratch:
        folder = Path(scratch)
        reads = given.reads or folder / "reads"
        if given.reads is None:
            simulate(reads, pairs * (samples + given.add) // samples, samples + given.add)
        name = f"{pairs:,} x {samples}"
        if given.bare:
            return [(f"{name}, bare chain", by_hand(folder, reads, given.cores))]
        write_study(folder, reads, samples, given.pooling)
        first = run_workflow(folder, arguments(given.until), given.cores)
        before = counted(folder)
        costs = [(f"{name} ({len(before)} ASVs), {given.pooling}, to {given.until}", first)]
        if given.add:
            write_study(folder, reads, samples + given.add, given.pooling)
            again = run_workflow(folder, [*arguments(given.until), "--rerun-incomplete"], given.cores)
            costs.append((f"+ {given.add} samples: {changes(before, counted(folder))}", again))
        return costs


def by_hand(folder: Path, reads: Path, cores: int) -> RunCost:
    """Run the same programs without Abyssal, from reads to a count table."""
    names = sorted(file.name.removesuffix("_R1.fastq.gz") for file in reads.glob("*_R1.fastq.gz"))
    bare = folder / "bare"
    bare.mkdir()
    return watched(lambda: bare_chain(bare, reads, names, cores), bare)


def lines(name: str, cost: RunCost, given: argparse.Namespace) -> list[str]:
    """Return the rows of a run: the whole, then every rule of a second or more."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, check=False, capture_output=True, text=True
    ).stdout.strip()
    head = (
        f"| {today} {commit} | {name} | all | "
        f"{sum(rule.jobs for rule in cost.rules.values())} | {cost.wall:.0f} | {cost.processor:.0f} "
        f"| {cost.memory:.0f} | {cost.peak_disk:.0f} / {cost.final_disk:.0f} |"
    )
    rules = [
        f"| | | {rule} | {spent.jobs} | {spent.wall:.0f} | {spent.processor:.0f} | {spent.memory:.0f} | |"
        for rule, spent in cost.rules.items()
        if spent.wall >= 1
    ]
    return [head, *rules]


def exponents(first: tuple[int, RunCost], last: tuple[int, RunCost]) -> str:
    """Say how every rule's time grew with the number of reads, between the smallest and the largest study."""
    ratio = last[0] / first[0]
    words = []
    for rule, spent in last[1].rules.items():
        before = first[1].rules.get(rule)
        power = growth(before.wall, spent.wall, ratio) if before else None
        if power is not None and spent.wall >= 1:
            words.append(f"{rule} {power:.2f}")
    return f"Exponent of time over reads, {first[0]:,} to {last[0]:,}: {', '.join(words)}."


def main() -> int:
    """Measure the studies given and append the rows to RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", metavar="READSxSAMPLES")
    parser.add_argument("--until", choices=tuple(TARGETS), default="embed")
    parser.add_argument("--pooling", choices=("pooled", "sample"), default="pooled")
    parser.add_argument("--add", type=int, default=0, metavar="N", help="then add N samples and run again")
    parser.add_argument("--reads", type=Path, metavar="DIR", help="folder of libraries that were simulated before")
    parser.add_argument("--bare", action="store_true", help="cutadapt and vsearch by hand instead of the workflow")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--scratch", default=None, help="folder for what is made (default: the system's)")
    parser.add_argument("--dry", action="store_true", help="print, do not write RESULTS.md")
    given = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    sizes = [tuple(map(int, text.split("x"))) for text in given.studies]
    rows: list[str] = []
    measured: list[tuple[int, RunCost]] = []
    for reads, samples in sizes:
        for name, cost in study(given, reads, samples):
            rows += lines(name, cost, given)
            measured.append((reads, cost))
            print("\n".join(lines(name, cost, given)), flush=True)
    if len(sizes) > 1 and not given.add:
        print(exponents(min(measured, key=lambda one: one[0]), max(measured, key=lambda one: one[0])))
    if not given.dry:
        with (HERE / "RESULTS.md").open("a", encoding="utf-8") as out:
            out.write("\n".join(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

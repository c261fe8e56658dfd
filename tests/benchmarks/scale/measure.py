"""What a run of the workflow cost: seconds and memory of every rule, and how full the study's folder ever was."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.spent import measured

_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class RuleCost:
    """All jobs of a rule: their number, seconds on the clock and of processors, largest resident memory (MB)."""

    jobs: int
    wall: float
    processor: float
    memory: float


@dataclass(frozen=True)
class RunCost:
    """A whole run: seconds on the clock and of processors, peak and final size of the folder (MB), and its rules."""

    wall: float
    processor: float
    peak_disk: float
    final_disk: float
    rules: Mapping[str, RuleCost]


def folder_megabytes(folder: Path) -> float:
    """Return the size of a folder in MB; files that vanish while it is read count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total / 1e6


class DiskWatch(threading.Thread):
    """Looks every two seconds how full a folder is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.peak, self._ended = folder, 0.0, threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self.peak = max(self.peak, folder_megabytes(self.folder))

    def stop(self) -> float:
        """End the watch and return the peak in MB."""
        self._ended.set()
        self.join()
        return max(self.peak, folder_megabytes(self.folder))


def run_workflow(folder: Path, arguments: Sequence[str], cores: int) -> RunCost:
    """Run Snakemake in a folder with a ``config.yaml`` and measure it with all its children.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", "config.yaml"]
    watch = DiskWatch(folder / "results")
    watch.start()
    start = time.time()
    with (folder / "snakemake.out").open("ab") as out:
        _, (wall, processor) = measured(
            lambda: subprocess.run([*command, *arguments], cwd=folder, check=True, stdout=out, stderr=out)
        )
    peak = watch.stop()
    return RunCost(wall, processor, peak, folder_megabytes(folder / "results"), rule_costs(folder, since=start))


def rule_costs(folder: Path, since: float = 0.0) -> dict[str, RuleCost]:
    """Sum up the benchmark files that rules wrote after a time (seconds since 1970)."""
    found: dict[str, list[dict[str, float]]] = {}
    root = folder / "benchmarks"
    for path in root.rglob("*.jsonl"):
        if path.stat().st_mtime < since:
            continue
        # benchmarks/<study>/<marker>/<rule>.jsonl, or <rule>/<library>.jsonl
        rule = path.relative_to(root).parts[2].removesuffix(".jsonl")
        found.setdefault(rule, []).append(json.loads(path.read_text()))
    return {
        rule: RuleCost(
            len(rows), sum(row["s"] for row in rows), sum(_number(row["cpu_time"]) for row in rows),
            max(_number(row["max_rss"]) for row in rows),
        )
        for rule, rows in sorted(found.items())
    }  # fmt: skip


def _number(value: object) -> float:
    # Jobs too short to be looked at have no figure.
    return float(value) if isinstance(value, int | float) else 0.0


def growth(small: float, large: float, ratio: float) -> float | None:
    """Return the exponent k of ``cost ~ size**k`` between two sizes, or None where there is nothing to compare."""
    return math.log(large / small) / math.log(ratio) if small > 0 and large > 0 and ratio > 1 else None

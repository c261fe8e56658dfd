"""What a run cost: seconds and memory of every rule, memory of all processes at once, how full its folder ever was."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from benchmarks.spent import measured

_EVERY_SECONDS = 2.0
_PROFILE = Path(__file__).resolve().parents[3] / "workflow" / "profiles" / "local"


@dataclass(frozen=True)
class RuleCost:
    """All jobs of a rule: their number, seconds on the clock and of processors, largest resident memory (MB)."""

    jobs: int
    wall: float
    processor: float
    memory: float


@dataclass(frozen=True)
class RunCost:
    """A whole run: seconds on the clock and of processors, memory of all its processes at once and size of its folder
    (MB; the largest that were seen), the folder's size at the end, and its rules."""

    wall: float
    processor: float
    memory: float
    peak_disk: float
    final_disk: float
    rules: Mapping[str, RuleCost] = field(default_factory=dict)


def folder_megabytes(folder: Path) -> float:
    """Return the size of the files in a folder in MB; what vanishes while it is read counts nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(root, name).lstat().st_blocks * 512
    return total / 1e6


def children_megabytes() -> float:
    """Return the resident memory of all processes below this one in MB; what they share counts for each of them."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / 1e6


class Watch(threading.Thread):
    """Looks every two seconds how full a folder is and how much memory this process's children have."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.disk, self.memory, self._ended = folder, 0.0, 0.0, threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self.disk = max(self.disk, folder_megabytes(self.folder))
            self.memory = max(self.memory, children_megabytes())

    def stop(self) -> None:
        """End the watch."""
        self._ended.set()
        self.join()


def watched(work: Callable[[], object], folder: Path) -> RunCost:
    """Do something that runs child processes and writes to a folder, and measure it."""
    watch = Watch(folder)
    watch.start()
    try:
        _, (wall, processor) = measured(work)
    finally:
        watch.stop()
    left = folder_megabytes(folder)
    return RunCost(wall, processor, watch.memory, max(watch.disk, left), left)


def run_workflow(folder: Path, arguments: Sequence[str], cores: int) -> RunCost:
    """Run Snakemake with the local profile in a folder with a ``config.yaml`` and measure it with all its children.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    command = [sys.executable, "-m", "snakemake", "--profile", str(_PROFILE), "--cores", str(cores)]
    command += ["--configfile", "config.yaml", *arguments]
    start = time.time()
    with (folder / "snakemake.out").open("ab") as out:
        cost = watched(
            lambda: subprocess.run(command, cwd=folder, check=True, stdout=out, stderr=out), folder / "results"
        )
    return replace(cost, rules=rule_costs(folder, since=start))


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

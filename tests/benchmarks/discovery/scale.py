"""How discovery grows: time and memory of every step on 10,000 to 1,000,000 ASVs of new species, one process each.

    python tests/benchmarks/discovery/scale.py 10000 100000 1000000
    python tests/benchmarks/discovery/scale.py 10000 --method average-linkage --no-reference

Tables are appended to RESULTS.md. Seconds are of the processor, one thread; memory is the largest resident size in a
step, what earlier steps left included.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_variable] = "1"

import numpy as np  # noqa: E402  (after the number of threads is set)
from community import make  # noqa: E402

from abyssal.config.models import ClusterConfig  # noqa: E402
from abyssal.discovery import stage  # noqa: E402
from abyssal.discovery.records import write_records  # noqa: E402

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
STEPS = {
    "find_parents": "error satellites", "_gate": "gate", "choose_method": "choice of the method",
    "_groups": "grouping, three resamples", "match_previous": "ids", "describe_groups": "records",
    "_map_points": "points of the map", "lay_out": "map",
}  # fmt: skip
Cost = tuple[float, float]


class Memory(threading.Thread):
    """Watches how large the process is."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.start()

    def run(self) -> None:
        """Look five times a second."""
        while True:
            self.peak = max(self.peak, self.now())
            time.sleep(0.2)

    @staticmethod
    def now() -> float:
        """Return the resident size in MB."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def timed(function: Callable[..., Any], name: str, memory: Memory, costs: dict[str, Cost]) -> Callable[..., Any]:
    """Return the function that also writes down what it cost."""

    def wrapped(*arguments: Any, **named: Any) -> Any:
        start, memory.peak = time.process_time(), 0.0
        result = function(*arguments, **named)
        time.sleep(0.3)
        costs[name] = (time.process_time() - start, memory.peak)
        print(f"  {name}: {costs[name][0]:.1f} s, {costs[name][1]:,.0f} MB", flush=True)
        return result

    return wrapped


def measure(count: int, given: argparse.Namespace) -> tuple[dict[str, Cost], str]:
    """Return the cost of every step and what was found."""
    memory, costs = Memory(), dict[str, Cost]()
    with tempfile.TemporaryDirectory() as scratch:
        study, named = make(given.data, Path(scratch), count)
        print(f"{len(study):,} ASVs, reference of {len(named.reference):,} amplicons", flush=True)
        costs["input in memory"] = (0.0, memory.now())
        for attribute, name in STEPS.items():
            setattr(stage, attribute, timed(getattr(stage, attribute), name, memory, costs))
        settings = ClusterConfig(method=given.method, exact_limit=given.exact_limit)
        found = stage.discover(study, named if given.reference else None, settings, seed=1)
        files = {name: Path(scratch, name) for name in ("records", "members", "exemplars", "consensus")}
        timed(write_records, "writing", memory, costs)(found.taxa, study.samples, **files)
    species = len(study) / 10
    words = f"{found.selection.method}, {len(found.taxa):,} putative taxa of {species:,.0f} species"
    return costs, words


def table(sizes: list[int], found: list[tuple[dict[str, Cost], str]]) -> list[str]:
    """Return the rows of a table, a step a row, with the exponent of growth between the two largest studies."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, check=False, capture_output=True, text=True
    ).stdout.strip()
    words = "; ".join(f"{size:,} ASVs: {text}" for size, (_, text) in zip(sizes, found, strict=True))
    lines = [f"\n{today} {commit}. {words}.\n"]
    lines.append("| step | " + " | ".join(f"{size:,}" for size in sizes) + " | exponent |")
    lines.append("|---|" + "---|" * (len(sizes) + 1))
    total = [sum(cost[0] for cost in costs.values()) for costs, _ in found]
    peak = [max(cost[1] for cost in costs.values()) for costs, _ in found]
    rows = [(name, [costs[name] for costs, _ in found]) for name in found[0][0]]
    for name, row in [*rows, ("all", list(zip(total, peak, strict=True)))]:
        cells = [f"{seconds:,.1f} s, {megabytes:,.0f} MB" for seconds, megabytes in row]
        exponent = ""
        if len(row) > 1 and row[-2][0] > 0.5:
            exponent = f"{np.log(row[-1][0] / row[-2][0]) / np.log(sizes[-1] / sizes[-2]):.2f}"
        lines.append(f"| {name} | {' | '.join(cells)} | {exponent} |")
    return lines


def main() -> int:
    """Measure every size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="+", type=int, metavar="ASVS")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="folder of real data")
    parser.add_argument("--method", default="automatic")
    parser.add_argument("--no-reference", dest="reference", action="store_false")
    parser.add_argument("--exact-limit", type=int, default=ClusterConfig().exact_limit)
    parser.add_argument("--dry", action="store_true", help="print, do not write RESULTS.md")
    given = parser.parse_args()
    found = []
    for size in given.sizes:
        with get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(measure, (size, given)))
    lines = table(given.sizes, found)
    print("\n".join(lines))
    if not given.dry:
        with (HERE / "RESULTS.md").open("a", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

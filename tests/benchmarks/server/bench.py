"""Measure the service as it is judged: ``PYTHONPATH=tests python -m benchmarks.server.bench MEASURE --bundle DIR``.

Every figure stands beside the bare engine in one tree of processes. ``soak`` takes minutes; sizes can be made smaller.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.server import measures, soak
from benchmarks.server.load import Library

Measure = Callable[[Path, Path, Library, float], dict[str, Any]]

MEASURES: dict[str, Measure] = {
    "streaming": lambda b, f, lib, s: measures.streaming(b, f, lib, reads=int(8192 * s), rounds=max(int(5 * s), 1)),
    "small-calls": lambda b, f, lib, s: measures.small_calls(b, f, lib, calls=int(1000 * s)),
    "duplicates": lambda b, f, lib, s: measures.duplicates(b, f, lib, reads=int(200_000 * s)),
    "overhead": lambda b, f, lib, s: measures.overhead(b, f, lib, reads=int(200_000 * s), rounds=5),
    "soak": lambda b, f, lib, s: dataclasses.asdict(
        soak.soak(
            b, f, lib, reads=int(10_000_000 * s), stall=60.0 * s, idle=int(1000 * s), crashing=max(int(200 * s), 1)
        )
    ),
}


def main() -> None:
    """Run one measure and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("--bundle", type=Path, required=True, help="directory of the bundle that is served")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size (default: 1)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    # One thread for the model in both, so that the ratio does not depend on who gets how many cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    library = Library(arguments.bundle, np.random.default_rng(arguments.seed))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        figures = MEASURES[arguments.measure](arguments.bundle, Path(folder), library, arguments.scale)
    figures["load_average"] = os.getloadavg()[0]
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

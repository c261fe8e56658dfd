"""Reads a second and memory beside vsearch, on the same references and queries, while the reference grows.

vsearch reads its reference anew in every run; its rate is therefore taken from two runs, with all queries and with one.
Abyssal's rate is that of a loaded model, as a service or a workflow job has it. Rates are given by the clock and by the
processor time used: on a machine that others use too only the second tells two methods, or two sizes, apart.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from abyssal.benchmark.cases import LINEAGES_FILE, REFERENCE_FILE, Case
from abyssal.benchmark.ours import fit
from abyssal.config.models import TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.evaluation.baselines import Baselines
from abyssal.evaluation.groups import substituted
from abyssal.evaluation.split import HeldOutQuery
from abyssal.files import write_json
from abyssal.references.model import AmpliconReference, read_reference
from abyssal.taxonomy.classifier import Classifier
from abyssal.tools import require_tool, run_tool

QUERIES = 2000
ERROR = 0.01
DIVERGENCE = 0.03
"""Substitutions per base of the copies that make a reference larger than it is."""
CALIBRATION = 1000
"""Calibration queries of the fits; how well they are calibrated does not matter for speed."""


_MEASURE = """\
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


@dataclass(frozen=True)
class Timing:
    """Wall seconds, processor seconds of all threads, and peak memory (MB) of a program."""

    seconds: float
    processor_seconds: float
    memory_mb: float


def write_speed(
    dataset: Path, encoder: str, settings: TrainConfig, sizes: list[float], target: Path,
    *, batch_size: int, seed: int, threads: int,
) -> None:  # fmt: skip
    """Measure every size of the reference in a dataset's folder and write the rows."""
    rng = np.random.default_rng(seed)
    whole = read_reference(dataset / REFERENCE_FILE, dataset / LINEAGES_FILE)
    asked = rng.permutation(len(whole))[: min(QUERIES, len(whole))].tolist()
    queries = [HeldOutQuery(f"q{p}", substituted(whole.sequences[p], ERROR, rng), whole.lineages[p]) for p in asked]
    quick = settings.model_copy(update={"calibration_queries": CALIBRATION})
    loaded = load_encoder(encoder, batch_size=batch_size)
    rows: list[dict[str, Any]] = []
    for size in sizes:
        case = Case.plain(resized(whole, size, rng), queries)
        classifier = fit(case, loaded.embed(case.fitted.sequences), loaded, quick, seed)
        sequences = [query.sequence for query in queries]
        classifier.classify(sequences[:64])
        rows.append(_row("abyssal", case, len(queries), _own_timing(classifier, sequences)))
        rows += _peers(case, threads)
    write_json(target, {"threads": threads, "load_average": os.getloadavg()[0], "queries": len(queries), "rows": rows})


def resized(reference: AmpliconReference, size: float, rng: np.random.Generator) -> AmpliconReference:
    """Return a random share of a reference, or the whole one with mutated copies, ``size`` times as large."""
    count = len(reference)
    if size <= 1.0:
        return reference.subset(np.sort(rng.permutation(count)[: max(round(size * count), 1)]).tolist())
    entries = dict(zip(reference.sequences, zip(reference.ids, reference.members, strict=True), strict=True))
    while len(entries) < round(size * count):
        place = int(rng.integers(count))
        sequence = substituted(reference.sequences[place], DIVERGENCE, rng)
        entries.setdefault(sequence, (f"copy{len(entries)}", reference.members[place]))
    return AmpliconReference(
        reference.ranks, tuple(name for name, _ in entries.values()), tuple(entries),
        tuple(members for _, members in entries.values()),
    )  # fmt: skip


def _own_timing(classifier: Classifier, sequences: list[str]) -> Timing:
    start, used = time.perf_counter(), time.process_time()
    classifier.classify(sequences)
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - used
    return Timing(seconds, processor_seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _row(method: str, case: Case, reads: int, timing: Timing) -> dict[str, Any]:
    return {
        "method": method,
        "amplicons": len(case.fitted),
        "reads_per_second": reads / max(timing.seconds, 1e-6),
        "reads_per_processor_second": reads / max(timing.processor_seconds, 1e-6),
        "peak_memory_mb": timing.memory_mb,
    }


def _peers(case: Case, threads: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="abyssal-speed-") as folder:
        directory = Path(folder)
        Baselines(case.fitted, case.queries, directory)
        first = directory / "one.fasta"
        first.write_text(f">q\n{case.queries[0].sequence}\n", encoding="ascii")
        options = {
            "sintax": ["--sintax_cutoff", "0.8", "--randseed", "1", "--tabbedout"],
            "usearch_global": ["--id", "0.7", "--maxaccepts", "20", "--maxrejects", "64", "--blast6out"],
        }
        rows = []
        for method, arguments in options.items():

            def command(queries: Path, method: str = method, arguments: list[str] = arguments) -> list[str]:
                return ["vsearch", f"--{method}", str(queries), "--db", str(directory / "reference.fasta"), *arguments,
                        str(directory / "out"), "--threads", str(threads), "--quiet"]  # fmt: skip

            every, one = timed(command(directory / "queries.fasta")), timed(command(first))
            more = Timing(every.seconds - one.seconds, every.processor_seconds - one.processor_seconds, every.memory_mb)
            rows.append(_row(method, case, len(case.queries) - 1, more))
        return rows


def timed(command: list[str]) -> Timing:
    """Run a program and return its times and peak resident memory.

    A small process stands between: the memory of whoever starts a program counts as the program's own.
    """
    done = run_tool([sys.executable, "-c", _MEASURE, require_tool(command[0]), *command[1:]])
    seconds, processor_seconds, kilobytes = done.stdout.split()
    return Timing(float(seconds), float(processor_seconds), int(kilobytes) / 1024)

"""A small invented reference, a quick way to simulate from it, and readers of what came out."""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from abyssal.sequences.records import SequenceRecord, read_records
from abyssal.simulate.community import LibraryPlan
from abyssal.simulate.libraries import SimulationReport, simulate_libraries
from abyssal.simulate.molecules import NO_OTHERS, OtherTemplates
from abyssal.simulate.settings import Amplification, Mixing, Sequencing, Simulation, sequencing_profile
from abyssal.simulate.templates import Template, substitute

FORWARD = "CCAGCASCYGCGGTAATTCC"
REVERSE = "ACTTTCGTTCTTGATYRATGA"
ILLUMINA_NAME = re.compile(r"M0\d{4}:\d+:000000000-[0-9A-Z]{5}:1:([12]1(?:0[1-9]|1[0-4])):(\d+):(\d+)")
RANKS = ("genus", "species")


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file of a folder by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def make_templates(count: int, *, length: int = 380, seed: int = 7, genera: int = 4) -> list[Template]:
    """Return related sequences: each a genus' ancestor with a tenth of its bases changed."""
    rng = np.random.default_rng(seed)
    ancestors = ["".join(rng.choice(list("ACGT"), length)) for _ in range(genera)]
    templates = []
    for number in range(count):
        genus = number % genera
        sequence = substitute(ancestors[genus], length // 10, rng)
        lineage = (f"Genus{genus}", f"Genus{genus} species{number}")
        templates.append(Template(f"T{number:03d}", sequence, "known", lineage))
    return templates


@dataclass(frozen=True)
class Simulated:
    """A finished simulation."""

    folder: Path
    report: SimulationReport

    def reads(self, library: str, mate: int | None = None) -> list[SequenceRecord]:
        name = library if mate is None else f"{library}_R{mate}"
        return list(read_records(self.folder / f"{name}.fastq.gz"))

    def truth(self, library: str) -> list[dict[str, str]]:
        with gzip.open(self.folder / f"{library}_truth.tsv.gz", "rt") as rows:
            return list(csv.DictReader(rows, delimiter="\t"))

    def counts(self) -> list[dict[str, str]]:
        with (self.folder / "truth_reads.tsv").open() as rows:
            return list(csv.DictReader(rows, delimiter="\t"))

    def molecules(self) -> dict[str, str]:
        return {record.id: record.sequence for record in read_records(self.folder / "molecules.fasta.gz")}


QUIET = Amplification(efficiency_sd=0.0, chimera_rate=0.0)
"""A PCR without bias and chimeras."""
UNMIXED = Mixing()


@pytest.fixture(scope="session")
def templates() -> list[Template]:
    return make_templates(24)


@pytest.fixture
def simulate(tmp_path: Path, templates: list[Template]) -> Callable[..., Simulated]:
    """Simulate one even library of the templates, or the libraries given."""

    def run(
        *,
        pairs: int = 2000,
        libraries: list[LibraryPlan] | None = None,
        profile: str = "miseq",
        sequencing: dict[str, object] | None = None,
        amplification: Amplification = QUIET,
        mixing: Mixing = UNMIXED,
        others: OtherTemplates = NO_OTHERS,
        seed: int = 1,
        folder: str = "out",
        own: list[Template] | None = None,
        **settings: object,
    ) -> Simulated:
        used = templates if own is None else own
        # Reads of one length, called by number: each test then asks for what it is about.
        plain = {"trimmed": False, "names": "numbered", **(sequencing or {})}
        base: Sequencing = replace(sequencing_profile(profile), **plain)  # type: ignore[arg-type]
        simulation = replace(Simulation(FORWARD, REVERSE, base, amplification, mixing), **settings)  # type: ignore[arg-type]
        plans = libraries or [LibraryPlan("lib", pairs, {template.id: 1.0 for template in used})]
        target = tmp_path / folder
        report = simulate_libraries(used, plans, simulation, target, seed=seed, ranks=RANKS, others=others)
        return Simulated(target, report)

    return run

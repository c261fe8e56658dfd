"""Simulated communities with full truth, the preprocessing chain on them, and what went wrong."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import edlib
import numpy as np

from abyssal.config.preprocess import PreprocessConfig
from abyssal.references.markers import resolve_marker
from abyssal.simulate.community import LibraryPlan
from abyssal.simulate.libraries import simulate_libraries
from abyssal.simulate.molecules import OtherTemplates
from abyssal.simulate.settings import Amplification, Mixing, Simulation, sequencing_profile
from abyssal.simulate.templates import Template
from support.reads_chain import Chain, Results, library

Templates = Sequence[Template]
BLANK = "blank"
FEWEST_READS = 10
"""A species with fewer reads in a sample need not be found there."""
FALSE_READS = 5
"""A false ASV with as many reads in a sample is a fault."""


@dataclass(frozen=True)
class Recipe:
    """How a staggered community study is made.

    Attributes:
        marker: name in resources/markers.tsv.
        seed: of everything random.
        species, samples: numbers of them; every sample has all species, in an order of abundance of its own.
        pairs: read pairs of a sample.
        magnitudes: orders of magnitude between the most and the least abundant species.
        related: share of the species that is drawn from the genera of others, so that near neighbours occur.
        chimera_rate, tag_jump_rate, contamination, pcr_error_rate: shares of reads, or errors per base.
        read_length: bases a read; None takes the profile's.
        reads_per_chimera: mean reads of a distinct chimera.
    """

    marker: str
    seed: int
    species: int = 18
    samples: int = 3
    pairs: int = 10_000
    magnitudes: float = 3.0
    related: float = 0.3
    chimera_rate: float = 0.02
    tag_jump_rate: float = 0.002
    contamination: float = 0.002
    pcr_error_rate: float = 0.0
    read_length: int | None = None
    reads_per_chimera: float = 4.0


@dataclass(frozen=True)
class Fault:
    """One thing that is not as the truth has it."""

    kind: str
    sample: str
    asv: str
    reads: int
    note: str = ""


@dataclass
class Made:
    """A simulated study: files and truth."""

    folder: Path
    recipe: Recipe
    truth: dict[str, dict[str, int]] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    sequences: dict[str, str] = field(default_factory=dict)


def make_study(folder: Path, recipe: Recipe, templates: Sequence[Template]) -> Made:
    """Draw species from the templates and simulate their libraries and a blank."""
    rng = np.random.default_rng(recipe.seed)
    chosen = _choose(templates, recipe, rng)
    contaminants = [replace(template, id=f"c-{template.id}", label="contaminant") for template in chosen[-2:]]
    chosen = chosen[:-2]
    weights = np.logspace(0, -recipe.magnitudes, len(chosen))
    plans = []
    for number in range(recipe.samples):
        order = rng.permutation(len(chosen))
        found = {chosen[place].id: float(weight) for place, weight in zip(order, weights, strict=True)}
        plans.append(LibraryPlan(f"sample{number}", recipe.pairs, found))
    plans.append(LibraryPlan(BLANK, max(50, recipe.pairs // 100), {}, control="extraction_blank"))
    marker = resolve_marker(recipe.marker)
    sequencing = sequencing_profile("miseq")
    if recipe.read_length is not None:
        sequencing = replace(sequencing, read_length=recipe.read_length, trimmed=False)
    simulation = Simulation(
        marker.forward_primer, marker.reverse_primer, sequencing,
        Amplification(chimera_rate=recipe.chimera_rate, error_rate=recipe.pcr_error_rate,
                      reads_per_chimera=recipe.reads_per_chimera),
        Mixing(recipe.contamination, 0.0, recipe.tag_jump_rate),
    )  # fmt: skip
    simulate_libraries(
        chosen, plans, simulation, folder, seed=recipe.seed, others=OtherTemplates(contaminants, []), truth=False
    )
    return _with_truth(Made(folder, recipe))


def _choose(templates: Sequence[Template], recipe: Recipe, rng: np.random.Generator) -> list[Template]:
    """Return distinct amplicons, a share of them near another one that is chosen; two more for the contaminants."""
    distinct = list({template.sequence: template for template in templates}.values())
    order = [distinct[place] for place in rng.permutation(len(distinct))]
    chosen = order[: round((recipe.species + 2) * (1 - recipe.related))]
    rest = order[len(chosen) :]
    while len(chosen) < recipe.species + 2:
        like = chosen[int(rng.integers(len(chosen)))]
        pool = rest[:400]
        near = min(pool, key=lambda other: edlib.align(like.sequence, other.sequence, task="distance")["editDistance"])
        chosen.append(near)
        rest.remove(near)
    return [chosen[place] for place in rng.permutation(len(chosen))]


def _with_truth(made: Made) -> Made:
    """Read the tables that the simulator wrote: reads by sample and molecule without those that jumped in."""
    with gzip.open(made.folder / "molecules.fasta.gz", "rt") as lines:
        for header in lines:
            made.sequences[header[1:].strip()] = next(lines).strip()
    with (made.folder / "truth_reads.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            made.statuses[row["molecule"]] = row["status"]
            if row["status"] == "known" and row["sample"] != BLANK:
                own = int(row["reads"]) - int(row["reads_from_other_libraries"])
                made.truth.setdefault(row["sample"], {})[row["molecule"]] = own
    return made


def run_chain(made: Made, config: PreprocessConfig) -> Results:
    """Take the study through preprocessing."""
    marker = resolve_marker(made.recipe.marker)
    chain = Chain(
        made.folder / "run", config, (marker.forward_primer, marker.reverse_primer),
        (marker.min_length, marker.max_length),
    )  # fmt: skip
    names = [*sorted(made.truth), BLANK]
    rows = [
        library(
            name, made.folder / f"{name}_R1.fastq.gz", made.folder / f"{name}_R2.fastq.gz",
            control="extraction_blank" if name == BLANK else "",
        )
        for name in names
    ]  # fmt: skip
    return chain.run(rows)


@dataclass(frozen=True)
class Grade:
    """What the chain got wrong, and how far each sample is from the truth."""

    missed: Sequence[Fault]
    excused: Sequence[Fault]
    false: Sequence[Fault]
    bray_curtis: Mapping[str, float]


def grade(made: Made, results: Results, config: PreprocessConfig) -> Grade:
    """Compare the final table with the truth, sample by sample."""
    missed, excused, false, distance = [], [], [], {}
    for sample, truth in made.truth.items():
        found = results.counts(sample)
        for molecule, reads in truth.items():
            if reads >= FEWEST_READS and not found.get(molecule):
                reason = _excuse(made, molecule, config.denoise.alpha)
                (excused if reason else missed).append(Fault("missed", sample, molecule, reads, reason))
        for asv, reads in found.items():
            if asv not in truth and reads >= FALSE_READS:
                false.append(Fault("false", sample, asv, reads, made.statuses.get(asv, "error")))
        distance[sample] = bray_curtis(truth, found)
    return Grade(missed, excused, false, distance)


def _excuse(made: Made, molecule: str, alpha: float) -> str:
    """Name the neighbour one difference away whose abundance beyond UNOISE's skew takes a molecule, or nothing."""
    totals: dict[str, int] = {}
    for truth in made.truth.values():
        for name, reads in truth.items():
            totals[name] = totals.get(name, 0) + reads
    for other, reads in totals.items():
        if other == molecule:
            continue
        apart = edlib.align(made.sequences[molecule], made.sequences[other])["editDistance"]
        if apart == 1 and reads > totals[molecule] * 2 ** (alpha * apart + 1):
            return f"one difference from {other} with {reads} reads"
    return ""


def bray_curtis(truth: Mapping[str, int], found: Mapping[str, int]) -> float:
    """Bray–Curtis distance of the shares of reads, 0 to 1."""
    whole, kept = sum(truth.values()) or 1, sum(found.values()) or 1
    names = {*truth, *found}
    return 0.5 * sum(abs(truth.get(name, 0) / whole - found.get(name, 0) / kept) for name in names)

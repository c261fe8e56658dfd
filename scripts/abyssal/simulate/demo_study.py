"""The demo study: five simulated marine samples and an extraction blank, sequences to classify, and the truth.

Everything is drawn from the demo's reference (``demo_reference``) with one seed. Coordinates and depths are invented.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from abyssal.files import open_atomic
from abyssal.sequences.alphabet import reverse_complement
from abyssal.sequences.records import write_fasta
from abyssal.simulate.community import CommunitySettings, LibraryPlan, draw_communities
from abyssal.simulate.demo_reference import (
    FORWARD_PRIMER,
    GENUS,
    MARKER,
    RANKS,
    REVERSE_PRIMER,
    DemoRecord,
    DemoReference,
)
from abyssal.simulate.libraries import simulate_libraries
from abyssal.simulate.molecules import OtherTemplates
from abyssal.simulate.settings import Amplification, Mixing, Simulation, sequencing_profile
from abyssal.simulate.sheet import write_sample_sheet
from abyssal.simulate.templates import Template, add_variants, substitute

logger = logging.getLogger(__name__)

SEED = 20_260
PAIRS = 1500
BLANK_PAIRS = 60
RUN = "simulated-run-1"

_SITES = (
    ("shelf-surface", 41.20, -9.50, 5),
    ("shelf-bottom", 41.20, -9.50, 150),
    ("slope", 41.35, -10.10, 900),
    ("abyssal-north", 42.05, -12.40, 4200),
    ("abyssal-south", 40.10, -12.80, 4650),
)
"""Invented stations: name, latitude, longitude, depth (m)."""

_KNOWN_TEMPLATES = 90
_RICHNESS = 45
_CONTAMINANTS = 3
_OFF_TARGETS = 6


def write_demo(
    reference: DemoReference, target: Path, sheet: Path, *, reads_prefix: str = "resources/demo/reads"
) -> None:
    """Write reference, absent taxa, reads, truth and queries below ``target`` and the sample sheet to ``sheet``.

    Args:
        reference: what ``build_demo_reference`` returned.
        target: the demo folder.
        sheet: path of the sample sheet.
        reads_prefix: folder of the reads as the sheet names it, relative to the repository's root.
    """
    _write_records(reference.known, target / "reference.fasta.gz", target / "lineages.tsv.gz")
    _write_records(reference.absent, target / "absent.fasta.gz", target / "absent_lineages.tsv")
    rng = np.random.default_rng(SEED)
    libraries, simulation = _simulate(reference, target / "reads", rng)
    (target / "reads" / "truth_reads.tsv").replace(target / "truth.tsv")
    _write_queries(reference, target, rng)
    places = [site[1:] for site in _SITES]
    write_sample_sheet(sheet, libraries, simulation, marker=MARKER, folder=Path(reads_prefix), places=places)


def _write_records(records: Sequence[DemoRecord], fasta: Path, lineages: Path) -> None:
    write_fasta(fasta, ((record.accession, record.sequence) for record in records))
    with open_atomic(lineages) as out:
        out.write("\t".join(("id", *RANKS)) + "\n")
        for record in records:
            out.write("\t".join((record.accession, *record.lineage)) + "\n")


def _simulate(reference: DemoReference, target: Path, rng: np.random.Generator) -> tuple[list[LibraryPlan], Simulation]:
    known = _unambiguous(reference.known)
    drawn = [known[i] for i in rng.permutation(len(known))[: _KNOWN_TEMPLATES + _CONTAMINANTS]]
    contaminants = [_template(record, "contaminant") for record in drawn[_KNOWN_TEMPLATES:]]
    originals = [_template(record, "known") for record in drawn[:_KNOWN_TEMPLATES]]
    originals += [_template(record, novelty(record, reference.known)) for record in reference.absent]
    templates = add_variants(originals, rng, mean=0.25, divergence=0.004)
    settings = CommunitySettings(richness=_RICHNESS, turnover=0.7, sigma=1.1, between_libraries=0.5)
    communities = draw_communities([template.id for template in templates], len(_SITES), settings, rng)
    libraries = [
        LibraryPlan(site[0], PAIRS, community, RUN) for site, community in zip(_SITES, communities, strict=True)
    ]
    libraries.append(LibraryPlan("blank", BLANK_PAIRS, {}, RUN, "extraction_blank"))
    # Half of the 16S fragments carry the marker's primers, so that they come through trimming, as real ones do.
    off_targets = [
        Template(record.accession, record.sequence, "off_target", _names(record), primed=number % 2 == 0)
        for number, record in enumerate(reference.off_target[:_OFF_TARGETS])
    ]
    simulation = Simulation(
        FORWARD_PRIMER,
        REVERSE_PRIMER,
        replace(sequencing_profile("miseq"), trimmed=False),
        Amplification(efficiency_sd=0.01, error_rate=1e-5, chimera_rate=0.02),
        Mixing(contamination=0.004, off_target=0.04, tag_jump_rate=0.001),
        compression="small",
    )
    simulate_libraries(
        templates, libraries, simulation, target,
        seed=SEED, ranks=RANKS, others=OtherTemplates(contaminants, off_targets),
    )  # fmt: skip
    return libraries, simulation


def novelty(record: DemoRecord, known: Sequence[DemoRecord]) -> str:
    """Return ``known``, ``new_species`` or ``new_genus``: what a record is beside the known ones."""
    if any(record.species == other.species for other in known):
        return "known"
    return "new_species" if any(record.genus == other.genus for other in known) else "new_genus"


def _unambiguous(records: Sequence[DemoRecord]) -> list[DemoRecord]:
    """Return the records whose amplicon only their species has: the truth is then one name at every rank."""
    carriers: dict[str, set[str]] = defaultdict(set)
    for record in records:
        carriers[record.sequence].add(record.species)
    return [record for record in records if len(carriers[record.sequence]) == 1]


def _names(record: DemoRecord) -> tuple[str | None, ...]:
    return tuple(name or None for name in record.lineage)


def _template(record: DemoRecord, label: str) -> Template:
    return Template(record.accession, record.sequence, label, _names(record))


def _write_queries(reference: DemoReference, target: Path, rng: np.random.Generator) -> None:
    """Write sequences to classify and what they are."""
    known = _unambiguous(reference.known)
    picked = [known[i] for i in rng.permutation(len(known))[:10]]
    new_species = [r for r in reference.absent if novelty(r, reference.known) == "new_species"]
    new_genus = [r for r in reference.absent if novelty(r, reference.known) == "new_genus"]
    rows: list[tuple[str, str, str, Sequence[str]]] = []
    for number, record in enumerate(picked, start=1):
        # The first five are exact; a sequencer or a population changed the others a little.
        sequence = record.sequence if number <= 5 else substitute(record.sequence, number - 4, rng)
        rows.append((f"known-{number}", "known", sequence, record.lineage))
    rows.append(
        ("known-reverse-complement", "known", reverse_complement(picked[0].sequence), picked[0].lineage)
    )  # fmt: skip
    for number, record in enumerate(_one_per_genus(new_species)[:5], start=1):
        rows.append((f"new-species-{number}", "new_species", record.sequence, record.lineage))
    for number, record in enumerate(new_genus[:3], start=1):
        rows.append((f"new-genus-{number}", "new_genus", record.sequence, record.lineage))
    last = reference.off_target[-1]
    rows.append(("off-target-16S", "off_target", last.sequence, last.lineage))
    write_fasta(target / "queries.fasta", ((name, sequence) for name, _, sequence, _ in rows))
    with open_atomic(target / "queries_truth.tsv") as out:
        out.write("\t".join(("query", "status", *RANKS)) + "\n")
        for name, status, _, lineage in rows:
            out.write("\t".join((name, status, *lineage)) + "\n")


def _one_per_genus(records: Sequence[DemoRecord]) -> list[DemoRecord]:
    first: dict[str, DemoRecord] = {}
    for record in records:
        first.setdefault(record.lineage[GENUS], record)
    return list(first.values())

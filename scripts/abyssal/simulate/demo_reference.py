"""The demo's reference: 18S V4 amplicons cut from SILVA SSU 93 with NCBI lineages, from registry packages alone.

Order: read the BLAST database of the Debian package ncbi-rrna-data, take records whose title starts with the current
NCBI name of a eukaryote species, cut the amplicon between the primers, choose a marine-leaning set in which species
with several amplicons and genera with several species are favoured (leave-one-out calibration needs both), and set
aside some species and one genus as absent. Ranks that NCBI does not have stay empty. Same packages, same bytes.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from abyssal.errors import DataError
from abyssal.references.pcr import letter_masks
from abyssal.sequences.alphabet import normalise, reverse_complement
from abyssal.simulate.ncbi_taxonomy import NcbiTaxonomy
from abyssal.splits import genus_part, species_part
from abyssal.tools import run_tool

logger = logging.getLogger(__name__)

MARKER = "18S-V4-Zingone"
FORWARD_PRIMER = "CCAGCASCYGCGGTAATTCC"
REVERSE_PRIMER = "ACTTTCGTTCTTGATYRATGA"
RANKS = ("superkingdom", "kingdom", "phylum", "class", "order", "family", "genus", "species")
GENUS, SPECIES = RANKS.index("genus"), RANKS.index("species")

_AMPLICON_LENGTH = range(250, 601)
_OFF_TARGET_LENGTH = range(300, 451)
_MAX_MISMATCHES = 2
_OFF_TARGET_MISMATCHES = 5
_PER_SPECIES = 4
_SHARE_OF_REPEATED_SPECIES = 0.6
_ABSENT_SPECIES = 14
_ABSENT_GENUS_SIZE = range(2, 7)

_TITLE = re.compile(r"([A-Z][a-z]+ [a-z][a-z-]{2,})\b")
_NOT_A_NUCLEAR_GENE = re.compile(
    r"chloroplast|plast|mitochondri|cyanelle|nucleomorph|genom|chromosome|cosmid|BAC|shotgun|pseudogene|symbiont|"
    r"environmental|uncultured|unidentified|unclassified|metagenome|16S",
    re.IGNORECASE,
)

_GROUPS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("Copepoda",), 160),
    (("Malacostraca",), 140),
    (("Branchiopoda", "Ostracoda", "Thecostraca", "Cephalocarida", "Remipedia"), 80),
    (("Pycnogonida", "Merostomata"), 30),
    (("Tunicata", "Actinopteri", "Chondrichthyes", "Cephalochordata", "Hyperoartia", "Myxini"), 130),
    (("Mollusca",), 210),
    (("Annelida",), 250),
    (("Cnidaria",), 190),
    (("Porifera",), 80),
    (("Echinodermata",), 80),
    (("Bryozoa",), 40),
    (("Nematoda",), 110),
    (("Platyhelminthes",), 110),
    (("Nemertea",), 50),
    (("Ctenophora", "Chaetognatha", "Hemichordata", "Brachiopoda", "Phoronida"), 110),
    (("Rotifera", "Gastrotricha", "Kinorhyncha", "Priapulida", "Tardigrada", "Entoprocta", "Acanthocephala"), 90),
    (("Choanoflagellata", "Ichthyosporea"), 50),
    (("Dinophyceae", "Perkinsozoa"), 330),
    (("Ciliophora",), 220),
    (("Bacillariophyta",), 240),
    (("Phaeophyceae", "Pelagophyceae", "Dictyochophyceae", "Chrysophyceae", "Raphidophyceae", "Bolidophyceae",
      "Eustigmatophyceae", "Pinguiophyceae", "Synurophyceae"), 150),
    (("Bigyra", "Oomycota"), 60),
    (("Haptophyta",), 90),
    (("Cryptophyceae",), 70),
    (("Chlorophyta",), 200),
    (("Rhodophyta",), 110),
    (("Rhizaria",), 100),
    (("Apicomplexa", "Euglenozoa"), 70),
)  # fmt: skip
"""NCBI clades of the sea, each group with the most sequences it may give."""


@dataclass(frozen=True)
class DemoRecord:
    """One amplicon with its accession; ``lineage`` runs over RANKS, empty where NCBI has no name."""

    accession: str
    sequence: str
    lineage: tuple[str, ...]
    clades: frozenset[str] = frozenset()

    @property
    def genus(self) -> str:
        return self.lineage[GENUS]

    @property
    def species(self) -> str:
        return self.lineage[SPECIES]


@dataclass(frozen=True)
class DemoReference:
    """What the demo knows and what it must not know.

    Attributes:
        known: the reference.
        absent: records of held-out species of known genera and of one held-out genus; in no way part of ``known``.
        off_target: 16S fragments of bacteria and archaea, with the marker's forward primer region at the start.
        counts: records at each step of the build.
    """

    known: tuple[DemoRecord, ...]
    absent: tuple[DemoRecord, ...]
    off_target: tuple[DemoRecord, ...]
    counts: dict[str, int]


def build_demo_reference(database: Path, taxonomy: NcbiTaxonomy, *, off_target: int = 40) -> DemoReference:
    """Build the demo's reference from a BLAST database of SILVA SSU 93 (path without suffix)."""
    counts: Counter[str] = Counter()
    eukaryotes, prokaryotes = _collect(_read_database(database), taxonomy, counts)
    chosen = _choose(_one_per_species_and_amplicon(eukaryotes))
    known, absent = _set_aside(chosen)
    logger.info("demo reference: %d known, %d absent amplicons", len(known), len(absent))
    ranked = sorted(prokaryotes, key=lambda record: _rank(record.accession))
    return DemoReference(tuple(known), tuple(absent), tuple(ranked[:off_target]), dict(sorted(counts.items())))


def _read_database(database: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (accession, title, sequence) of every record."""
    done = run_tool(["blastdbcmd", "-db", database, "-entry", "all", "-outfmt", "%t\t%s"])
    for line in done.stdout.splitlines():
        name, _, sequence = line.rpartition("\t")
        accession, _, title = name.rpartition("|")
        yield accession.rpartition("|")[2], title.strip(), normalise(sequence)


def _collect(
    records: Iterable[tuple[str, str, str]], taxonomy: NcbiTaxonomy, counts: Counter[str]
) -> tuple[list[DemoRecord], list[DemoRecord]]:
    """Return the eukaryote amplicons and the prokaryote fragments of all records with a species name."""
    eukaryotes, prokaryotes = [], []
    for accession, title, sequence in records:
        counts["records"] += 1
        match = _TITLE.match(title)
        path = taxonomy.path(match.group(1)) if match else None
        if path is None or path[0][0] != "species":
            continue
        names = dict(reversed(path))
        lineage = tuple(names.get(rank, "") for rank in RANKS)
        clades = frozenset(name for _, name in path)
        if lineage[0] != "Eukaryota":
            fragment = _cut(sequence, _OFF_TARGET_LENGTH, _OFF_TARGET_MISMATCHES, reverse_primer=None)
            if fragment is not None:
                prokaryotes.append(DemoRecord(accession, fragment, lineage, clades))
        elif not _NOT_A_NUCLEAR_GENE.search(title):
            counts["eukaryotes with a species name"] += 1
            amplicon = _cut(sequence, _AMPLICON_LENGTH, _MAX_MISMATCHES, reverse_primer=REVERSE_PRIMER)
            if amplicon is not None:
                counts["amplicons"] += 1
                eukaryotes.append(DemoRecord(accession, amplicon, lineage, clades))
    if not eukaryotes:
        message = "the database gave no eukaryote amplicon; expected SSURef_93 of the Debian package ncbi-rrna-data"
        raise DataError(message)
    return eukaryotes, prokaryotes


def _cut(sequence: str, lengths: range, mismatches: int, *, reverse_primer: str | None) -> str | None:
    """Return the sequence between the primers, or None; without a reverse primer, a fragment of hashed length."""
    start = _find(sequence, FORWARD_PRIMER, mismatches)
    if start is None:
        return None
    inside = sequence[start + len(FORWARD_PRIMER) :]
    if reverse_primer is None:
        length = lengths[_rank(sequence)[0] % len(lengths)]
        end = length if len(inside) >= length else None
    else:
        reach = inside[lengths[0] : lengths[-1] + len(reverse_primer)]
        found = _find(reach, reverse_complement(reverse_primer), mismatches)
        end = None if found is None else found + lengths[0]
    amplicon = inside[:end] if end is not None else ""
    return amplicon if amplicon and not set(amplicon) - set("ACGT") else None


def _find(sequence: str, primer: str, mismatches: int) -> int | None:
    """Return the start of the best site (fewest mismatches, then leftmost) within the limit."""
    sites = len(sequence) - len(primer) + 1
    if sites < 1:
        return None
    bits, wanted = letter_masks(sequence), letter_masks(primer)
    wrong = np.zeros(sites, dtype=np.int16)
    for offset, letter in enumerate(wanted):
        wrong += (bits[offset : offset + sites] & ~letter) != 0
    best = int(wrong.argmin())
    return best if wrong[best] <= mismatches else None


def _rank(name: str) -> bytes:
    """Order names by hash: spread over the alphabet, and the same on every machine."""
    return hashlib.sha256(f"abyssal-demo-1:{name}".encode()).digest()


def _one_per_species_and_amplicon(records: list[DemoRecord]) -> list[DemoRecord]:
    """Keep the first accession of every (species, amplicon); amplicons shared by species stay, they are real."""
    first: dict[tuple[str, str], DemoRecord] = {}
    for record in sorted(records, key=lambda record: record.accession):
        first.setdefault((record.species, record.sequence), record)
    return list(first.values())


def _choose(records: list[DemoRecord]) -> list[DemoRecord]:
    chosen: dict[str, DemoRecord] = {}
    for clades, most in _GROUPS:
        pool = [r for r in records if r.clades.intersection(clades) and r.accession not in chosen]
        chosen.update((record.accession, record) for record in _choose_group(pool, most))
    return sorted(chosen.values(), key=lambda record: (record.lineage, record.accession))


def _choose_group(pool: list[DemoRecord], most: int) -> list[DemoRecord]:
    """Fill a group: species with several amplicons up to a share of it, then species with congeners, then the rest."""
    by_species: dict[str, list[DemoRecord]] = defaultdict(list)
    genera: dict[str, set[str]] = defaultdict(set)
    for record in pool:
        by_species[record.species].append(record)
        genera[record.genus].add(record.species)
    order = sorted(by_species, key=lambda species: (len(genera[by_species[species][0].genus]) < 2, _rank(species)))
    repeated = [species for species in order if len(by_species[species]) > 1]
    group: list[DemoRecord] = []
    for species in repeated:
        if len(group) < most * _SHARE_OF_REPEATED_SPECIES:
            group += by_species[species][:_PER_SPECIES]
    taken = {record.species for record in group}
    for species in order:
        if len(group) < most and species not in taken:
            group += by_species[species][:1]
    return group[:most]


def _set_aside(records: list[DemoRecord]) -> tuple[list[DemoRecord], list[DemoRecord]]:
    """Split into known and absent; absent taxa are held out of all encoder training (``abyssal.splits``).

    Absent amplicons that a known record also carries would be no novelty: such taxa are not eligible.
    """
    species_of: dict[str, set[str]] = defaultdict(set)
    genera_of: dict[str, set[str]] = defaultdict(set)
    for record in records:
        species_of[record.genus].add(record.species)
        genera_of[record.lineage[GENUS - 1]].add(record.genus)
    genus_of = {record.species: record.genus for record in records}
    family_of = {record.genus: record.lineage[GENUS - 1] for record in records}
    distinct = _species_that_share_no_amplicon(records)
    absent_genus = min(
        (
            genus
            for genus, species in species_of.items()
            if genus_part(genus) != "train"
            and len(species) in _ABSENT_GENUS_SIZE
            and species <= distinct
            and family_of[genus]
            and len(genera_of[family_of[genus]]) > 2
        ),
        key=lambda genus: (-len(species_of[genus]), _rank(genus)),
    )
    eligible = [
        species
        for species in sorted(distinct, key=_rank)
        if species_part(species) != "train"
        and genus_part(genus_of[species]) == "train"
        and len(species_of[genus_of[species]]) >= 3
    ]
    absent_species = _one_per_genus(eligible, genus_of)[:_ABSENT_SPECIES]
    gone = {*absent_species, *species_of[absent_genus]}
    return [r for r in records if r.species not in gone], [r for r in records if r.species in gone]


def _species_that_share_no_amplicon(records: list[DemoRecord]) -> set[str]:
    carriers: dict[str, set[str]] = defaultdict(set)
    for record in records:
        carriers[record.sequence].add(record.species)
    shared = {species for group in carriers.values() if len(group) > 1 for species in group}
    return {record.species for record in records} - shared


def _one_per_genus(species: list[str], genus_of: dict[str, str]) -> list[str]:
    first: dict[str, str] = {}
    for name in species:
        first.setdefault(genus_of[name], name)
    return list(first.values())

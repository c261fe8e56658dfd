"""Which ASVs are no amplicon of the marker: contaminants, low complexity, broken frames, far from the reference.

A coding ASV is dropped only when it has a stop codon under every genetic code that its organisms may follow; a code
that reads it through is enough to keep it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from Bio.Data import CodonTable

from abyssal.reads.contaminants import Contaminants
from abyssal.reads.numts import numts
from abyssal.reads.removals import Removal, removed_counts
from abyssal.reads.table import CountTable
from abyssal.reads.unmerged import SPACER
from abyssal.references.markers import Coding
from abyssal.sequences.records import write_fasta
from abyssal.tools import run_tool

_WORD = 3
_WORDS = 64


@dataclass(frozen=True)
class ScreenSettings:
    """What speaks against an ASV.

    Args:
        contaminants: FASTA files of genomes.
        min_complexity: least share of distinct 3-mers among those possible (0 to 1).
        coding: how the amplicon is read as protein; None looks for no stops.
        numts: whether likely nuclear copies go too; needs ``coding``.
        reference: FASTA of the marker's reference.
        reference_identity: least identity to it (share); None keeps what is far away.
    """

    contaminants: Sequence[Path] = ()
    min_complexity: float = 0.0
    coding: Coding | None = None
    numts: bool = False
    reference: Path | None = None
    reference_identity: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an ASV goes: one word for the ledger, and the evidence."""

    reason: str
    evidence: str


def screen(
    table: CountTable, sequences: Mapping[str, str], settings: ScreenSettings, *, folder: Path
) -> tuple[CountTable, list[Removal]]:
    """Take out of a table the ASVs that are no amplicon of the marker, with every removal.

    Args:
        table: ASVs by library.
        sequences: sequence of each ASV.
        settings: what speaks against an ASV.
        folder: for temporary files.
    """
    found = verdicts(table, sequences, settings, folder=folder)
    counts = table.counts.copy()
    counts[[name in found for name in table.features], :] = 0
    kept = CountTable(table.features, table.columns, counts)
    return kept, removed_counts(table, kept, lambda asv: found[asv].reason, lambda asv: found[asv].evidence)


def verdicts(
    table: CountTable, sequences: Mapping[str, str], settings: ScreenSettings, *, folder: Path
) -> dict[str, Verdict]:
    """Return the ASVs that go; the first reason in the order of the settings counts."""
    contaminants = Contaminants(settings.contaminants)
    found: dict[str, Verdict] = {}
    for name in table.features:
        sequence = sequences[name]
        if contaminants and sequence in contaminants:
            found[name] = Verdict("contaminant", "k-mers of a listed genome")
        elif complexity(sequence) < settings.min_complexity:
            found[name] = Verdict("low_complexity", f"{complexity(sequence):.2f} of the possible 3-mers")
        elif settings.coding and (stops := stops_under_all_codes(sequence, settings.coding)):
            found[name] = Verdict("stop_codons", f"codon {stops[0] + 1} is a stop under every code of the marker")
    left = {name: sequences[name] for name in table.features if name not in found}
    if settings.reference is not None and settings.reference_identity is not None:
        near = _near_reference(left, settings.reference, settings.reference_identity, folder)
        evidence = f"no reference at {settings.reference_identity:.0%} identity"
        found |= {name: Verdict("off_target", evidence) for name in left if name not in near}
    if settings.numts and settings.coding:
        kept = {name: sequence for name, sequence in left.items() if name not in found}
        found |= {
            name: Verdict("numt", f"beside {parent}")
            for name, parent in numts(table, kept, settings.coding, folder=folder).items()
        }
    return found


def complexity(sequence: str) -> float:
    """Return the share of distinct 3-mers among those possible in a sequence of this length (0 to 1)."""
    words = len(sequence) - _WORD + 1
    if words < 1:
        return 0.0
    distinct = {sequence[start : start + _WORD] for start in range(words)}
    return len(distinct) / min(words, _WORDS)


def stops_under_all_codes(sequence: str, coding: Coding) -> list[int]:
    """Return the first stop under each genetic code, as numbers of codons from 0; empty when one code has none.

    Reads whose mates were not merged are read up to the gap between them, since the frame is lost there.
    """
    readable = sequence.partition("N" * SPACER)[0][coding.reading_frame :]
    codons = [readable[start : start + 3] for start in range(0, len(readable) - 2, 3)]
    found = []
    for code in coding.genetic_codes:
        stops = set(CodonTable.unambiguous_dna_by_id[code].stop_codons)
        first = next((number for number, codon in enumerate(codons) if codon in stops), None)
        if first is None:
            return []
        found.append(first)
    return found


def _near_reference(sequences: Mapping[str, str], reference: Path, identity: float, folder: Path) -> set[str]:
    """Return the ASVs with a reference that near over at least half of their length."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        queries, hits = Path(scratch) / "queries.fasta", Path(scratch) / "hits.tsv"
        write_fasta(queries, sequences.items())
        run_tool(
            [
                *("vsearch", "--usearch_global", queries, "--db", reference, "--id", str(identity), "--userout", hits),
                *("--userfields", "query", "--maxaccepts", "1", "--maxrejects", "64", "--query_cov", "0.5"),
                *("--minseqlength", "1", "--qmask", "none", "--dbmask", "none", "--threads", "1", "--strand", "plus"),
            ],
        )
        return set(hits.read_text(encoding="ascii").split())

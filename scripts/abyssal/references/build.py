"""From raw records to a checked, amplicon-cut reference.

Order: letters checked and normalised, identifiers checked, names cleaned and pooled, in-silico PCR, the left-over
aligned to what the PCR found, length window and ambiguous letters, one parent a taxon, identical amplicons merged. The
result does not depend on the order of the records. What the PCR leaves over waits in a temporary file, so that only
amplicons, not whole genes, are held in memory.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

from abyssal.errors import ReferenceFormatError
from abyssal.references import rescue
from abyssal.references.formats import RawReference
from abyssal.references.intake import Intake, Labelled
from abyssal.references.lineage import ConflictPolicy, LineageBook, TreeConflict, resolve_conflicts
from abyssal.references.markers import ResolvedMarker
from abyssal.references.model import AmpliconReference, Lineage
from abyssal.references.pcr import Amplification, Site, amplify
from abyssal.references.strand import on_the_other_strand
from abyssal.references.synonyms import accepted_names
from abyssal.sequences.alphabet import reverse_complement

Item = TypeVar("Item")

MAX_AMBIGUOUS_SHARE = 0.05
_CHUNK = 2000
_RESCUE_CHUNK = 5000
_ALIGNMENT_ROUNDS = 3
_MANY_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How a reference is built.

    Attributes:
        trim: cut sequences to the amplicon; False keeps them whole, on the strand that most of them have.
        max_mismatches: mismatches allowed in each primer site (bases).
        conflicts: what a taxon with two parents leads to (see ``lineage.resolve_conflicts``).
        synonyms: replace names by NCBI's accepted ones.
    """

    trim: bool = True
    max_mismatches: int = 3
    conflicts: ConflictPolicy = "majority"
    synonyms: bool = False


@dataclass
class BuildReport:
    """What became of every record.

    ``records == amplified + aligned + uncut + sum(dropped)``; ``dropped`` counts reasons: ``duplicate`` (same
    identifier, sequence and lineage again), ``no_known_name``, ``not_target`` (no primer sites and nothing alike among
    the amplicons: another gene, or this one without the region), ``partial`` (covers only part of the amplicon),
    ``too_short`` and ``too_long`` (outside the marker's window), ``too_ambiguous``.

    Attributes:
        records: records read.
        amplified: amplicons that the PCR cut out.
        aligned: records without both primer sites, kept by alignment.
        uncut: records kept whole because trimming was switched off.
        dropped: records dropped, by reason.
        reasons: (accession, reason) of each dropped record.
        conflicts: taxa that had two parents, and what was done.
        renamed: lineages in which a synonym was replaced.
        turned: amplicons that were reverse-complemented where trimming was switched off.
    """

    records: int = 0
    amplified: int = 0
    aligned: int = 0
    uncut: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    reasons: list[tuple[str, str]] = field(default_factory=list)
    conflicts: list[TreeConflict] = field(default_factory=list)
    renamed: int = 0
    turned: int = 0

    def drop(self, accession: str, reason: str) -> None:
        """Count a record as dropped."""
        self.dropped[reason] += 1
        self.reasons.append((accession, reason))


def build_reference(
    raw: RawReference,
    marker: ResolvedMarker,
    settings: BuildSettings | None = None,
    *,
    known: Sequence[str] = (),
) -> tuple[AmpliconReference, BuildReport]:
    """Build a checked reference from raw records.

    Args:
        raw, marker, settings: records, what is cut out of them and how.
        known: amplicons of the marker that records without primer sites are aligned to, beside those found here.

    Raises:
        ReferenceFormatError: malformed records, contradictory identifiers, or nothing that fits the marker.
    """
    settings = settings or BuildSettings()
    report = BuildReport()
    book = LineageBook(raw.ranks)
    builder = _Builder(marker, settings, report, known)
    with tempfile.TemporaryDirectory(prefix="abyssal-reference-") as folder:
        leftover = Path(folder) / "leftover.tsv"
        builder.cut(Intake(raw.source, book, report).accept(raw.records), leftover)
        builder.align(leftover, raw.source)
    if not settings.trim:
        builder.turn()
    if not builder.amplicons:
        raise ReferenceFormatError(_nothing_left(raw.source, marker, report))
    lineages, report.conflicts = _consistent(book, settings, report)
    return _merge(raw.ranks, builder.amplicons, lineages), report


class _Builder:
    """Collects amplicons and counts what is lost."""

    def __init__(
        self, marker: ResolvedMarker, settings: BuildSettings, report: BuildReport, known: Sequence[str]
    ) -> None:
        self.known = known
        self.marker = marker
        self.settings = settings
        self.report = report
        self.amplicons: dict[str, list[tuple[str, int]]] = {}

    def cut(self, records: Iterable[Labelled], leftover: Path) -> None:
        """Amplify all records; what has no two sites is written to ``leftover``."""
        with leftover.open("w", encoding="utf-8") as waiting:
            for chunk in _batches(records, _CHUNK):
                if not self.settings.trim:
                    for record in chunk:
                        self.report.uncut += self._keep(record, record.sequence)
                    continue
                found = amplify(
                    [record.sequence for record in chunk], self.marker, max_mismatches=self.settings.max_mismatches
                )
                for record, result in zip(chunk, found, strict=True):
                    if result.site is Site.AMPLIFIED:
                        self.report.amplified += self._keep(record, result.sequence)
                    elif result.site in (Site.TOO_SHORT, Site.TOO_LONG):
                        self.report.drop(record.accession, result.site.name.lower())
                    else:
                        waiting.write(_to_row(record, result))

    def turn(self) -> None:
        """Put uncut amplicons on one strand; without primer sites only the majority can tell which."""
        # Sorted, so that the order of the records cannot matter.
        sequences = sorted(self.amplicons)
        for sequence, other in zip(sequences, on_the_other_strand(sequences), strict=True):
            if other:
                self.report.turned += 1
                self.amplicons.setdefault(reverse_complement(sequence), []).extend(self.amplicons.pop(sequence))

    def align(self, leftover: Path, source: Path) -> None:
        """Keep left-over records that align to amplicons from end to end."""
        if leftover.stat().st_size == 0:
            return
        seeds = rescue.spread(sorted({*self.amplicons, *self.known}))
        if not rescue.enough_seeds(len(seeds)):
            anchored = rescue.anchored_seeds((result for _, result in _rows(leftover)), self.marker)
            seeds = rescue.spread(sorted({*seeds, *anchored}))
        if not seeds:
            raise ReferenceFormatError(_no_sites(source, self.marker, leftover))
        for attempt in range(_ALIGNMENT_ROUNDS):
            aligned = self.report.aligned
            final = attempt == _ALIGNMENT_ROUNDS - 1 or len(seeds) >= _MANY_SEEDS
            remaining = leftover.with_suffix(f".{attempt}")
            self._align_once(leftover, rescue.Aligner(seeds), None if final else remaining)
            if final:
                return
            # Few seeds reach only their own kin; what they rescued reaches further.
            leftover, seeds = remaining, rescue.spread(sorted({*self.amplicons, *self.known}))
            if self.report.aligned == aligned:
                self._align_once(leftover, rescue.Aligner(seeds), None)
                return

    def _align_once(self, leftover: Path, aligner: rescue.Aligner, remaining: Path | None) -> None:
        with (remaining or leftover.with_suffix(".end")).open("w", encoding="utf-8") as waiting:
            for chunk in _batches(_rows(leftover), _RESCUE_CHUNK):
                outcomes = aligner.align([result for _, result in chunk])
                for (record, result), (outcome, amplicon) in zip(chunk, outcomes, strict=True):
                    if outcome == "kept":
                        self.report.aligned += self._keep(record, amplicon)
                    elif remaining is not None:
                        waiting.write(_to_row(record, result))
                    else:
                        self.report.drop(record.accession, outcome)

    def _keep(self, record: Labelled, amplicon: str) -> bool:
        reason = None
        if len(amplicon) < self.marker.min_length:
            reason = "too_short"
        elif len(amplicon) > self.marker.max_length:
            reason = "too_long"
        elif _ambiguous(amplicon) > MAX_AMBIGUOUS_SHARE * len(amplicon):
            reason = "too_ambiguous"
        if reason is not None:
            self.report.drop(record.accession, reason)
            return False
        self.amplicons.setdefault(amplicon, []).append((record.accession, record.lineage))
        return True


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _ambiguous(sequence: str) -> int:
    return len(sequence) - sum(map(sequence.count, "ACGT"))


def _to_row(record: Labelled, result: Amplification) -> str:
    cells = (record.accession, record.lineage, int(result.site), result.start, result.end, result.sequence)
    return "\t".join(map(str, cells)) + "\n"


def _rows(leftover: Path) -> Iterator[tuple[Labelled, Amplification]]:
    with leftover.open(encoding="utf-8") as waiting:
        for row in waiting:
            accession, lineage, site, start, end, sequence = row.rstrip("\n").split("\t")
            result = Amplification(Site(int(site)), sequence, int(start), int(end))
            yield Labelled(accession, sequence, int(lineage)), result


def _consistent(
    book: LineageBook, settings: BuildSettings, report: BuildReport
) -> tuple[list[Lineage], list[TreeConflict]]:
    if settings.synonyms:
        report.renamed = accepted_names(book)
    return resolve_conflicts(book, policy=settings.conflicts)


def _merge(
    ranks: tuple[str, ...], amplicons: dict[str, list[tuple[str, int]]], lineages: list[Lineage]
) -> AmpliconReference:
    """Turn amplicons into equivalence sets, each called by the first of its accessions in alphabetical order."""
    # Two lineages can have become equal when their tree was made consistent.
    shared = {lineage: lineage for lineage in lineages}
    entries: list[tuple[str, str, tuple[tuple[str, Lineage], ...]]] = []
    for sequence in list(amplicons):
        members: dict[Lineage, str] = {}
        for accession, position in sorted(amplicons.pop(sequence)):
            members.setdefault(shared[lineages[position]], accession)
        pairs = tuple((accession, lineage) for lineage, accession in members.items())
        entries.append((pairs[0][0], sequence, pairs))
    entries.sort(key=lambda entry: entry[:2])
    return AmpliconReference(
        ranks,
        tuple(entry[0] for entry in entries),
        tuple(entry[1] for entry in entries),
        tuple(entry[2] for entry in entries),
    )


def _no_sites(source: Path, marker: ResolvedMarker, leftover: Path) -> str:
    lengths = [len(record.sequence) for record, _ in _rows(leftover)]
    inside = sum(marker.min_length <= length <= marker.max_length for length in lengths)
    advice = (
        "they look already cut: set trim to false (--no-trim)"
        if inside > len(lengths) / 2
        else "check that the reference is of this marker and that the primers are right"
    )
    return (
        f"{source}: no record has both primer sites of {marker.name} "
        f"({marker.forward_primer}, {marker.reverse_primer}); "
        f"{inside} of {len(lengths)} records are {marker.min_length} to {marker.max_length} bp long; {advice}"
    )


def _nothing_left(source: Path, marker: ResolvedMarker, report: BuildReport) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(report.dropped.items())) or "no records"
    return (
        f"{source}: none of {report.records} records gives an amplicon of {marker.name} ({reasons}); check primers, "
        f"length window ({marker.min_length} to {marker.max_length} bp) and that the file is of this marker"
    )

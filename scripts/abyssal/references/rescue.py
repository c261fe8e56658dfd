"""Records whose primer sites were stripped or cut off: found again by alignment to amplicons already in hand.

Databases often end where the primers did: a COI barcode holds the inner forward primer but not HCO2198. Such a record is
kept when an aligned amplicon is covered from its first to its last base (up to three), and cut to that stretch; a
record that covers only part of it would make a shorter, different amplicon, and is dropped as ``partial``.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from abyssal.references.markers import ResolvedMarker
from abyssal.references.pcr import Amplification, Site
from abyssal.sequences.alphabet import reverse_complement
from abyssal.sequences.records import write_fasta
from abyssal.tools import run_tool

MAX_SEEDS = 4000
_MIN_SEEDS = 20
_IDENTITY = "0.7"
_SLACK = 3
_SITE_SLACK = 12
_MODE_WIDTH = 3
_FIELDS = "query+target+qstrand+qilo+qihi+tilo+tihi+tl"


def anchored_seeds(candidates: Iterable[Amplification], marker: ResolvedMarker) -> list[str]:
    """Return amplicons that begin (or end) at one primer site and run to the sequence's other end at the usual length.

    The usual length is the most frequent one inside the marker's window, give or take three bases: where a database cut
    the second primer off, complete records pile up there and truncated ones do not.
    """
    inserts = [found for candidate in candidates if (found := anchored_insert(candidate))]
    inside = [insert for insert in inserts if marker.min_length <= len(insert) <= marker.max_length]
    if not inside:
        return []
    frequent = Counter(map(len, inside))
    mode = min(frequent, key=lambda length: (-frequent[length], length))
    return sorted({insert for insert in inside if abs(len(insert) - mode) <= _MODE_WIDTH})


def anchored_insert(candidate: Amplification) -> str:
    """Return what lies behind the forward site or before the reverse site; empty when neither was found."""
    if candidate.site is Site.FORWARD_ONLY:
        return candidate.sequence[candidate.start :]
    if candidate.site is Site.REVERSE_ONLY:
        return candidate.sequence[: candidate.end]
    return ""


def enough_seeds(amplified: int) -> bool:
    """Return whether the PCR alone found enough amplicons to align the rest to."""
    return amplified >= _MIN_SEEDS


def spread(sequences: Sequence[str], limit: int = MAX_SEEDS) -> list[str]:
    """Return at most ``limit`` sequences, evenly spread over the given order."""
    if len(sequences) <= limit:
        return list(sequences)
    return [sequences[position * len(sequences) // limit] for position in range(limit)]


def align_to_amplicons(
    candidates: Sequence[Amplification], seeds: Sequence[str], *, threads: int = 1
) -> list[tuple[str, str]]:
    """Return (outcome, amplicon) for each candidate: outcome ``kept``, ``partial`` or ``not_target``.

    Args:
        candidates: what the PCR left over; sequences of either strand.
        seeds: amplicons in primer orientation.
        threads: vsearch threads.
    """
    outcomes = [("not_target", "")] * len(candidates)
    if not candidates or not seeds:
        return outcomes
    with tempfile.TemporaryDirectory(prefix="abyssal-rescue-") as folder:
        queries, targets, hits = (Path(folder) / name for name in ("queries.fasta", "seeds.fasta", "hits.tsv"))
        write_fasta(queries, ((str(n), candidate.sequence) for n, candidate in enumerate(candidates)))
        write_fasta(targets, ((str(n), seed) for n, seed in enumerate(seeds)))
        run_tool(
            ["vsearch", "--usearch_global", queries, "--db", targets, "--id", _IDENTITY, "--strand", "both",
             "--maxaccepts", "2", "--maxrejects", "32", "--minseqlength", "20", "--maxseqlength", "1000000",
             "--qmask", "none", "--dbmask", "none", "--threads", str(threads), "--quiet",
             "--userout", hits, "--userfields", _FIELDS]
        )  # fmt: skip
        for row in hits.read_text(encoding="utf-8").splitlines():
            query, _, strand, *positions = row.split("\t")
            number = int(query)
            # The first row of a query is its best hit; a later one only counts where it covers more.
            if outcomes[number][0] != "kept":
                outcomes[number] = _cut(candidates[number], strand, [int(value) for value in positions])
    return outcomes


def _cut(candidate: Amplification, strand: str, positions: list[int]) -> tuple[str, str]:
    query_low, query_high, target_low, target_high, target_length = positions
    sequence = candidate.sequence
    if strand == "-":
        sequence = reverse_complement(sequence)
    start, end = query_low - 1, query_high
    if strand == "+" and candidate.site is Site.FORWARD_ONLY and abs(candidate.start - start) <= _SITE_SLACK:
        start, target_low = candidate.start, 1
    if strand == "+" and candidate.site is Site.REVERSE_ONLY and abs(candidate.end - end) <= _SITE_SLACK:
        end, target_high = candidate.end, target_length
    if target_low - 1 > _SLACK or target_length - target_high > _SLACK:
        return "partial", ""
    return "kept", sequence[start:end]

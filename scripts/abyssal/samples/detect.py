"""Which of the known markers are in a library, by the primers at the start of its first reads."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import islice
from pathlib import Path

import dnaio

from abyssal.references.markers import Marker, read_markers
from abyssal.samples.scan import FoundLibrary
from abyssal.sequences.alphabet import IUPAC_BASES

_READS = 500
_SLACK = 12
_LEAST_SHARE = 0.05


def detect_markers(library: FoundLibrary) -> list[str]:
    """Return the markers of resources/markers.tsv whose primers start at least 5 % of the first reads, by name.

    Of markers of the same gene and region, the one whose primers fit most reads counts; longer primers win where they
    fit at least a third as many, since a shorter pair may be part of them.
    """
    patterns = _patterns()
    counts: Counter[str] = Counter()
    reads = _pairs(library.r1, library.r2)
    for first, second in reads:
        counts.update(
            name
            for name, (forward, reverse) in patterns.items()
            if forward.match(first) and (second is None or reverse.match(second))
        )
    groups: dict[tuple[str, str], list[Marker]] = {}
    for marker in read_markers().values():
        if counts[marker.name] >= max(1.0, _LEAST_SHARE * len(reads)):
            groups.setdefault((marker.gene, marker.region), []).append(marker)
    found = []
    for markers in groups.values():
        most = max(counts[marker.name] for marker in markers)
        fitting = [marker for marker in markers if 3 * counts[marker.name] >= most]
        found.append(max(fitting, key=lambda marker: (_bases(marker), counts[marker.name], marker.name)).name)
    return sorted(found)


def _bases(marker: Marker) -> int:
    return len(marker.forward_primer) + len(marker.reverse_primer)


@cache
def _patterns() -> dict[str, tuple[re.Pattern[str], re.Pattern[str]]]:
    markers = read_markers().values()
    return {marker.name: (_at_start(marker.forward_primer), _at_start(marker.reverse_primer)) for marker in markers}


def _at_start(primer: str) -> re.Pattern[str]:
    letters = "".join(f"[{IUPAC_BASES[letter]}]" for letter in primer)
    return re.compile(f"[ACGTN]{{0,{_SLACK}}}{letters}")


def _pairs(r1: Path, r2: Path | None) -> list[tuple[str, str | None]]:
    if not r1.stat().st_size:
        return []
    with dnaio.open(r1, fileformat="fastq") as reader:
        first = [record.sequence for record in islice(reader, _READS)]
    if r2 is None:
        return [(sequence, None) for sequence in first]
    with dnaio.open(r2, fileformat="fastq") as reader:
        second = [record.sequence for record in islice(reader, _READS)]
    return list(zip(first, second, strict=False))

"""Named primer pairs, and how a marker of the configuration gets its primers and its length window."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache

from abyssal.config.models import MarkerConfig
from abyssal.errors import ConfigError
from abyssal.references.shipped import read_shipped_table
from abyssal.sequences.alphabet import normalise

_COLUMNS = (
    "name", "gene", "region", "forward_primer", "reverse_primer", "min_length", "max_length", "genetic_codes",
    "reading_frame", "forward_name", "reverse_name", "source",
)  # fmt: skip
_DEFAULT_WINDOW = (30, 2500)


@dataclass(frozen=True, slots=True)
class Coding:
    """How a coding amplicon is read: genetic codes (NCBI's numbers) and bases before the first whole codon (0 to 2)."""

    genetic_codes: tuple[int, ...]
    reading_frame: int


@dataclass(frozen=True, slots=True)
class Marker:
    """A row of ``resources/markers.tsv``.

    Lengths are of the amplicon without primers, in base pairs. A coding marker has the NCBI genetic codes that its
    organisms may follow and the bases before the first whole codon of the amplicon (``reading_frame``, 0 to 2).
    """

    name: str
    gene: str
    region: str
    forward_primer: str
    reverse_primer: str
    min_length: int
    max_length: int
    source: str
    coding: Coding | None
    forward_name: str
    reverse_name: str


@dataclass(frozen=True, slots=True)
class ResolvedMarker:
    """A marker with every value set: primers as upper-case IUPAC (5' to 3'), lengths in bp without primers."""

    name: str
    forward_primer: str
    reverse_primer: str
    min_length: int
    max_length: int


@cache
def read_markers() -> dict[str, Marker]:
    """Return the shipped markers by name."""
    rows = read_shipped_table("markers.tsv", _COLUMNS)
    markers = (
        Marker(
            row["name"], row["gene"], row["region"],
            normalise(row["forward_primer"]), normalise(row["reverse_primer"]),
            int(row["min_length"]), int(row["max_length"]), row["source"],
            _coding(row["genetic_codes"], row["reading_frame"]), row["forward_name"], row["reverse_name"],
        )
        for row in rows
    )  # fmt: skip
    return {marker.name: marker for marker in markers}


def _coding(codes: str, frame: str) -> Coding | None:
    return Coding(tuple(map(int, codes.split(","))), int(frame)) if codes else None


def _shipped(name: str) -> Marker | None:
    return {marker.casefold(): value for marker, value in read_markers().items()}.get(name.casefold())


def coding_of(name: str, config: MarkerConfig | None = None) -> Coding | None:
    """Return how a marker is read as protein, or None when it codes for none or its reading frame is not known.

    Args:
        name: marker as in the configuration.
        config: its settings; ``genetic_codes`` (an empty list: not coding) and ``reading_frame`` win over the registry.
    """
    settings = config or MarkerConfig()
    shipped = _shipped(name)
    known = shipped.coding if shipped else None
    codes = known.genetic_codes if known and settings.genetic_codes is None else tuple(settings.genetic_codes or ())
    frame = settings.reading_frame if settings.reading_frame is not None else known.reading_frame if known else None
    return Coding(codes, frame) if codes and frame is not None else None


def primer_names() -> dict[str, str]:
    """Return the primers of the registry (upper-case IUPAC, 5' to 3') by their names, in lower case."""
    names: dict[str, str] = {}
    for marker in read_markers().values():
        names.setdefault(marker.forward_name.casefold(), marker.forward_primer)
        names.setdefault(marker.reverse_name.casefold(), marker.reverse_primer)
    return names


def resolve_marker(name: str, config: MarkerConfig | None = None) -> ResolvedMarker:
    """Fill what the configuration leaves open from the marker of the same name (case does not matter).

    A marker that is not in the registry needs both primers; its lengths default to 30 and 2,500 bp.

    Raises:
        ConfigError: a primer is missing and the name is unknown (the nearest names are given), or min exceeds max.
    """
    settings = config or MarkerConfig()
    shipped = _shipped(name)
    forward = settings.forward_primer or (shipped.forward_primer if shipped else None)
    reverse = settings.reverse_primer or (shipped.reverse_primer if shipped else None)
    if forward is None or reverse is None:
        raise ConfigError(_unknown(name, list(read_markers())))
    low, high = (shipped.min_length, shipped.max_length) if shipped else _DEFAULT_WINDOW
    low = settings.min_length if settings.min_length is not None else low
    high = settings.max_length if settings.max_length is not None else high
    if low > high:
        message = f"markers.{name}: min_length {low} is above max_length {high}; set both so that min <= max"
        raise ConfigError(message)
    return ResolvedMarker(name, normalise(forward), normalise(reverse), low, high)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or known
    return (
        f"markers.{name}: no primers given and no marker of that name is shipped; set forward_primer and "
        f"reverse_primer, or use a known name, for example {', '.join(near)} (all: abyssal reference markers)"
    )

"""Who is in a sample and how much of it: abundance laws, given tables, amplification bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abyssal.errors import DataError, UsageError

Law = Literal["even", "lognormal", "zipf"]
Control = Literal["", "field_blank", "extraction_blank", "pcr_blank", "positive"]
BLANKS: tuple[Control, ...] = ("field_blank", "extraction_blank", "pcr_blank")

_TABLE_COLUMNS = ["library", "template", "weight"]
_MEAN_EFFICIENCY = 0.9
"""Share of molecules that a PCR cycle copies; only differences between templates matter."""


@dataclass(frozen=True)
class LibraryPlan:
    """One library to make.

    Attributes:
        name: of its files, and the start of its read names where these are numbered.
        pairs: reads (pairs) before tag jumps.
        weights: relative abundance of each template id before amplification; empty for a blank.
        run: sequencing run; tags jump within a run.
        control: kind of control, or empty.
    """

    name: str
    pairs: int
    weights: Mapping[str, float] = field(default_factory=dict)
    run: str = "run1"
    control: Control = ""

    @property
    def is_blank(self) -> bool:
        return self.control in BLANKS


def law_weights(
    law: Law, richness: int, rng: np.random.Generator, *, sigma: float = 1.5, exponent: float = 1.0
) -> NDArray[np.float64]:
    """Return ``richness`` weights that sum to one, in random order for lognormal, descending for Zipf.

    Args:
        law: even; lognormal with this ``sigma`` (natural log); zipf, weight of rank r proportional to r^-exponent.
        richness: number of templates.
        rng: source of randomness.
        sigma: standard deviation of the log weights.
        exponent: Zipf exponent.
    """
    if law == "even":
        weights = np.ones(richness)
    elif law == "lognormal":
        weights = rng.lognormal(0.0, sigma, richness)
    else:
        weights = np.arange(1, richness + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum(), dtype=np.float64)


@dataclass(frozen=True)
class CommunitySettings:
    """How communities are drawn when no table is given.

    Attributes:
        law: abundance law.
        richness: templates in a library.
        turnover: share of a library's templates that the others need not have.
        sigma: of the lognormal law.
        exponent: of the Zipf law.
        between_libraries: standard deviation (natural log) of a template's abundance between libraries.
    """

    law: Law = "lognormal"
    richness: int = 50
    turnover: float = 0.3
    sigma: float = 1.5
    exponent: float = 1.0
    between_libraries: float = 0.5


def draw_communities(
    template_ids: Sequence[str], libraries: int, settings: CommunitySettings, rng: np.random.Generator
) -> list[dict[str, float]]:
    """Draw one community a library; all share a core of templates with the same ranking before the noise.

    Raises:
        UsageError: more templates asked than there are.
    """
    if settings.richness > len(template_ids):
        message = f"richness {settings.richness} asked, but there are {len(template_ids)} templates; ask for fewer"
        raise UsageError(message)
    shared = round(settings.richness * (1.0 - settings.turnover))
    order = rng.permutation(len(template_ids))
    core, others = order[:shared], order[shared:]
    law = law_weights(settings.law, settings.richness, rng, sigma=settings.sigma, exponent=settings.exponent)
    communities = []
    for _ in range(libraries):
        members = np.concatenate([core, rng.choice(others, settings.richness - shared, replace=False)])
        # Even means even: noise between libraries belongs to the other laws.
        noise = 0.0 if settings.law == "even" else settings.between_libraries
        weights = law * np.exp(rng.normal(0.0, 1.0, settings.richness) * noise)
        weights /= weights.sum()
        communities.append({template_ids[m]: float(w) for m, w in zip(members, weights, strict=True)})
    return communities


def read_communities(table: Path, known: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Read given communities: columns ``library``, ``template``, ``weight``; weights are relative within a library.

    Raises:
        UsageError: no such file.
        DataError: columns, numbers or template ids are wrong; names the row.
    """
    if not table.is_file():
        message = f"{table}: no such community table"
        raise UsageError(message)
    rows = table.read_text(encoding="utf-8").splitlines()
    if not rows or rows[0].split("\t") != _TABLE_COLUMNS:
        message = f"{table} row 1: expected the tab-separated columns {', '.join(_TABLE_COLUMNS)}"
        raise DataError(message)
    communities: dict[str, dict[str, float]] = {}
    for number, row in enumerate(rows[1:], start=2):
        library, template, weight = _community_row(table, number, row)
        if template not in known:
            message = f"{table} row {number}: {template!r} is no template; use ids of the reference FASTA"
            raise DataError(message)
        community = communities.setdefault(library, {})
        community[template] = community.get(template, 0.0) + weight
    empty = [library for library, community in communities.items() if not sum(community.values())]
    if empty:
        message = f"{table}: library {empty[0]} has no weight above zero"
        raise DataError(message)
    return communities


def _community_row(table: Path, number: int, row: str) -> tuple[str, str, float]:
    cells = row.split("\t")
    try:
        library, template, text = cells
        weight = float(text)
    except ValueError as error:
        message = f"{table} row {number}: expected a library, a template and a number, found {cells}"
        raise DataError(message) from error
    if not 0.0 <= weight < float("inf"):
        message = f"{table} row {number}: weight {text} is out of range; expected 0 or more"
        raise DataError(message)
    return library, template, weight


def amplification_factors(
    templates: int, rng: np.random.Generator, *, cycles: int, efficiency_sd: float
) -> NDArray[np.float64]:
    """Return how much more each template is copied than the mean one, (1 + its efficiency)^cycles.

    Args:
        templates: number of templates.
        rng: source of randomness.
        cycles: PCR cycles.
        efficiency_sd: standard deviation of the efficiency between templates (0: no bias).
    """
    efficiency = np.clip(rng.normal(_MEAN_EFFICIENCY, efficiency_sd, templates), 0.0, 1.0)
    return np.asarray(((1.0 + efficiency) / (1.0 + _MEAN_EFFICIENCY)) ** cycles, dtype=np.float64)

"""What an ASV counts as: its accepted names from the highest rank down, and below them its putative taxon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abyssal.report.answers import Answer, Answers

PUTATIVE_RANK = "putative taxon"
UNASSIGNED = "Unassigned"


@dataclass(frozen=True)
class Lineage:
    """One ASV's taxon.

    Attributes:
        names: (rank, name) of the accepted names, without gaps in the ranks' order; a putative taxon comes last.
        confidence: calibrated probability of the deepest accepted name, 0..1; 0 when there is none.
        putative_taxon: its id, or "".
    """

    names: tuple[tuple[str, str], ...]
    confidence: float
    putative_taxon: str = ""

    @property
    def accepted(self) -> tuple[tuple[str, str], ...]:
        """The names that the reference gives."""
        return tuple(pair for pair in self.names if pair[0] != PUTATIVE_RANK)

    @property
    def text(self) -> str:
        """The names joined by ``; ``, or ``Unassigned``."""
        return "; ".join(name for _, name in self.names) or UNASSIGNED

    def name_at(self, rank: str) -> str:
        """Return the name at a rank, or ""."""
        return next((name for found, name in self.names if found == rank), "")


def lineages_of(asvs: Sequence[str], answers: Answers, putative: Mapping[str, str]) -> dict[str, Lineage]:
    """Return the lineage of each ASV; one without an answer is unassigned."""
    known = {answer.asv: answer for answer in answers.rows}
    return {asv: _lineage(known.get(asv), answers.ranks, putative.get(asv, "")) for asv in asvs}


def _lineage(answer: Answer | None, ranks: Sequence[str], putative: str) -> Lineage:
    names = [(rank, answer.name_at(place)) for place, rank in enumerate(ranks)] if answer else []
    names = [pair for pair in names if pair[1]]
    confidence = answer.confidence[answer.accepted] if answer and answer.accepted >= 0 else 0.0
    if putative:
        names.append((PUTATIVE_RANK, putative))
    return Lineage(tuple(names), confidence, putative)

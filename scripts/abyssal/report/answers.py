"""The classification TSV as the report needs it: per ASV the names at each rank and how deep they are accepted."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.errors import DataError

_SUFFIX = "_confidence"
UNASSIGNED = "Unassigned"


@dataclass(frozen=True)
class Answer:
    """One row.

    Attributes:
        asv: id of the ASV.
        labels: best name at each rank, "" where there is none.
        confidence: its calibrated probability, 0..1; 0 where there is no name.
        accepted: index of the deepest accepted rank, -1 for none.
        novel_at: rank judged absent from the reference, or "".
        putative_taxon: id, or "".
        source: model, cache, fallback or rejected.
        engine: what computed the vectors.
        error: message, or "".
        nearest: identity to the nearest reference sequence (0 to 1), or None where none was looked for.
    """

    asv: str
    labels: tuple[str, ...]
    confidence: tuple[float, ...]
    accepted: int
    novel_at: str
    putative_taxon: str
    source: str
    engine: str
    error: str
    nearest: float | None = None

    def name_at(self, rank: int) -> str:
        """Return the accepted name at a rank, "" when it is not accepted that deep."""
        return self.labels[rank] if rank <= self.accepted else ""


@dataclass(frozen=True)
class Answers:
    """All rows of a classification TSV, and the ranks it has, highest first."""

    ranks: tuple[str, ...]
    rows: Sequence[Answer]


def read_answers(source: Path) -> Answers:
    """Read a classification TSV.

    Raises:
        DataError: it does not start with the columns Feature ID, Taxon, Confidence.
    """
    with source.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = list(reader.fieldnames or [])
        if header[:3] != ["Feature ID", "Taxon", "Confidence"]:
            message = f"{source} line 1: expected Feature ID, Taxon, Confidence first, found {', '.join(header[:3])}"
            raise DataError(message)
        ranks = tuple(name.removesuffix(_SUFFIX) for name in header if name.endswith(_SUFFIX))
        return Answers(ranks, [_answer(row, ranks) for row in reader])


def _answer(row: dict[str, str], ranks: Sequence[str]) -> Answer:
    labels = tuple(row[rank] for rank in ranks)
    return Answer(
        asv=row["Feature ID"],
        labels=labels,
        confidence=tuple(float(row[f"{rank}{_SUFFIX}"] or 0.0) for rank in ranks),
        accepted=_depth(row["Taxon"], labels),
        novel_at=row["novel_at"],
        putative_taxon=row["putative_taxon"],
        source=row["source"],
        engine=row["engine"],
        error=row["error"],
        nearest=float(row["nearest_identity"]) if row["nearest_identity"] else None,
    )


def _depth(taxon: str, labels: Sequence[str]) -> int:
    """Return the rank whose name ends the accepted lineage: the lineage is the known names down to that rank."""
    if taxon == UNASSIGNED:
        return -1
    joined = ""
    for rank, name in enumerate(labels):
        joined = f"{joined}; {name}" if joined and name else joined or name
        if name and joined == taxon:
            return rank
    return -1

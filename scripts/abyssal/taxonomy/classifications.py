"""Answers for many sequences at once, column by column, and the TSV all outputs and exports derive from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Source(IntEnum):
    """Where an answer came from."""

    MODEL = 1
    CACHE = 2
    FALLBACK = 3
    REJECTED = 4


class ReadErrorCode(IntEnum):
    """Why one sequence has no answer; its neighbours are answered."""

    EMPTY = 1
    TOO_SHORT = 2
    TOO_LONG = 3
    INVALID_LETTER = 4
    WRONG_MARKER = 5


@dataclass(frozen=True)
class ReadError:
    """The typed error of one sequence; ``marker`` is the marker that it is of, when the code is WRONG_MARKER."""

    code: ReadErrorCode
    message: str
    marker: str = ""


@dataclass(frozen=True)
class Classifications:
    """Answers for n sequences under R ranks.

    Attributes:
        ranks: rank names, highest first.
        labels: per rank the best name of each sequence; ``labels[i][r]`` is None when there is none. The labels down
            to the lowest name are the lineage of some reference; a None between two names is that lineage's own gap.
        confidence: (n, R) float32, calibrated P(label right); 0 where there is no label; never rises from a label to
            the next one below.
        accepted: (n,) int16, index of the deepest accepted rank, -1 for none.
        novel_at: (n,) int16, index of the highest rank judged absent from the reference, -1 for none.
        alternatives: names that share the nearest amplicon at the lowest rank, empty when there is one.
        putative_taxon: id of the putative taxon, or "".
        nearest_id: id of the nearest reference amplicon, or "".
        nearest_identity: (n,) float32, 0..1, NaN when not aligned.
        nearest_coverage: (n,) float32, 0..1, NaN when not aligned.
        source: (n,) int8 of Source.
        errors: for each sequence its error, or None.
        engine: identifier of what computed the vectors.
    """

    ranks: tuple[str, ...]
    labels: Sequence[tuple[str | None, ...]]
    confidence: NDArray[np.float32]
    accepted: NDArray[np.int16]
    novel_at: NDArray[np.int16]
    alternatives: Sequence[tuple[str, ...]]
    putative_taxon: Sequence[str]
    nearest_id: Sequence[str]
    nearest_identity: NDArray[np.float32]
    nearest_coverage: NDArray[np.float32]
    source: NDArray[np.int8]
    errors: Sequence[ReadError | None]
    engine: str = field(default="")

    def __len__(self) -> int:
        return len(self.labels)


def tsv_header(ranks: Sequence[str]) -> str:
    """Return the header line of the classification TSV (QIIME 2 reads the first two columns)."""
    per_rank = [column for rank in ranks for column in (rank, f"{rank}_confidence")]
    return "\t".join(
        ["Feature ID", "Taxon", "Confidence", *per_rank, "novel_at", "alternatives", "putative_taxon", "nearest_id",
         "nearest_identity", "nearest_coverage", "source", "engine", "error"]
    )  # fmt: skip


def tsv_rows(ids: Sequence[str], answers: Classifications) -> list[str]:
    """Return one line a sequence, without line ends, in the columns of ``tsv_header``."""
    return [_row(name, index, answers) for index, name in enumerate(ids)]


def accepted_taxon(answers: Classifications, index: int) -> str:
    """Return the accepted lineage joined by ``; ``, or ``Unassigned``."""
    depth = int(answers.accepted[index]) + 1
    names = [name for name in answers.labels[index][:depth] if name is not None]
    return "; ".join(names) if names else "Unassigned"


def _row(name: str, index: int, answers: Classifications) -> str:
    depth = int(answers.accepted[index])
    novel = int(answers.novel_at[index])
    error = answers.errors[index]
    cells = [name, accepted_taxon(answers, index)]
    cells.append(_share(answers.confidence[index, depth]) if depth >= 0 else _share(0.0))
    for rank, label in enumerate(answers.labels[index]):
        cells += [label or "", _share(answers.confidence[index, rank]) if label else ""]
    cells += [
        answers.ranks[novel] if novel >= 0 else "",
        "|".join(answers.alternatives[index]),
        answers.putative_taxon[index],
        answers.nearest_id[index],
        _share(answers.nearest_identity[index]),
        _share(answers.nearest_coverage[index]),
        Source(int(answers.source[index])).name.lower(),
        answers.engine,
        f"{error.code.name}: {error.message}" if error else "",
    ]
    return "\t".join(cells)


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{float(value):.6f}"

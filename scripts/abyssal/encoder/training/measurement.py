"""How good vectors are at naming what they have not been trained on: the nearest neighbour's name, nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.encoder.training.corpus import RANKS, Group, MarkerCorpus, Part, Query

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

GRADED_RANK: dict[Group, int] = {"known species": 0, "new species": 1, "new genus": 2}
"""The lowest rank (index into ``RANKS``) at which a query of this group can be named at all."""
MOST_QUERIES_A_SPECIES = 5
_RESAMPLES = 1000
_BLOCK = 256


@dataclass(frozen=True)
class Grades:
    """One cell of a table, query by query.

    Attributes:
        marker, group: what was asked.
        rank: at which rank the name is compared.
        right: (n,) share of the nearest amplicons that bear the query's name; more than one only where they tie.
        similarity: (n,) cosine of the nearest amplicon.
    """

    marker: str
    group: Group
    rank: str
    right: NDArray[np.float64]
    similarity: NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """The mean of a cell: over ``queries`` queries, how often the nearest neighbour bears the right name."""

    marker: str
    group: Group
    rank: str
    queries: int
    accuracy: float


def grade(
    embed: Embed, corpora: Sequence[MarkerCorpus], *, part: Part, most_queries: int | None = None
) -> tuple[Grades, ...]:
    """Grade every marker and group that has queries; ``most_queries`` takes an even sample of each."""
    cells: list[Grades] = []
    for corpus in corpora:
        reference = embed(corpus.sequences)
        for rank, queries in graded_queries(corpus, part, most_queries):
            cells.append(_grade_cell(embed, queries, reference, corpus, rank))
    return tuple(cells)


def graded_queries(corpus: MarkerCorpus, part: Part, most: int | None = None) -> Iterator[tuple[int, list[Query]]]:
    """Yield the rank (index into ``RANKS``) and the queries of each group that has some and a reference to search."""
    for group, rank in GRADED_RANK.items():
        asked = [one for one in corpus.queries if one.group == group and one.part == part and one.names[rank]]
        queries = _even_sample(_few_a_species(asked), most)
        if queries and corpus.sequences:
            yield rank, queries


def accuracies(cells: Sequence[Grades]) -> tuple[Accuracy, ...]:
    """Return the mean of every cell."""
    return tuple(
        Accuracy(cell.marker, cell.group, cell.rank, len(cell.right), round(float(cell.right.mean()), 6))
        for cell in cells
    )


def early_stopping_score(table: Sequence[Accuracy]) -> float:
    """Return the mean accuracy on new species and new genera, each cell weighted by the root of its queries."""
    cells = [row for row in table if row.group != "known species"]
    weights = np.sqrt([row.queries for row in cells])
    return float(np.average([row.accuracy for row in cells], weights=weights)) if cells else 0.0


def steering_row(embed: Embed, corpora: Sequence[MarkerCorpus], most_queries: int) -> dict[str, float]:
    """Return the early-stopping score and the cells behind it, on the half of the held-out taxa that steers."""
    table = accuracies(grade(embed, corpora, part="calibrate", most_queries=most_queries))
    cells = {f"{row.marker}, {row.group}, {row.rank}": row.accuracy for row in table}
    return {"score": early_stopping_score(table), **cells}


def novelty_auroc(cells: Sequence[Grades], *, known: Group, novel: Group) -> dict[str, float]:
    """Return by marker how well the raw similarity tells ``known`` queries from ``novel`` ones (0.5: not at all)."""
    found = {}
    for marker in sorted({cell.marker for cell in cells}):
        by_group = {cell.group: cell.similarity for cell in cells if cell.marker == marker}
        if known in by_group and novel in by_group:
            higher = by_group[known][:, None] - by_group[novel][None, :]
            found[marker] = round(float(np.mean((higher > 0) + 0.5 * (higher == 0))), 6)
    return found


def compare(first: Sequence[Grades], second: Sequence[Grades], *, seed: int = 0) -> list[dict[str, object]]:
    """Return where ``first`` beats ``second``: differences with 95 % intervals from paired resampling of the queries.

    The last row pools all queries of new species and new genera.
    """
    differences = [
        (cell.marker, cell.group, cell.rank, cell.right - other.right)
        for cell, other in zip(first, second, strict=True)
    ]
    pooled = [values for _, group, _, values in differences if group != "known species"]
    rows = [_interval(marker, group, rank, values, seed) for marker, group, rank, values in differences]
    if pooled:
        rows.append(_interval("all", "new species and new genus", "genus or family", np.concatenate(pooled), seed))
    return rows


def as_rows(table: Sequence[Accuracy]) -> list[dict[str, object]]:
    """Return the table as JSON objects."""
    return [asdict(row) for row in table]


def _interval(marker: str, group: str, rank: str, values: NDArray[np.float64], seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, values.size, values.size)].mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "marker": marker,
        "group": group,
        "rank": rank,
        "queries": int(values.size),
        "difference": round(float(values.mean()), 6),
        "low": round(float(low), 6),
        "high": round(float(high), 6),
    }


def _grade_cell(
    embed: Embed, queries: Sequence[Query], reference: NDArray[np.float32], corpus: MarkerCorpus, rank: int
) -> Grades:
    names = np.array([row[rank] or "" for row in corpus.names], dtype=object)
    right = np.zeros(len(queries))
    similarity = np.zeros(len(queries))
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        cosines = embed([query.sequence for query in block]) @ reference.T
        best = cosines.max(axis=1)
        similarity[start : start + len(block)] = best
        for row, query in enumerate(block):
            nearest = cosines[row] >= best[row] - 1e-6
            right[start + row] = float(np.mean(names[nearest] == query.names[rank]))
    return Grades(corpus.marker, queries[0].group, RANKS[rank], right, similarity)


def _few_a_species(queries: list[Query]) -> list[Query]:
    """Keep at most ``MOST_QUERIES_A_SPECIES`` of each species, or one barcoded a hundred times decides the figure."""
    counts: Counter[str | None] = Counter()
    kept = []
    for query in queries:
        name = query.names[0] or query.names[1]
        counts[name] += 1
        if counts[name] <= MOST_QUERIES_A_SPECIES:
            kept.append(query)
    return kept


def _even_sample(queries: list[Query], most: int | None) -> list[Query]:
    if most is None or len(queries) <= most:
        return queries
    positions = np.linspace(0, len(queries) - 1, most).astype(np.int64)
    return [queries[position] for position in positions]

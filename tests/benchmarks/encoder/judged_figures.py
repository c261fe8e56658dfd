"""What the encoder is judged by beside its peers: names, novelty, groups of unseen taxa, robustness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from abyssal.benchmark.discovery_score import contingency, weighted_rand
from abyssal.encoder.training.corpus import MarkerCorpus, Part
from abyssal.encoder.training.measurement import Embed, Grades, compare, grade

RESAMPLES = 1000
MOST_GROUPED = 1500
"""Amplicons of one draw of the grouping, evenly from all."""
DISTANCES = tuple(round(0.01 * step, 2) for step in range(1, 100))

Row = dict[str, object]


def name_rows(cells: dict[str, tuple[Grades, ...]], ours: str) -> list[Row]:
    """Return by set and group every method's share of right names, and ours minus each peer's with its interval."""
    peers = [name for name in cells if name != ours]
    against = {peer: compare(cells[ours], cells[peer]) for peer in peers}
    rows: list[Row] = []
    for place, first in enumerate(against[peers[0]]):
        shares = {
            name: float(found[place].right.mean()) if place < len(found) else _pooled(found)
            for name, found in cells.items()
        }
        rows.append({**first, "shares": shares, "minus": {peer: found[place] for peer, found in against.items()}})
    return rows


def _pooled(cells: Sequence[Grades]) -> float:
    return float(np.concatenate([cell.right for cell in cells if cell.group != "known species"]).mean())


def novelty_rows(cells: dict[str, tuple[Grades, ...]], ours: str, peer: str) -> list[Row]:
    """Return by set the AUROC of the best similarity, for new species and for new genera, and ours minus the peer's."""
    rows: list[Row] = []
    for marker in sorted({cell.marker for cell in cells[ours]}):
        by_group = {
            name: {cell.group: cell.similarity for cell in found if cell.marker == marker}
            for name, found in cells.items()
        }
        for novel, known in (("new species", ["known species"]), ("new genus", ["known species", "new species"])):
            if novel not in by_group[ours] or not any(group in by_group[ours] for group in known):
                continue
            low = {
                name: np.concatenate([one[group] for group in known if group in one]) for name, one in by_group.items()
            }
            high = {name: one[novel] for name, one in by_group.items()}
            rows.append(
                {
                    "marker": marker, "novel": novel, "known": low[ours].size, "queries": high[ours].size,
                    "auroc": {name: _auroc(low[name], high[name]) for name in cells},
                    "minus": _auroc_interval(low[ours], high[ours], low[peer], high[peer]),
                }
            )  # fmt: skip
    return rows


def _auroc(known: NDArray[np.float64], novel: NDArray[np.float64]) -> float:
    ordered = np.sort(novel)
    below = np.searchsorted(ordered, known, "left") + np.searchsorted(ordered, known, "right")
    return float(below.mean() / (2 * novel.size))


def _auroc_interval(
    known: NDArray[np.float64], novel: NDArray[np.float64], other: NDArray[np.float64], other_novel: NDArray[np.float64]
) -> tuple[float, float, float]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        first, second = rng.integers(0, known.size, known.size), rng.integers(0, novel.size, novel.size)
        found.append(_auroc(known[first], novel[second]) - _auroc(other[first], other_novel[second]))
    low, high = np.quantile(found, [0.025, 0.975])
    return _auroc(known, novel) - _auroc(other, other_novel), float(low), float(high)


def group_rows(corpora: Sequence[MarkerCorpus], embeds: dict[str, Embed], ours: str) -> list[Row]:
    """Return by set the ARI of average linkage on held-out species, its threshold chosen on other held-out species."""
    rows: list[Row] = []
    for corpus in corpora:
        tuning, asked = _held_out(corpus, "calibrate"), _held_out(corpus, "report")
        tables: dict[str, NDArray[np.float64]] = {}
        chosen: dict[str, float] = {}
        for name, embed in embeds.items():
            truth = contingencies(embed(tuning[0]), tuning[1])
            scores = np.array([_rand(table) for table in truth])
            # A few species may be told apart at many distances: the middle one of those is no edge of anything.
            tied = np.flatnonzero(scores >= scores.max() - 1e-9)
            best = int(tied[tied.size // 2])
            chosen[name] = DISTANCES[best]
            tables[name] = contingencies(embed(asked[0]), asked[1])[best]
        taxa = len(tables[ours])
        rng = np.random.default_rng(0)
        draws = [np.bincount(rng.integers(0, taxa, taxa), minlength=taxa).astype(np.float64) for _ in range(200)]
        found = {name: np.array([weighted_rand(table, weights) for weights in draws]) for name, table in tables.items()}
        peer = next(name for name in embeds if name != ours)
        low, high = np.quantile(found[ours] - found[peer], [0.025, 0.975])
        ari = {name: _rand(table) for name, table in tables.items()}
        rows.append(
            {
                "marker": corpus.marker, "amplicons": len(asked[0]), "taxa": taxa, "ari": ari, "distance": chosen,
                "minus": (ari[ours] - ari[peer], float(low), float(high)),
            }
        )  # fmt: skip
    return rows


def _rand(table: NDArray[np.float64]) -> float:
    return float(weighted_rand(table, np.ones(len(table))))


def _held_out(corpus: MarkerCorpus, part: Part) -> tuple[list[str], NDArray[np.int64]]:
    """Return amplicons of species that no training has seen, and the number of each one's species."""
    queries = [one for one in corpus.queries if one.part == part and one.group != "known species" and one.names[0]]
    places = np.unique(np.linspace(0, len(queries) - 1, min(len(queries), MOST_GROUPED)).astype(np.int64))
    species = np.unique([str(queries[place].names[0]) for place in places], return_inverse=True)[1]
    return [queries[place].sequence for place in places], species


def contingencies(vectors: NDArray[np.float32], truth: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Return the table of species and groups at each of ``DISTANCES``; the amplicons are linked once."""
    apart = np.clip(1.0 - vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0.0, 2.0)
    np.fill_diagonal(apart, 0.0)
    merges = linkage(squareform(apart, checks=False), "average")
    return [contingency(truth, fcluster(merges, distance, "distance"))[0] for distance in DISTANCES]


def robust_rows(
    clean: Sequence[MarkerCorpus], variants: dict[str, Sequence[MarkerCorpus]], embeds: dict[str, Embed]
) -> list[Row]:
    """Return by set, method and variant the similarity to the clean read and how new species lose their genus."""
    rows: list[Row] = []
    for name, embed in embeds.items():
        before = grade(embed, clean, part="report")
        for variant, corpora in variants.items():
            after = grade(embed, corpora, part="report")
            falls = compare(after, before)
            for original, corpus in zip(clean, corpora, strict=True):
                pairs = [
                    (one.sequence, two.sequence)
                    for one, two in zip(original.queries, corpus.queries, strict=True)
                    if one.part == "report"
                ]
                similar = (embed([one for one, _ in pairs]) * embed([two for _, two in pairs])).sum(axis=1)
                fall = next(
                    (row for row in falls if row["marker"] == corpus.marker and row["group"] == "new species"), None
                )
                rows.append(
                    {
                        "marker": corpus.marker, "method": name, "variant": variant, "similar": float(similar.mean()),
                        "least": float(np.quantile(similar, 0.05)), "fall": fall,
                    }
                )  # fmt: skip
            fallen = [
                two.right - one.right for one, two in zip(before, after, strict=True) if one.group == "new species"
            ]
            rows.append(
                {"marker": "all", "method": name, "variant": variant, "pooled": interval(np.concatenate(fallen))}
            )
    return rows


def interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval from resampling."""
    rng = np.random.default_rng(0)
    means = [values[rng.integers(0, values.size, values.size)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)

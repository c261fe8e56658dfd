"""The evaluation by groups, averaged over taxa, which family is taken for which, how vectors of a taxon lie."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from abyssal.report.elements import Figure, Table, axis, count, decimal, label, percent, shorten
from abyssal.report.metrics import OURS

_LOWEST = 3
"""How many of the lowest ranks have rows by group."""


def detail_tables(metrics: Mapping[str, Any] | None) -> list[Table]:
    """Return the tables by group, of averages over taxa and of vectors; those that were not measured are left out."""
    if not metrics:
        return []
    made = [_groups(metrics), _averages(metrics), _cohesion(metrics)]
    return [table for table in made if table.rows]


def _groups(metrics: Mapping[str, Any]) -> Table:
    rows = []
    for rank in list(reversed(metrics["ranks"]))[:_LOWEST]:
        ours = metrics["methods"][OURS]["ranks"][rank].get("groups", {})
        for kind, groups in ours.items():
            for name in in_reading_order(groups, metrics["ranks"]):
                found = groups[name]
                best = _best_peer(metrics, rank, kind, name)
                rows.append(
                    [
                        rank, kind, name, _share(found["top1"], found["present"]), best,
                        _share(found["recall"], found["present"]), _share(found["precision"], found["named"]),
                        _share(found["misclassified"], found["present"]),
                        _share(found["over_classified"], found["absent"]),
                    ]
                )  # fmt: skip
    header = ["rank", "by", "group", "first name right", "best peer's", "accepted and right", "right of accepted",
              "wrongly named", "over-classified"]  # fmt: skip
    caption = (
        "The model's answers by groups of held-out queries, shares with their denominators. Size: reference amplicons "
        "of the true taxon. Errors: some of the queries asked once more with substitutions."
    )
    return Table(header, rows, caption, frozenset(range(3, 9)), shown=24)


def in_reading_order(groups: Iterable[str], ranks: Sequence[str]) -> list[str]:
    """Return names of groups by the first number in them, or from known to new at the highest rank."""
    new = {"known": 0, **{f"new {rank}": place for place, rank in enumerate(reversed(ranks), start=1)}}

    def place(name: str) -> float:
        number = re.search(r"\d+(\.\d+)?", name)
        return float(number[0]) if number else new.get(name, math.inf)

    return sorted(groups, key=place)


def _best_peer(metrics: Mapping[str, Any], rank: str, kind: str, name: str) -> str:
    found = [
        (groups[name]["top1"], method)
        for method, values in metrics["methods"].items()
        if method != OURS
        for groups in [values["ranks"][rank].get("groups", {}).get(kind, {})]
        if name in groups and groups[name]["top1"] is not None
    ]
    if not found:
        return "–"
    value, method = max(found)
    return f"{percent(value)} ({method})"


def _averages(metrics: Mapping[str, Any]) -> Table:
    rows = []
    for rank in reversed(metrics["ranks"]):
        for method, values in metrics["methods"].items():
            found = values["ranks"][rank].get("averages")
            if found:
                keys = [f"{figure}_{kind}" for kind in ("micro", "macro") for figure in ("precision", "recall", "f1")]
                brier, aurc = (
                    values["ranks"][rank]["calibration"]["all"]["brier"],
                    values["ranks"][rank]["risk_coverage"],
                )
                cells = [*(decimal(found[key]) for key in keys), decimal(brier), decimal(aurc["aurc"])]
                rows.append([rank, method, count(found["taxa"]), *cells])
    header = ["rank", "method", "taxa", "precision, micro", "recall, micro", "F1, micro", "precision, macro",
              "recall, macro", "F1, macro", "Brier score", "AURC"]  # fmt: skip
    caption = (
        "At each method's own threshold: over all queries (micro) and averaged over the taxa that have queries and are "
        "in the reference (macro). Brier score and area under the risk-coverage curve (AURC): 0 is best."
    )
    return Table(header, rows, caption, frozenset(range(2, 11)), shown=12)


def _cohesion(metrics: Mapping[str, Any]) -> Table:
    rows = [
        [
            rank, count(found["queries"]), count(found["taxa"]), decimal(found["silhouette"]),
            decimal(found["davies_bouldin"], 2), decimal(found["calinski_harabasz"], 1),
        ]
        for rank, found in metrics.get("cohesion", {}).items()
    ]  # fmt: skip
    header = ["rank", "queries", "taxa", "silhouette", "Davies-Bouldin", "Calinski-Harabasz"]
    caption = (
        "How well the vectors of held-out queries lie together by their true names with two queries or more: "
        "silhouette (cosine, -1 to 1) and Calinski-Harabasz better when larger, Davies-Bouldin when smaller."
    )
    return Table(header, rows, caption, frozenset(range(1, 6)))


def _share(value: float | None, whole: int) -> str:
    return "–" if value is None else f"{percent(value)} of {count(whole)}"


def confusion_figure(metrics: Mapping[str, Any] | None) -> list[Figure]:
    """Return the heat map of accepted names by true name, in a colour scale that all readers can tell apart."""
    found = (metrics or {}).get("confusion")
    if not found or not any(map(any, found["counts"])):
        return []
    shares = [[value / max(sum(row), 1) for value in row] for row in found["counts"]]
    trace = {
        "type": "heatmap", "z": shares, "customdata": found["counts"], "colorscale": "Cividis", "zmin": 0, "zmax": 1,
        "x": [label(shorten(name, 24)) for name in found["said"]],
        "y": [label(shorten(name, 24)) for name in found["true"]],
        "colorbar": {"title": {"text": "share of the row"}},
        "hovertemplate": "%{y} named %{x}: %{customdata} (%{z:.1%} of the row)<extra></extra>",
    }  # fmt: skip
    total = sum(map(sum, found["counts"]))
    caption = (
        f"Accepted {found['rank']} names (columns) by true {found['rank']} (rows), {count(total)} held-out sequences: "
        "the names that are most often confused, then the most frequent ones. No name is no mistake; in the row of "
        "absent taxa it is right."
    )
    layout = {"xaxis": axis("accepted name", tickangle=-45), "yaxis": axis("true name", autorange="reversed")}
    return [Figure("confusion", caption, [trace], layout, height=620)]

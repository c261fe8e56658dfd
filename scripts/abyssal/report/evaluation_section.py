"""How good the model is on sequences it has never seen, beside peers on the same split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from abyssal.report.elements import (
    OTHER_COLOUR,
    PALETTE,
    Figure,
    Section,
    Table,
    axis,
    count,
    decimal,
    label,
    percent,
    plural,
)
from abyssal.report.evaluation_detail import confusion_figure, detail_tables, in_reading_order
from abyssal.report.inputs import StudyResults
from abyssal.report.metrics import OURS, Evaluation, RankScore, read_evaluation

GOOD, POOR = 0.9, 0.7
"""Top-1 shares from which a rank is called good, and below which it is called weak."""

FEWEST = 10
"""Queries that a figure needs to be spoken of in the first lines; the tables show every one."""

CLEAR = 0.01
"""Differences up to this share are called level."""


def evaluation_verdicts(results: StudyResults) -> list[str]:
    """Say in plain words where the model is good, where it is not, and where a baseline beats it."""
    evaluation = read_evaluation(results.metrics)
    if evaluation is None:
        reason = results.metrics.get("reason") if results.metrics else None
        return [f"How good the names are could not be measured: {reason}."] if reason else []
    if evaluation.encoder_seen:
        return [
            f"No headline on accuracy: {evaluation.encoder_note} ({count(evaluation.encoder_seen)} of "
            f"{plural(evaluation.queries, 'held-out sequence')}), so the figures below flatter the model."
        ]
    asked = [score for score in map(evaluation.ours, evaluation.ranks) if score.top1 is not None]
    measured = [score for score in asked if score.present >= FEWEST]
    kinds = {
        "good": [score for score in measured if (score.top1 or 0.0) >= GOOD],
        "middling": [score for score in measured if POOR <= (score.top1 or 0.0) < GOOD],
        "weak": [score for score in measured if (score.top1 or 0.0) < POOR],
    }
    parts = [f"{kind} at {_listed(scores)}" for kind, scores in kinds.items() if scores]
    few = [f"{score.rank} ({score.present})" for score in asked if score.present < FEWEST]
    parts += [f"not to be told with so few queries at {', '.join(few)}"] if few else []
    parts = parts or ["not to be told, as no query's taxon is there"]
    doubt = "" if evaluation.encoder_seen is not None else f" Take this with care: {evaluation.encoder_note}."
    return [
        f"On {plural(evaluation.queries, 'held-out sequence')} the model's first name is {'; '.join(parts)}: share "
        f"right of the queries whose taxon is in the reference. {_against_baselines(evaluation)}{doubt}"
    ]


def _listed(scores: Sequence[RankScore]) -> str:
    return ", ".join(f"{score.rank} ({_of(score.top1, score.present)})" for score in scores)


def _against_baselines(evaluation: Evaluation) -> str:
    """Compare first name, recall at the bound on over-classification and AUROC with the best peer at each rank."""
    beaten: list[str] = []
    level = compared = 0
    figures = {
        "first name": _top1,
        f"recall at ≤ {percent(evaluation.bound)} over-classification": _recall_at_bound,
        "telling right names from absent taxa, AUROC": _auroc,
    }
    for rank in evaluation.ranks:
        for figure, value_of in figures.items():
            own = value_of(evaluation.ours(rank))
            peers = [(value_of(score), score.method) for score in evaluation.peers(rank)]
            known = [(value, method) for value, method in peers if value is not None]
            if own is None or not known:
                continue
            compared += 1
            best, method = max(known)
            if best > own + CLEAR:
                beaten.append(f"{method} at {rank} ({figure}: {percent(best)} against {percent(own)})")
            elif best >= own - CLEAR:
                level += 1
    if not compared:
        ran = any(evaluation.peers(rank) for rank in evaluation.ranks)
        return "There are too few queries to compare it with a baseline." if ran else "No baseline was run beside it."
    if beaten:
        return f"A baseline beats it in {len(beaten)} of {compared} comparisons: {'; '.join(beaten)}."
    tail = f"; {level} of them are level within one percentage point" if level else ""
    return f"No baseline beats it in any of {compared} comparisons{tail}."


def _top1(score: RankScore) -> float | None:
    return score.top1 if score.present >= FEWEST else None


def _recall_at_bound(score: RankScore) -> float | None:
    return score.recall_at_bound if min(score.present, score.absent) >= FEWEST else None


def _auroc(score: RankScore) -> float | None:
    return score.auroc if min(score.present, score.absent) >= FEWEST else None


def evaluation_section(results: StudyResults) -> Section | None:
    """Show calibration, risk against coverage and the comparison; None when nothing was evaluated."""
    evaluation = read_evaluation(results.metrics)
    if evaluation is None:
        return None
    order = in_reading_order(evaluation.strata, evaluation.ranks)
    strata = ", ".join(f"{count(evaluation.strata[name])} {name}" for name in order)
    paragraphs = [
        f"{plural(evaluation.queries, 'sequence')} were kept aside ({strata}) and the model was fitted anew on the "
        f"other {plural(evaluation.fitted, 'amplicon')}. All methods answer the same queries from the same reference. "
        "A name is an over-classification when the taxon is absent from the reference at that rank. On the encoder: "
        f"{evaluation.encoder_note}.",
    ]
    return Section(
        "evaluation",
        "How good the names are",
        paragraphs,
        figures=[_reliability(evaluation), _risk_coverage(evaluation), *confusion_figure(results.metrics)],
        tables=[_table(evaluation), *detail_tables(results.metrics), *_wins(evaluation)],
    )


def _table(evaluation: Evaluation) -> Table:
    rows = [
        [
            rank, score.method, _of(score.top1, score.present), _range(score.interval),
            _of(score.recall_at_bound, score.present), _of(score.recall, score.present),
            _of(score.precision, score.named), _of(score.overclassified, score.absent),
            decimal(score.calibration_error), decimal(score.auroc),
        ]
        for rank in evaluation.ranks
        for score in evaluation.at(rank)
    ]  # fmt: skip
    header = [
        "rank", "method", "first name right", "95 % interval",
        f"recall at ≤ {percent(evaluation.bound)} over-classified", "accepted and right", "right of accepted",
        "over-classified", "calibration error", "AUROC",
    ]  # fmt: skip
    caption = (
        "Shares with their denominators. First name: the best one whatever its confidence. Recall at a bound: at the "
        "best threshold with hindsight. Accepted: at each method's own threshold. Calibration error: expected, 0 is "
        "best. AUROC: right answers against names for absent taxa, 0.5 is chance."
    )
    return Table(header, rows, caption, frozenset(range(2, 10)), shown=60)


def _wins(evaluation: Evaluation) -> list[Table]:
    rows = [
        [win.rank, win.method, win.figure, decimal(win.theirs), decimal(win.ours)]
        for win in sorted(evaluation.wins, key=lambda win: win.ours - win.theirs)
    ]
    header = ["rank", "method", "figure", "theirs", "ours"]
    caption = "Every figure at which a baseline is better than the model, by any margin."
    return [Table(header, rows, caption, frozenset({3, 4}), shown=10)] if rows else []


def _range(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}\u00a0%"


def _of(share: float | None, whole: int | None) -> str:
    if share is None:
        return "–"
    return percent(share) if whole is None else f"{percent(share)} of {count(whole)}"


def _reliability(evaluation: Evaluation) -> Figure:
    diagonal = {
        "type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "name": "perfect", "hoverinfo": "skip",
        "line": {"dash": "dot", "color": OTHER_COLOUR},
    }  # fmt: skip
    traces: list[Mapping[str, Any]] = [diagonal]
    for place, (rank, bins) in enumerate(evaluation.reliability.items()):
        largest = max((item.queries for item in bins), default=1)
        traces.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": label(rank),
                "x": [item.confidence for item in bins], "y": [item.right for item in bins],
                "customdata": [item.queries for item in bins],
                "line": {"color": PALETTE[place % len(PALETTE)]},
                "marker": {"size": [round(5 + 9 * (item.queries / largest) ** 0.5, 1) for item in bins]},
                "hovertemplate": "%{fullData.name}: said %{x:.2f}, right %{y:.2f} of %{customdata}<extra></extra>",
            }
        )  # fmt: skip
    caption = (
        f"Reliability on {count(evaluation.queries)} held-out sequences: what the model says against how often it is "
        "right, in bins (points by number of queries). On the dotted line a confidence means what it says."
    )
    layout = {
        "xaxis": axis("mean confidence in the bin (probability)", range=[-0.03, 1.03]),
        "yaxis": axis("share right (probability)", range=[-0.03, 1.03]),
        "legend": {"orientation": "v"},
    }
    return Figure("reliability", caption, traces, layout, height=460)


def _risk_coverage(evaluation: Evaluation) -> Figure:
    views: dict[str, list[Mapping[str, Any]]] = {}
    for (method, rank), curve in evaluation.curves.items():
        known = list(dict.fromkeys(name for name, _ in evaluation.curves))
        place = known.index(method)
        views.setdefault(rank, []).append(
            {
                "type": "scatter", "mode": "lines", "name": label(method),
                "x": [coverage for coverage, _ in curve], "y": [risk for _, risk in curve],
                "line": {"color": PALETTE[place % len(PALETTE)], "width": 3 if method == OURS else 1.5,
                         "dash": "solid" if method == OURS else "dash"},
                "hovertemplate": "%{fullData.name}: %{x:.1%} answered, %{y:.1%} of the answers wrong<extra></extra>",
            }
        )  # fmt: skip
    lowest = [rank for rank in reversed(evaluation.ranks) if rank in views]
    caption = (
        f"Risk against coverage on {count(evaluation.queries)} held-out sequences, the surest answers first: how many "
        "answers are wrong when only the surest share is given. Lower is better; a name for an absent taxon is wrong."
    )
    layout = {
        "xaxis": axis("share of queries answered (%)", range=[0, 1.02], tickformat=".0%"),
        "yaxis": axis("share of answers wrong (%)", tickformat=".0%", rangemode="tozero"),
        "legend": {"orientation": "v"},
    }
    ordered = {rank: views[rank] for rank in lowest}
    return Figure("risk", caption, layout=layout, views=ordered, view_label="Rank", height=440)

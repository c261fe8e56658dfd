"""What lives in the samples: shares of reads by taxon, and how much is named at each rank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from abyssal.report.answers import Answer
from abyssal.report.elements import (
    OTHER_COLOUR,
    PALETTE,
    PUTATIVE_COLOUR,
    UNNAMED_COLOUR,
    Figure,
    Section,
    Table,
    axis,
    count,
    decimal,
    label,
    percent,
    plural,
    shorten,
)
from abyssal.report.inputs import StudyResults

PUTATIVE, UNNAMED, OTHER = "putative taxon", "not named", "other named"


@dataclass(frozen=True)
class RankSummary:
    """How much is named at a rank.

    Attributes:
        rank: its name.
        asvs: ASVs with an accepted name there.
        reads: their reads.
        confidence: mean calibrated confidence of these names, weighted by ASVs; None when there is none.
        novel: ASVs whose taxon is judged absent from the reference from this rank on.
        names: distinct accepted names.
    """

    rank: str
    asvs: int
    reads: int
    confidence: float | None
    novel: int
    names: int


def summarise_ranks(results: StudyResults) -> list[RankSummary]:
    """Return one summary a rank, highest first."""
    reads = asv_reads(results)
    summaries = []
    for place, rank in enumerate(results.answers.ranks):
        named = [answer for answer in results.answers.rows if answer.name_at(place)]
        sure = [answer.confidence[place] for answer in named]
        summaries.append(
            RankSummary(
                rank,
                len(named),
                sum(reads.get(answer.asv, 0) for answer in named),
                float(np.mean(sure)) if sure else None,
                sum(answer.novel_at == rank for answer in results.answers.rows),
                len({answer.name_at(place) for answer in named}),
            )
        )
    return summaries


def asv_reads(results: StudyResults) -> dict[str, int]:
    """Return the reads of each ASV in all samples."""
    totals = results.table.counts.sum(axis=1).tolist()
    return dict(zip(results.table.features, map(int, totals), strict=True))


def taxa_section(results: StudyResults) -> Section:
    """Show the composition of every sample at any rank, and what is named at each."""
    summaries = summarise_ranks(results)
    total = int(results.table.counts.sum())
    paragraphs = [
        "A name is shown only where it is accepted: where its calibrated confidence, or that of a name below it, "
        "passes the threshold of its rank. Reads beyond that are counted as a putative taxon when they belong to one, "
        "else as not named."
    ]
    paragraphs += _novelty(results.novelty)
    figures = [_composition(results)] if total and results.table.columns else []
    return Section(
        "taxa", "What is in the samples", paragraphs, figures=figures, tables=_rank_table(summaries, results)
    )


def _novelty(found: Mapping[str, Any] | None) -> list[str]:
    """Return how new the study is, beside the mix its confidences hold for; nothing where nothing was estimated."""
    if found is None or found["estimated"] is None:
        return []
    names = {"species": "a new species", "genus": "a new genus", "family": "a new family or beyond"}
    shares = ", ".join(
        f"{100 * found['estimated'][kind]:.0f} % of {name} "
        f"(95 %: {100 * found['interval'][kind][0]:.0f} to {100 * found['interval'][kind][1]:.0f}; "
        f"stated {100 * found['stated'][kind]:.0f})"
        for kind, name in names.items()
    )
    return [
        f"Of {plural(found['distinct_reads'], 'ASV')} on target, an estimated {shares}. Confidences hold for the "
        "stated mix; where the estimate is far from it, state it as train.novelty."
    ]


def _rank_table(summaries: Sequence[RankSummary], results: StudyResults) -> list[Table]:
    total_reads, total_asvs = int(results.table.counts.sum()), len(results.answers.rows)
    rows = [
        [
            summary.rank, count(summary.asvs), percent(summary.asvs, total_asvs), count(summary.reads),
            percent(summary.reads, total_reads), count(summary.names), decimal(summary.confidence, 2),
            count(summary.novel),
        ]
        for summary in summaries
    ]  # fmt: skip
    header = ["rank", "ASVs named", f"of {count(total_asvs)}", "reads named", f"of {count(total_reads)}",
              "distinct names", "mean confidence", "ASVs new from here on"]  # fmt: skip
    caption = "Accepted names by rank. Confidence is the calibrated probability that the name is right."
    return [Table(header, rows, caption, frozenset(range(1, 8)))] if rows else []


def _composition(results: StudyResults) -> Figure:
    ranks = results.answers.ranks
    answers = {answer.asv: answer for answer in results.answers.rows}
    putative = results.putative_of
    views: dict[str, list[Mapping[str, Any]]] = {}
    for place in range(len(ranks)):
        groups = [_group(answers.get(asv), place, putative.get(asv, "")) for asv in results.table.features]
        views[ranks[place]] = _bars(results, groups)
    if not ranks:
        groups = [putative.get(asv, UNNAMED) for asv in results.table.features]
        views["putative taxon"] = _bars(results, groups)
    # Open at the rank where a community is usually looked at: neither one bar of one colour nor a thousand names.
    order = sorted(views, key=lambda view: abs(_named_groups(views[view]) - len(PALETTE)))
    views = {view: views[view] for view in [*order[:1], *(view for view in views if view != order[0])]}
    samples = len(results.table.columns)
    layout = {
        "barmode": "stack",
        "xaxis": axis("share of the sample's reads (%)", range=[0, 100]),
        "yaxis": axis("", autorange="reversed", type="category"),
        "legend": {"traceorder": "normal", "orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"},
        "margin": {"l": 8, "r": 16, "t": 8, "b": 48},
    }
    caption = (
        f"Composition of {plural(samples, 'sample')} ({count(int(results.table.counts.sum()))} reads); numbers behind "
        "the names are reads. Samples without reads have no bar."
    )
    return Figure("composition", caption, layout=layout, views=views, view_label="Rank", height=260 + 26 * samples)


def _group(answer: Answer | None, rank: int, putative: str) -> str:
    name = answer.name_at(rank) if answer else ""
    return name or (PUTATIVE if putative else UNNAMED)


def _named_groups(traces: Sequence[Mapping[str, Any]]) -> int:
    return sum(trace["name"] not in {PUTATIVE, UNNAMED} for trace in traces)


def _bars(results: StudyResults, groups: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return one stacked trace a group: the most abundant names, the rest of them, putative taxa, the unnamed."""
    counts = results.table.counts
    totals: Counter[str] = Counter()
    for group, reads in zip(groups, counts.sum(axis=1).tolist(), strict=True):
        totals[group] += int(reads)
    named = sorted((name for name in totals if name not in {PUTATIVE, UNNAMED}), key=lambda n: (-totals[n], n))
    top = named[: len(PALETTE)]
    shown = {name: PALETTE[place] for place, name in enumerate(top)}
    shown |= {OTHER: OTHER_COLOUR, PUTATIVE: PUTATIVE_COLOUR, UNNAMED: UNNAMED_COLOUR}
    merged = np.array([group if group in shown else OTHER for group in groups], dtype=object)
    sums = counts.sum(axis=0)
    names = [
        f"{label(sample)} ({count(int(reads))})" for sample, reads in zip(results.table.columns, sums, strict=True)
    ]
    traces = []
    for name, colour in shown.items():
        reads = counts[merged == name].sum(axis=0)
        if not reads.sum():
            continue
        share = np.round(100.0 * reads / np.maximum(sums, 1), 3)
        traces.append(_bar(name, colour, names, share.tolist(), reads.tolist()))
    return traces


def _bar(name: str, colour: str, samples: list[str], share: list[float], reads: list[int]) -> Mapping[str, Any]:
    marker: dict[str, Any] = {"color": colour, "line": {"width": 0}}
    if name == PUTATIVE:
        # A pattern beside the colour, so that named and unnamed differ in print as well.
        marker["pattern"] = {"shape": "/", "solidity": 0.25, "fgcolor": "#ffffff", "fillmode": "overlay"}
    return {
        "type": "bar",
        "orientation": "h",
        "name": label(shorten(name)),
        "x": share,
        "y": samples,
        "customdata": reads,
        "marker": marker,
        "hovertemplate": "<b>%{fullData.name}</b><br>%{x:.1f} % of the sample, %{customdata:,d} reads<extra></extra>",
    }

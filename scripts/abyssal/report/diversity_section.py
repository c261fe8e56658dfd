"""How rich the samples are, whether sequencing was deep enough, and which samples are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from abyssal.report.elements import OTHER_COLOUR, PALETTE, Figure, Section, Table, axis, count, label, plural
from abyssal.report.inputs import Row, StudyResults

METRIC_NAMES = {"braycurtis": "Bray–Curtis (shares of reads)", "jaccard": "Jaccard (presence)"}
_SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star", "hexagon", "x")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_FLAT = 0.05
"""A curve that still gains this share of its ASVs in its last tenth of reads has not levelled off."""
_MOST_COLOURS = 40
"""With more samples than this, lines share one colour: nobody can tell that many apart."""


def diversity_section(results: StudyResults) -> Section | None:
    """Return the section, or None where nothing was measured."""
    if not results.alpha:
        return None
    return Section(
        "diversity",
        "How diverse the samples are",
        paragraphs=[_depth_paragraph(results), *_ordination_paragraph(results)],
        figures=[*_rarefaction(results), *_ordinations(results)],
        tables=[_alpha_table(results.alpha)],
    )


def _curves(results: StudyResults) -> dict[str, list[tuple[int, float]]]:
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in results.rarefaction:
        curves.setdefault(row["sample"], []).append((int(row["reads"]), float(row["expected_asvs"])))
    return curves


def _depth_paragraph(results: StudyResults) -> str:
    curves = _curves(results)
    if not curves:
        return "No sample has reads left, so there is no diversity to speak of."
    rising = [sample for sample, curve in curves.items() if _still_rises(curve)]
    if not rising:
        return (
            f"Sequencing was deep enough: the curve of {plural(len(curves), 'sample')} with reads levels off, so more "
            "reads would hardly add ASVs. Compare samples of different depth at the same number of reads."
        )
    some = ", ".join(rising[:6]) + (" and more" if len(rising) > 6 else "")
    return (
        f"In {plural(len(rising), 'sample')} of {len(curves)} ({some}) new ASVs still appear at the last reads: what "
        "is rare there was not all seen. Compare samples at the same number of reads, not by their totals."
    )


def _still_rises(curve: Sequence[tuple[int, float]]) -> bool:
    reads, asvs = curve[-1]
    before = [found for depth, found in curve if depth <= 0.9 * reads]
    return bool(before) and asvs - before[-1] > _FLAT * asvs


def _ordination_paragraph(results: StudyResults) -> list[str]:
    if results.ordination:
        return ["In the map of samples, near points hold like communities; axes show the stated share of variation."]
    with_reads = sum(int(row["reads"]) > 0 for row in results.alpha)
    return [f"{plural(with_reads, 'sample has', 'samples have')} reads; a map of samples needs at least three."]


def _rarefaction(results: StudyResults) -> list[Figure]:
    curves = _curves(results)
    if not curves:
        return []
    traces = [
        {
            "type": "scatter", "mode": "lines", "name": label(sample),
            "x": [reads for reads, _ in curve], "y": [round(asvs, 3) for _, asvs in curve],
            "line": {"color": _colour(place, len(curves)), "width": 2,
                     "dash": _DASHES[place // len(PALETTE) % len(_DASHES)]},
            "showlegend": len(curves) <= _MOST_COLOURS,
            "hovertemplate": "<b>%{fullData.name}</b><br>%{y:.1f} ASVs in %{x:,d} reads<extra></extra>",
        }
        for place, (sample, curve) in enumerate(curves.items())
    ]  # fmt: skip
    layout = {"xaxis": axis("reads"), "yaxis": axis("expected ASVs", rangemode="tozero")}
    caption = (
        f"Rarefaction of {plural(len(curves), 'sample')}: ASVs expected in a number of reads drawn from the sample. "
        "A curve that flattens was sequenced deep enough."
    )
    return [Figure("rarefaction", caption, traces, layout, height=420)]


def _colour(place: int, samples: int) -> str:
    return PALETTE[place % len(PALETTE)] if samples <= _MOST_COLOURS else OTHER_COLOUR


def _ordinations(results: StudyResults) -> list[Figure]:
    views: dict[str, Sequence[Mapping[str, Any]]] = {}
    for metric, name in METRIC_NAMES.items():
        rows = [row for row in results.ordination if row["metric"] == metric]
        if rows:
            first, second = (f"{100 * float(rows[0][key]):.0f} %" for key in ("explained_1", "explained_2"))
            views[f"{name}; axes hold {first} and {second} of the variation"] = _points(rows)
    if not views:
        return []
    samples = len({row["sample"] for row in results.ordination})
    layout = {"xaxis": axis("axis 1"), "yaxis": axis("axis 2"), "showlegend": samples <= _MOST_COLOURS}
    caption = f"Principal coordinates of {samples} samples with reads, on ASVs; units are distances from 0 to 1."
    return [Figure("ordination", caption, layout=layout, views=views, view_label="Distance", height=440)]


def _points(rows: Sequence[Row]) -> list[Mapping[str, Any]]:
    return [
        {
            "type": "scatter", "mode": "markers" if len(rows) > 20 else "markers+text", "name": label(row["sample"]),
            "text": [label(row["sample"])], "textposition": "top center",
            "x": [float(row["axis_1"])], "y": [float(row["axis_2"])],
            "marker": {"size": 11, "color": _colour(place, len(rows)),
                       "symbol": _SYMBOLS[place // len(PALETTE) % len(_SYMBOLS)]},
            "hovertemplate": "<b>%{fullData.name}</b><extra></extra>",
        }
        for place, row in enumerate(rows)
    ]  # fmt: skip


def _alpha_table(rows: Sequence[Row]) -> Table:
    header = ["sample", "reads", "ASVs", "taxa", "ASVs at equal depth", "Chao1", "Shannon", "Simpson", "evenness",
              "coverage"]  # fmt: skip
    cells = [
        [
            row["sample"], count(int(row["reads"])), count(int(row["asvs"])), count(int(row["taxa"])),
            _number(row["rarefied"], 1), _number(row["chao1"], 1),
            *(_number(row[key], 2) for key in ("shannon", "simpson", "evenness", "coverage")),
        ]
        for row in rows
    ]  # fmt: skip
    smallest = min((int(row["reads"]) for row in rows if int(row["reads"])), default=0)
    caption = (
        "Diversity of each sample. Taxa: distinct accepted lineages and putative taxa. Equal depth: expected in "
        f"{plural(smallest, 'read')}, the smallest sample. Chao1 estimates unseen ASVs, Shannon uses the natural "
        "logarithm, Simpson is 1 − D, coverage is the share of reads that are no singletons."
    )
    return Table(header, cells, caption, frozenset(range(1, len(header))))


def _number(cell: str, digits: int) -> str:
    return f"{float(cell):,.{digits}f}" if cell else "–"

"""The map of a study's ASVs among reference amplicons, with the record of each point behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from abyssal.report.elements import (
    OTHER_COLOUR,
    PALETTE,
    UNNAMED_COLOUR,
    Figure,
    axis,
    count,
    label,
    plural,
    shorten,
)
from abyssal.report.inputs import Row, StudyResults, samples_by_depth

_MOST_POINTS = 3_000
_FEWEST_OTHERS = 500
"""ASVs in no putative taxon that are shown where there are so many."""

_VERDICTS = {
    "explained": ("explained by the reference", PALETTE[0]),
    "beyond": ("beyond the reference", PALETTE[5]),
    "satellite": ("error satellite", PALETTE[3]),
    "off_target": ("off target", OTHER_COLOUR),
    "reference": ("reference", UNNAMED_COLOUR),
}
_NOVELTY = ("#440154", "#6A1B6E", "#932667", "#BB3754", "#DD513A", "#F37819", "#FCA50A", "#F0E442")
"""From dark, new at the highest rank, to light, new at the lowest."""

FLAT = {"l": 8, "r": 8, "t": 16, "b": 48}
"""Margins of a figure whose labels make room for themselves."""


def discovery_map(results: StudyResults) -> Figure:
    """Return the map of the study's ASVs among the reference amplicons that anchor it, coloured in several ways."""
    points = _shown_points(results.points)
    records = {row["putative_taxon"]: row for row in results.putative_taxa}
    texts = [_hover(point, records) for point in points]
    depths = _mean_depths(points, results)
    asvs = sum(point["kind"] == "asv" for point in points)
    named = {
        "novelty": _coloured(points, texts, *_novelty_groups(points, records, results.answers.ranks)),
        "lineage": _coloured(points, texts, *_lineage_groups(points)),
    }
    views = {
        **(named if len(points) > asvs else {}),
        "sample with most reads": _coloured(points, texts, *_sample_groups(points, results)),
        **({"mean depth of its reads": _by_depth(points, texts, depths)} if depths else {}),
        "putative taxon": _coloured(points, texts, *_taxon_groups(points)),
    }
    anchors = f" among {plural(len(points) - asvs, 'reference amplicon')} (diamonds) that anchor it"
    grouped = sum(bool(point["putative_taxon"]) for point in points)
    caption = (
        f"Map of {count(asvs)} of {plural(len(results.table.features), 'ASV')} (circles, area by reads)"
        f"{anchors if len(points) > asvs else ''}; {count(grouped)} of those shown belong to putative taxa. "
        "Neighbours are alike; distances across the map and the axes themselves mean nothing. Hover for the record."
    )
    plain = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    layout = {
        "xaxis": axis("dimension 1 (no unit)", **plain),
        "yaxis": axis("dimension 2 (no unit)", **plain),
        "hovermode": "closest",
        "legend": {"itemsizing": "constant", "orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"},
        "margin": FLAT,
    }
    return Figure("map", caption, layout=layout, views=views, view_label="Colour by", height=640)


def _shown_points(points: Sequence[Row]) -> list[Row]:
    """Return at most 3,000 points: all references, some ASVs in no putative taxon, members; each the most abundant."""
    order = sorted(points, key=lambda point: (-int(point["reads"]), point["id"]))
    anchors = [point for point in order if point["kind"] != "asv"]
    members = [point for point in order if point["putative_taxon"]]
    others = [point for point in order if point["kind"] == "asv" and not point["putative_taxon"]]
    room = max(_MOST_POINTS - len(anchors), 0)
    spared = max(_FEWEST_OTHERS, room - len(members))
    return [*members[: max(room - min(spared, len(others)), 0)], *others[:spared], *anchors][:_MOST_POINTS]


def _hover(point: Row, records: Mapping[str, Row]) -> str:
    if point["kind"] == "reference":
        return f"<b>reference {label(point['id'])}</b><br>{_wrapped(point['lineage'])}"
    lines = [f"<b>ASV {label(point['id'][:12])}…</b>, {plural(int(point['reads']), 'read')}"]
    if point["putative_taxon"]:
        lines.append(
            f"<b>{label(point['putative_taxon'])}</b>: {_wrapped(records[point['putative_taxon']]['sentence'])}"
        )
    elif point["lineage"]:
        lines.append(f"nearest: {_wrapped(point['lineage'])}")
    return "<br>".join(lines)


def _wrapped(text: str, width: int = 60) -> str:
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f"{word} "
    return "<br>".join(label(line.strip()) for line in lines)


def _novelty_groups(
    points: Sequence[Row], records: Mapping[str, Row], ranks: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """Group members of putative taxa by the rank at which they seem new, all other ASVs by where they went."""
    colours = {f"seems new at {rank}": _NOVELTY[min(place, len(_NOVELTY) - 1)] for place, rank in enumerate(ranks)}
    colours |= {"may be of a named taxon": PALETTE[4], "beyond the reference": PALETTE[5]}
    colours |= dict(_VERDICTS.values())
    groups = []
    for point in points:
        record = records.get(point["putative_taxon"])
        if record is None:
            groups.append(_VERDICTS["reference" if point["kind"] == "reference" else point["verdict"]][0])
        elif not record["nearest_id"]:
            groups.append("beyond the reference")
        else:
            rank = record["novel_rank"]
            groups.append(f"seems new at {rank}" if rank else "may be of a named taxon")
    return groups, {name: colour for name, colour in colours.items() if name in set(groups)}


def _lineage_groups(points: Sequence[Row]) -> tuple[list[str], dict[str, str]]:
    """Group points at the first rank that tells them apart into at least three lineages."""
    split = [point["lineage"].split("; ") if point["lineage"] else [] for point in points]
    depth = max((len(names) for names in split), default=0)
    groups: list[str] = ["lineage unknown"] * len(points)
    for level in range(depth):
        groups = [names[min(level, len(names) - 1)] if names else "lineage unknown" for names in split]
        if len(set(groups)) > 3:
            break
    return _most_common(groups, "lineage unknown")


def _sample_groups(points: Sequence[Row], results: StudyResults) -> tuple[list[str], dict[str, str]]:
    rows = {asv: row for row, asv in enumerate(results.table.features)}
    groups = []
    for point in points:
        row = rows.get(point["id"])
        if row is None or point["kind"] == "reference":
            groups.append("reference")
        else:
            groups.append(results.table.columns[int(results.table.counts[row].argmax())])
    return _most_common(groups, "reference")


def _taxon_groups(points: Sequence[Row]) -> tuple[list[str], dict[str, str]]:
    return _most_common([point["putative_taxon"] or "in no putative taxon" for point in points], "in no putative taxon")


def _most_common(groups: list[str], plain: str) -> tuple[list[str], dict[str, str]]:
    """Keep the eight largest groups, call the rest ``others``, and colour them; ``plain`` stays grey."""
    sizes = Counter(group for group in groups if group != plain)
    top = [name for name, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[: len(PALETTE)]]
    colours = dict(zip(top, PALETTE, strict=False)) | {"others": OTHER_COLOUR, plain: UNNAMED_COLOUR}
    return [group if group in colours else "others" for group in groups], colours


def _coloured(
    points: Sequence[Row], texts: Sequence[str], groups: Sequence[str], colours: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """Return one trace a colour and kind of point, greys first so that colours lie on top."""
    largest = max((int(point["reads"]) for point in points), default=1) or 1
    traces: list[Mapping[str, Any]] = []
    for name, colour in reversed(list(colours.items())):
        for kind, symbol in (("reference", "diamond-open"), ("asv", "circle")):
            chosen = [i for i, point in enumerate(points) if groups[i] == name and point["kind"] == kind]
            if not chosen:
                continue
            sizes = [6 + round(22 * (int(points[i]["reads"]) / largest) ** 0.5, 1) for i in chosen]
            traces.append(
                {
                    "type": "scatter", "mode": "markers", "name": label(shorten(name)), "legendgroup": label(name),
                    "showlegend": kind == "asv" or not any(
                        groups[i] == name and point["kind"] == "asv" for i, point in enumerate(points)
                    ),
                    "x": [float(points[i]["x"]) for i in chosen], "y": [float(points[i]["y"]) for i in chosen],
                    "text": [texts[i] for i in chosen], "hovertemplate": "%{text}<extra></extra>",
                    "marker": {"color": colour, "size": sizes, "symbol": symbol, "opacity": 0.8, "line": {"width": 1}},
                }
            )  # fmt: skip
    return traces


def _mean_depths(points: Sequence[Row], results: StudyResults) -> dict[str, float]:
    """Return the mean depth of each shown ASV's reads (m); empty where no sample says how deep it is."""
    _, known = samples_by_depth(results)
    columns = [place for place, sample in enumerate(results.table.columns) if sample in known]
    depth = np.array([known[results.table.columns[place]] for place in columns])
    rows = {asv: row for row, asv in enumerate(results.table.features)}
    found = {}
    for point in points:
        row = rows.get(point["id"])
        reads = results.table.counts[row, columns] if row is not None and columns else np.zeros(0)
        if point["kind"] == "asv" and reads.sum():
            found[point["id"]] = float(reads @ depth / reads.sum())
    return found


def _by_depth(
    points: Sequence[Row], texts: Sequence[str], depths: Mapping[str, float]
) -> list[Mapping[str, Any]]:  # fmt: skip
    """Return the map with every ASV coloured by depth, what has none in grey below."""
    groups = [
        "depth known" if point["id"] in depths else "depth unknown" if point["kind"] == "asv" else "reference"
        for point in points
    ]
    plain = {"reference": UNNAMED_COLOUR, "depth unknown": OTHER_COLOUR, "depth known": PALETTE[0]}
    traces = [dict(trace) for trace in _coloured(points, texts, groups, plain)]
    chosen = [round(depths[point["id"]]) for point in points if point["id"] in depths]
    colorbar = {"title": {"text": "depth (m)"}, "thickness": 12}
    for trace in traces:
        if trace["name"] == "depth known":
            trace["showlegend"] = False
            trace["marker"] |= {"color": chosen, "colorscale": "Viridis", "reversescale": True, "colorbar": colorbar}
    return list[Mapping[str, Any]](traces)

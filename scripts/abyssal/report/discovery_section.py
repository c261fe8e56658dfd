"""Putative taxa: the records, the map among known taxa, where they live and how well they hold up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from abyssal.discovery.nearest import global_identity
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
    label,
    percent,
    plural,
    shorten,
)
from abyssal.report.inputs import Row, StudyResults, sample_columns

_MOST_POINTS = 3_000
_MOST_COMPARED = 30
_VERDICTS = {
    "explained": ("explained by the reference", PALETTE[0]),
    "beyond": ("beyond the reference", PALETTE[5]),
    "satellite": ("error satellite", PALETTE[4]),
    "off_target": ("off target", PALETTE[3]),
    "reference": ("reference", OTHER_COLOUR),
}
_FLAT = {"l": 8, "r": 8, "t": 16, "b": 48}


def discovery_section(results: StudyResults) -> Section:
    """Describe the putative taxa of the study."""
    figures = []
    if results.points:
        figures.append(_map(results))
    if results.putative_taxa and results.table.columns:
        figures.append(_where(results))
    if len(results.putative_taxa) > 1:
        figures += [_hold(results), _exemplars(results)]
    return Section(
        "putative-taxa",
        "Putative taxa",
        paragraphs=_words(results),
        figures=figures,
        tables=[_record_table(results)] if results.putative_taxa else [],
    )


def _words(results: StudyResults) -> list[str]:
    verdicts = Counter(row["verdict"] for row in results.verdicts)
    total = int(results.table.counts.sum())
    reads = sum(int(row["reads"]) for row in results.putative_taxa)
    asvs = sum(int(row["size"]) for row in results.putative_taxa)
    words = []
    if results.reference_report is None and not any(row["similarity"] for row in results.verdicts):
        words.append("This study has no reference, so every ASV is in a putative taxon.")
    else:
        words.append(
            f"Of {plural(len(results.verdicts), 'ASV')}, {count(verdicts['explained'])} lie within the distance at "
            f"which reference amplicons find each other, {count(verdicts['beyond'])} lie beyond it and were grouped, "
            f"{count(verdicts['satellite'])} are errors of a far more abundant ASV, and "
            f"{count(verdicts['off_target'])} are no more like the reference than chance allows and are set aside as "
            "off target."
        )
    words.append(
        f"{plural(len(results.putative_taxa), 'putative taxon', 'putative taxa')} hold {plural(asvs, 'ASV')} with "
        f"{plural(reads, 'read')} ({percent(reads, total)} of all). An id stays the same when the study is run again "
        "or grows; what a record says about rank and relatives is a guide, not a name."
    )
    words.append(_fineness(results))
    return words


def _fineness(results: StudyResults) -> str:
    """Say how the method's two values came about."""
    found = results.selection
    choice, scores = found["choice"], found["candidates"]
    how = {
        "pair-linkage": f"while its members' mean probability of one taxon, learnt on the reference, is at least "
        f"{percent(1 - choice['distance'])}",
        "swarm": "by single differences",
        "vsearch": "by identity",
    }.get(
        found["method"],
        f"with cosine distance {choice['distance']:g} and at least {choice['min_cluster_size']} ASVs a dense group",
    )
    text = f"Grouped by {found['method']}, {how} ({found['reason']})."
    if scores:
        text += (
            f" On {count(found['taxa'])} taxa of rank {found['rank']} that the reference knows but that were treated "
            f"as unknown, these values reach an adjusted Rand index of {scores[0]['adjusted_rand']:.2f}, the worst "
            f"candidate {scores[-1]['adjusted_rand']:.2f}."
        )
    return text


def _record_table(results: StudyResults) -> Table:
    samples = len(results.table.columns)
    rows = []
    for row in results.putative_taxa:
        relative = row["nearest_lineage"].rpartition("; ")[2] or row["nearest_id"]
        rows.append(
            [
                row["putative_taxon"], count(int(row["size"])), count(int(row["reads"])),
                f"{row['prevalence']} of {samples}",
                relative, _share(row["nearest_identity"]), row["novel_rank"], _share(row["stability"]),
                _two(row["cohesion"]), _two(row["separation"]), row["sentence"],
            ]
        )  # fmt: skip
    header = ["id", "ASVs", "reads", "samples", "nearest named relative", "identity", "seems new at", "stability",
              "cohesion", "separation", "in words"]  # fmt: skip
    caption = (
        "Putative taxa by reads. Identity: exemplar to relative, global alignment. Stability: mean Jaccard index over "
        "subsamples of 80 % of the ASVs. Cohesion: mean cosine of members to the exemplar; separation: cosine distance "
        "to the next exemplar."
    )
    return Table(header, rows, caption, frozenset({1, 2, 3, 5, 7, 8, 9}), shown=15)


def _share(cell: str) -> str:
    return percent(float(cell)) if cell else "–"


def _two(cell: str) -> str:
    return f"{float(cell):.2f}" if cell else "–"


def _map(results: StudyResults) -> Figure:
    points = _shown_points(results.points)
    records = {row["putative_taxon"]: row["sentence"] for row in results.putative_taxa}
    texts = [_hover(point, records) for point in points]
    views = {
        "novelty": _coloured(points, texts, [_verdict(point) for point in points], dict(_VERDICTS.values())),
        "lineage": _coloured(points, texts, *_lineage_groups(points)),
        "sample with most reads": _coloured(points, texts, *_sample_groups(points, results)),
        "putative taxon": _coloured(points, texts, *_taxon_groups(points)),
    }
    asvs = sum(point["kind"] == "asv" for point in points)
    grouped = sum(bool(point["putative_taxon"]) for point in points)
    caption = (
        f"Map of {count(asvs)} ASVs (circles, area by reads) among {count(len(points) - asvs)} reference amplicons "
        f"(diamonds) that anchor it; {count(grouped)} ASVs belong to putative taxa. "
        "Neighbours are alike; distances across the map and the axes themselves mean nothing. Hover for the record."
    )
    plain = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    layout = {
        "xaxis": axis("dimension 1 (no unit)", **plain),
        "yaxis": axis("dimension 2 (no unit)", **plain),
        "hovermode": "closest",
        "legend": {"itemsizing": "constant", "orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"},
        "margin": _FLAT,
    }
    return Figure("map", caption, layout=layout, views=views, view_label="Colour by", height=620)


def _shown_points(points: Sequence[Row]) -> list[Row]:
    """Return at most 3,000 points: members of putative taxa first, then the most abundant, references last."""
    order = sorted(points, key=lambda p: (not p["putative_taxon"], p["kind"] != "asv", -int(p["reads"]), p["id"]))
    return order[:_MOST_POINTS]


def _hover(point: Row, records: Mapping[str, str]) -> str:
    if point["kind"] == "reference":
        return f"<b>reference {label(point['id'])}</b><br>{_wrapped(point['lineage'])}"
    lines = [f"<b>ASV {label(point['id'][:12])}…</b>, {plural(int(point['reads']), 'read')}"]
    if point["putative_taxon"]:
        lines.append(f"<b>{label(point['putative_taxon'])}</b>: {_wrapped(records.get(point['putative_taxon'], ''))}")
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


def _verdict(point: Row) -> str:
    return _VERDICTS["reference" if point["kind"] == "reference" else point["verdict"]][0]


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


def _where(results: StudyResults) -> Figure:
    """Return a heat map of the largest putative taxa by sample, samples from shallow to deep where depth is known."""
    records = results.putative_taxa[:_MOST_COMPARED]
    samples, depths = _by_depth(results)
    reads = np.array([[sample_columns(record)[sample] for sample in samples] for record in records], dtype=np.int64)
    shown = np.where(reads > 0, np.round(np.log10(np.maximum(reads, 1)), 3), np.nan)
    names = [label(f"{sample} ({depths[sample]:g} m)" if sample in depths else sample) for sample in samples]
    trace = {
        "type": "heatmap",
        "x": names,
        "y": [label(record["putative_taxon"]) for record in records],
        "z": [[None if np.isnan(value) else float(value) for value in row] for row in shown],
        "customdata": reads.tolist(),
        "hovertemplate": "%{y} in %{x}: %{customdata:,d} reads<extra></extra>",
        "colorscale": "Cividis",
        "xgap": 1, "ygap": 1,
        "colorbar": {"title": {"text": "reads"}, "tickvals": [0, 1, 2, 3, 4, 5, 6],
                     "ticktext": ["1", "10", "100", "1,000", "10⁴", "10⁵", "10⁶"], "thickness": 12},
    }  # fmt: skip
    order = "ordered by depth" if depths else "in the order of the table"
    caption = (
        f"Reads of the {len(records)} largest putative taxa in {len(samples)} samples, {order}; empty cells have none."
    )
    layout = {
        "xaxis": axis("", type="category", showgrid=False),
        "yaxis": axis("", autorange="reversed", type="category", showgrid=False),
        "margin": _FLAT,
    }
    return Figure("where", caption, [trace], layout, height=180 + 20 * len(records))


def _by_depth(results: StudyResults) -> tuple[list[str], dict[str, float]]:
    depths: dict[str, float] = {}
    for row in results.libraries:
        if row.get("depth_m"):
            depths.setdefault(row["sample"], float(row["depth_m"]))
    samples = list(results.table.columns)
    if depths:
        samples.sort(key=lambda sample: (sample not in depths, depths.get(sample, 0.0)))
    return samples, depths


def _hold(results: StudyResults) -> Figure:
    """Return a scatter of size against stability; taxa at the same place are one larger point."""
    records = [row for row in results.putative_taxa if row["stability"]]
    places = Counter((int(row["size"]), round(100 * float(row["stability"]))) for row in records)
    trace = {
        "type": "scatter", "mode": "markers",
        "x": [size for size, _ in places], "y": [stability for _, stability in places],
        "customdata": list(places.values()),
        "hovertemplate": "%{customdata} taxa with %{x} ASVs<br>stability %{y:.0f} %<extra></extra>",
        "marker": {"color": PUTATIVE_COLOUR, "size": [round(7 + 4 * amount**0.5, 1) for amount in places.values()],
                   "opacity": 0.75, "line": {"width": 1}},
    }  # fmt: skip
    caption = (
        f"Size and stability of {len(records)} putative taxa; larger points stand for more taxa. A single ASV is "
        "stable when no subsample adds another to it."
    )
    layout = {
        "xaxis": axis("ASVs in the taxon", type="log", tickvals=[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]),
        "yaxis": axis("stability (mean Jaccard, %)", range=[-6, 110]),
        "hovermode": "closest",
    }
    return Figure("stability", caption, [trace], layout, height=360)


def _exemplars(results: StudyResults) -> Figure:
    """Return the identities between the exemplars of the largest taxa, alike ones side by side."""
    names = [row["putative_taxon"] for row in results.putative_taxa[:_MOST_COMPARED]]
    sequences = [results.exemplars[name] for name in names]
    identity = np.eye(len(names))
    for i, first in enumerate(sequences):
        for j in range(i):
            identity[i, j] = identity[j, i] = round(global_identity(first, sequences[j]), 4)
    order = leaves_list(linkage(squareform(1.0 - identity, checks=False), "average"))
    shown = [label(names[i]) for i in order]
    trace = {
        "type": "heatmap", "x": shown, "y": shown, "z": np.round(100 * identity[np.ix_(order, order)], 2).tolist(),
        "hovertemplate": "%{y} and %{x}: %{z:.1f} % identical<extra></extra>", "colorscale": "Cividis", "zmax": 100,
        "colorbar": {"title": {"text": "identity (%)"}, "thickness": 12},
    }  # fmt: skip
    caption = (
        f"Identity between the exemplars of the {len(names)} largest putative taxa (global alignment), ordered by "
        "average linkage."
    )
    layout = {
        "xaxis": axis("", type="category", showticklabels=False, ticks=""),
        "yaxis": axis("", type="category", autorange="reversed"),
        "margin": _FLAT,
    }
    return Figure("exemplars", caption, [trace], layout, height=180 + 18 * len(names))

"""Putative taxa: the records, the map among known taxa, where they live and how well they hold up."""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from abyssal.discovery.clusterers import FEWEST_POINTS
from abyssal.discovery.nearest import global_identity
from abyssal.report.discovery_map import FLAT, discovery_map
from abyssal.report.elements import (
    PUTATIVE_COLOUR,
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
from abyssal.report.inputs import Row, StudyResults, positions, sample_columns, samples_by_depth

_MOST_COMPARED = 30
_IN_WORDS = 5
_STEADY = 0.75
"""Stability from which a group counts as stable (Hennig 2007, doi:10.1016/j.csda.2006.11.025)."""

_MOST_ROWS = 1_000
_SIZES = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 10**9))
"""Classes of taxa by number of ASVs."""


def discovery_section(results: StudyResults) -> Section:
    """Describe the putative taxa of the study."""
    figures = []
    if results.points:
        figures.append(discovery_map(results))
    if results.putative_taxa and results.table.columns:
        figures.append(_where(results))
    if len(results.putative_taxa) > 1:
        figures += [_sizes(results), *_hold(results), _exemplars(results)]
    return Section(
        "putative-taxa",
        "Putative taxa",
        paragraphs=_words(results),
        points=[f"{row['putative_taxon']}: {row['sentence']}" for row in results.putative_taxa[:_IN_WORDS]],
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
            f"{count(verdicts['satellite'])} are errors of a far more abundant ASV and follow it, and "
            f"{count(verdicts['off_target'])} are set aside as off target: no more like the reference than chance "
            "allows, or little more and of a length that the marker does not have."
        )
        words += _named_off_target(results)
    words.append(
        f"{plural(len(results.putative_taxa), 'putative taxon holds', 'putative taxa hold')} {plural(asvs, 'ASV')} "
        f"with {plural(reads, 'read')} ({percent(reads, total)} of all). An id stays the same when the study is run "
        "again, and when it grows if cluster.previous names this run's cluster/ directory; what a record says about "
        "rank and relatives is a guide, not a name."
    )
    words += [*_since_the_earlier_run(results), _fineness(results)]
    if results.putative_taxa:
        words.append("Those with the most reads:")
    return words


def _largest(number: int) -> str:
    return "largest putative taxon" if number == 1 else f"{number:,} largest putative taxa"


def _named_off_target(results: StudyResults) -> list[str]:
    """Say how many ready-made ASVs were set aside and bear a name: names are looked for on both strands."""
    if not any(row.get("kind") == "asvs" for row in results.libraries):
        return []
    aside = {row["asv"] for row in results.verdicts if row["verdict"] == "off_target"}
    named = sum(answer.accepted >= 0 for answer in results.answers.rows if answer.asv in aside)
    if not named:
        return []
    return [
        f"{plural(named, 'ASV')} of those set aside {'has' if named == 1 else 'have'} an accepted name all the same. "
        "Ready-made ASVs may stand backwards: names are looked for on both strands, putative taxa in primer "
        "orientation only. Turn such ASVs before the study to have them grouped."
    ]


def _since_the_earlier_run(results: StudyResults) -> list[str]:
    """Say what became of an earlier run's taxa; nothing where no earlier run was given."""
    fates = Counter(row["fate"] for row in results.changes)
    earlier = fates.total() - fates["new"]
    if not earlier:
        return []
    return [
        f"Of {plural(earlier, 'putative taxon', 'putative taxa')} of the earlier run, {count(fates['kept'])} are one "
        f"taxon as before, {count(fates['split'])} were split, {count(fates['merged'])} are now one with others and "
        f"{count(fates['gone'])} have no ASV in any now; {count(fates['new'])} are new (cluster/changes.tsv)."
    ]


def _fineness(results: StudyResults) -> str:
    """Say how the method's two values came about."""
    found = results.selection
    choice, scores = found["choice"], found["candidates"]
    how = {
        "pair-linkage": f"while its members' mean probability of one taxon, learnt on the reference, is at least "
        f"{percent(1 - choice['distance'])}",
        "swarm": "by single differences",
        "vsearch": f"at an identity of {percent(found['identity'] or 0.0)}",
        "average-linkage": f"to a mean cosine distance of {choice['distance']:g}",
        "kmeans": f"to a cosine distance of {choice['distance']:g} from the centre",
    }.get(
        found["method"],
        f"with cosine distance {choice['distance']:g} and at least {choice['min_cluster_size']} ASVs a dense group",
    )
    text = f"Grouped by {found['method']}, {how} ({found['reason']})."
    grouped = sum(row["verdict"] == "beyond" for row in results.verdicts)
    fewest = max(choice["min_cluster_size"], FEWEST_POINTS)
    if found["method"] in {"hdbscan", "umap-hdbscan"} and 0 < grouped < fewest:
        text += f" Only {plural(grouped, 'ASV')} could be grouped, so each is a putative taxon of its own."
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
    for row in results.putative_taxa[:_MOST_ROWS]:
        relative = row["nearest_lineage"].rpartition("; ")[2] or row["nearest_id"]
        rows.append(
            [
                row["putative_taxon"], count(int(row["size"])), count(int(row["reads"])),
                f"{row['prevalence']} of {samples}",
                relative, _share(row["nearest_identity"]), row["novel_rank"], _share(row["stability"]),
                _two(row["cohesion"]), _two(row["separation"]),
            ]
        )  # fmt: skip
    header = ["id", "ASVs", "reads", "samples", "nearest named relative", "identity", "seems new at", "stability",
              "cohesion", "separation"]  # fmt: skip
    caption = (
        f"{_which(len(results.putative_taxa))} Identity: exemplar to relative, global alignment. Stability: mean "
        "Jaccard index over subsamples of 80 % of the ASVs. Cohesion: mean cosine of members to the exemplar; "
        "separation: cosine distance to the next exemplar."
    )
    return Table(header, rows, caption, frozenset({1, 2, 3, 5, 7, 8, 9}), shown=15)


def _which(taxa: int) -> str:
    if taxa <= _MOST_ROWS:
        return "Putative taxa by reads."
    return (
        f"The first {count(_MOST_ROWS)} of {count(taxa)} putative taxa by reads; cluster/putative_taxa.tsv holds all."
    )


def _share(cell: str) -> str:
    return percent(float(cell)) if cell else "–"


def _two(cell: str) -> str:
    return f"{float(cell):.2f}" if cell else "–"


def _where(results: StudyResults) -> Figure:
    """Return a heat map of the largest putative taxa by sample, samples from shallow to deep where depth is known."""
    records = results.putative_taxa[:_MOST_COMPARED]
    samples, depths = samples_by_depth(results)
    reads = np.array([[sample_columns(record)[sample] for sample in samples] for record in records], dtype=np.int64)
    shown = np.where(reads > 0, np.round(np.log10(np.maximum(reads, 1)), 3), np.nan)
    names = [label(f"{sample} ({depths[sample]:,.0f} m)" if sample in depths else sample) for sample in samples]
    places = positions(results)
    words = [[[count(cell), places.get(sample, "")] for sample, cell in zip(samples, row, strict=True)]
             for row in reads.tolist()]  # fmt: skip
    trace = {
        "type": "heatmap",
        "x": names,
        "y": [_named(record) for record in records],
        "z": [[None if np.isnan(value) else float(value) for value in row] for row in shown],
        "customdata": words,
        "hovertemplate": "%{y}<br>in %{x}%{customdata[1]}: %{customdata[0]} reads<extra></extra>",
        "colorscale": "Cividis",
        "xgap": 1, "ygap": 1,
        "colorbar": {"title": {"text": "reads"}, "tickvals": [0, 1, 2, 3, 4, 5, 6],
                     "ticktext": ["1", "10", "100", "1,000", "10⁴", "10⁵", "10⁶"], "thickness": 12},
    }  # fmt: skip
    order = "ordered by depth" if depths else "in the order of the table"
    caption = (
        f"Reads of the {_largest(len(records))} in {plural(len(samples), 'sample')}, {order}; empty cells have none."
        f"{' Behind an id stands its nearest named relative.' if any(row['nearest_id'] for row in records) else ''}"
    )
    layout = {
        "xaxis": axis("", type="category", showgrid=False),
        "yaxis": axis("", autorange="reversed", type="category", showgrid=False),
        "margin": FLAT,
    }
    return Figure("where", caption, [trace], layout, height=180 + 20 * len(records))


def _named(record: Row) -> str:
    """Return the id of a taxon and its nearest named relative."""
    relative = record["nearest_lineage"].rpartition("; ")[2]
    return label(f"{record['putative_taxon']} · {shorten(relative, 22)}" if relative else record["putative_taxon"])


def _size_class(size: int) -> str:
    """Return the name of the class that a taxon of so many ASVs is in."""
    low, high = next(bounds for bounds in _SIZES if size <= bounds[1])
    return f"{low}" if low == high else f"{low}–{high}" if high < _SIZES[-1][1] else f"> {low - 1}"


def _sizes(results: StudyResults) -> Figure:
    """Return how many taxa there are of each size, and how many of the reads they hold."""
    found: dict[str, list[Row]] = {_size_class(low): [] for low, _ in _SIZES}
    for row in results.putative_taxa:
        found[_size_class(int(row["size"]))].append(row)
    reads = [sum(int(row["reads"]) for row in rows) for rows in found.values()]
    trace = {
        "type": "bar", "x": list(found), "y": [len(rows) for rows in found.values()],
        "customdata": [[count(amount), percent(amount, sum(reads))] for amount in reads],
        "text": [count(len(rows)) for rows in found.values()], "textposition": "outside", "cliponaxis": False,
        "hovertemplate": "%{y:,d} taxa of %{x} ASVs<br>%{customdata[0]} reads, %{customdata[1]} of all in putative taxa"
                         "<extra></extra>",
        "marker": {"color": PUTATIVE_COLOUR},
    }  # fmt: skip
    caption = (
        f"Size of {plural(len(results.putative_taxa), 'putative taxon', 'putative taxa')}. Taxa of one ASV hold "
        f"{percent(reads[0], sum(reads))} of the reads of all of them."
    )
    layout = {"xaxis": axis("ASVs in the taxon", type="category"), "yaxis": axis("putative taxa")}
    return Figure("sizes", caption, [trace], layout, height=320)


def _hold(results: StudyResults) -> list[Figure]:
    """Return the spread of stability among taxa of each size; nothing where it was not measured."""
    records = [row for row in results.putative_taxa if row["stability"]]
    classes = [_size_class(int(row["size"])) for row in records]
    present = [name for name in (_size_class(low) for low, _ in _SIZES) if name in set(classes)]
    if not records:
        return []
    trace = {
        "type": "box", "x": classes, "y": [round(100 * float(row["stability"]), 1) for row in records],
        "boxpoints": False, "marker": {"color": PUTATIVE_COLOUR}, "line": {"width": 1.5}, "name": "stability",
    }  # fmt: skip
    steady = sum(float(row["stability"]) >= _STEADY for row in records)
    caption = (
        f"Stability of {count(len(records))} putative taxa by their size: the mean Jaccard index of a taxon with its "
        "best match in subsamples of 80 % of the ASVs (boxes: quartiles and median; whiskers: lowest and highest). "
        f"{percent(steady, len(records))} reach {percent(_STEADY)}. A single ASV is stable when no subsample adds one."
    )
    layout = {
        "xaxis": axis("ASVs in the taxon", type="category", categoryorder="array", categoryarray=present),
        "yaxis": axis("stability (mean Jaccard, %)", range=[-4, 104]),
    }
    return [Figure("stability", caption, [trace], layout, height=340)]


def _exemplars(results: StudyResults) -> Figure:
    """Return the identities between the exemplars of the largest taxa, alike ones side by side."""
    names = [row["putative_taxon"] for row in results.putative_taxa[:_MOST_COMPARED]]
    sequences = [results.exemplars[name] for name in names]
    identity = np.eye(len(names))
    for i, first in enumerate(sequences):
        for j in range(i):
            identity[i, j] = identity[j, i] = round(global_identity(first, sequences[j]), 4)
    order = leaves_list(linkage(squareform(1.0 - identity, checks=False), "average"))
    shown = [_named(results.putative_taxa[i]) for i in order]
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
        "margin": FLAT,
    }
    return Figure("exemplars", caption, [trace], layout, height=180 + 18 * len(names))

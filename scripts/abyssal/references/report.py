"""What a reference can and cannot say: a JSON, tables and one self-contained page, made before anything is trained."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

from abyssal.files import open_atomic, write_json, write_text
from abyssal.references.build import BuildReport
from abyssal.references.markers import ResolvedMarker
from abyssal.references.model import AmpliconReference
from abyssal.references.suspects import Suspect

_FORMAT_VERSION = 1
_LISTED = 200


def reference_report(
    reference: AmpliconReference,
    build: BuildReport,
    suspects: list[Suspect],
    *,
    marker: ResolvedMarker,
    name: str | None = None,
    version: str | None = None,
) -> dict[str, Any]:
    """Return the report as JSON values; see the keys' own descriptions in the page.

    Name and version are left out where they are not given: a study takes them from its configuration, so that another
    name does not build the reference again.
    """
    return {
        "format": "abyssal-reference-report",
        "format_version": _FORMAT_VERSION,
        **({} if name is None else {"reference": {"name": name, "version": version}}),
        "marker": asdict(marker),
        "records": {
            "read": build.records,
            "amplified": build.amplified,
            "aligned": build.aligned,
            "uncut": build.uncut,
            "dropped": dict(sorted(build.dropped.items())),
        },
        "amplicons": len(reference),
        "lineages": sum(len(pairs) for pairs in reference.members),
        "renamed": build.renamed,
        "turned": build.turned,
        "lengths": _lengths(reference),
        "ranks": [_rank(reference, position) for position in range(len(reference.ranks))],
        "shared": _shared(reference),
        "conflicts": [asdict(conflict) for conflict in build.conflicts[:_LISTED]],
        "conflict_count": len(build.conflicts),
        "suspects": [asdict(suspect) for suspect in suspects[:_LISTED]],
        "suspect_count": len(suspects),
        "clades": clade_rows(reference)[:_LISTED],
    }


def _lengths(reference: AmpliconReference) -> dict[str, Any]:
    lengths = np.array([len(sequence) for sequence in reference.sequences])
    quantiles = np.quantile(lengths, [0.0, 0.05, 0.5, 0.95, 1.0])
    names = ("min", "q05", "median", "q95", "max")
    histogram = Counter((lengths // 10 * 10).tolist())
    return {
        **{name: int(value) for name, value in zip(names, quantiles, strict=True)},
        "histogram": [[low, histogram[low]] for low in sorted(histogram)],
    }


def _rank(reference: AmpliconReference, position: int) -> dict[str, Any]:
    """One rank: how many taxa, how many amplicons have a name, and how many of those have only one."""
    carried: dict[str, int] = Counter()
    unique_carried: set[str] = set()
    named = unique = 0
    for pairs in reference.members:
        names = {lineage[position] for _, lineage in pairs} - {None}
        named += bool(names)
        unique += len(names) == 1
        for name in names:
            if name is not None:
                carried[name] += 1
                if len(names) == 1:
                    unique_carried.add(name)
    return {
        "rank": reference.ranks[position],
        "taxa": len(carried),
        "amplicons_named": named,
        "share_named": _share(named, len(reference)),
        "share_unique": _share(unique, named),
        "taxa_with_own_amplicon": len(unique_carried),
        "taxa_with_one_amplicon": sum(count == 1 for count in carried.values()),
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _shared(reference: AmpliconReference) -> list[dict[str, Any]]:
    """Amplicons that several taxa carry, those that blur the highest rank first.

    The taxa are those of the lowest rank at which the amplicon has several names, as species need not be named.
    """
    rows = []
    for amplicon, pairs in zip(reference.ids, reference.members, strict=True):
        by_rank = [{lineage[position] for _, lineage in pairs} - {None} for position in range(len(reference.ranks))]
        several = [(rank, names) for rank, names in zip(reference.ranks, by_rank, strict=True) if len(names) > 1]
        if several:
            names = sorted(several[-1][1], key=str)
            rows.append({"amplicon": amplicon, "blurred_from": several[0][0], "taxa": len(names), "names": names[:10]})
    order = {rank: position for position, rank in enumerate(reference.ranks)}
    rows.sort(key=lambda row: (order[str(row["blurred_from"])], -int(str(row["taxa"])), str(row["amplicon"])))
    return rows[:_LISTED]


def clade_rows(reference: AmpliconReference) -> list[dict[str, Any]]:
    """Coverage of each clade at the third rank (the second where there are fewer than five), largest first."""
    level = min(2 if len(reference.ranks) >= 5 else 1, len(reference.ranks) - 1)
    amplicons: Counter[str] = Counter()
    species: dict[str, set[str]] = defaultdict(set)
    distinct: Counter[str] = Counter()
    for pairs in reference.members:
        names = {lineage[-1] for _, lineage in pairs} - {None}
        for clade in {";".join(name or "unknown" for name in lineage[: level + 1]) for _, lineage in pairs}:
            amplicons[clade] += 1
            species[clade] |= {str(name) for name in names}
            distinct[clade] += len(names) == 1
    return [
        {
            "clade": clade,
            "amplicons": count,
            "species": len(species[clade]),
            "share_one_species": _share(distinct[clade], count),
        }
        for clade, count in sorted(amplicons.items(), key=lambda item: (-item[1], item[0]))
    ]


def write_report(folder: Path, report: dict[str, Any], reference: AmpliconReference, build: BuildReport) -> None:
    """Write reference_report.json, reference_report.html, ranks.tsv, clades.tsv and dropped.tsv into a folder."""
    write_json(folder / "reference_report.json", report)
    write_text(folder / "reference_report.html", render_report(report))
    _write_rows(folder / "ranks.tsv", report["ranks"])
    _write_rows(folder / "clades.tsv", clade_rows(reference))
    with open_atomic(folder / "dropped.tsv") as out:
        out.write("accession\treason\n")
        out.writelines(f"{accession}\t{reason}\n" for accession, reason in sorted(build.reasons))


def _write_rows(target: Path, rows: list[dict[str, Any]]) -> None:
    with open_atomic(target) as out:
        for number, row in enumerate(rows):
            if number == 0:
                out.write("\t".join(row) + "\n")
            out.write("\t".join(map(str, row.values())) + "\n")


def render_report(report: dict[str, Any]) -> str:
    """Return the report as one HTML page without outside resources."""
    environment = Environment(
        loader=PackageLoader("abyssal.references"), autoescape=select_autoescape(("html", "j2")), trim_blocks=True
    )
    most = max((count for _, count in report["lengths"]["histogram"]), default=1)
    return environment.get_template("reference_report.html.j2").render(report=report, most=most)

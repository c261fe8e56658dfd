"""The page of results: what was run, where Abyssal is ahead, and every place where a peer is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OURS = "abyssal"
_TAXXI = ("16s-v4", "genus", "TAXXI's own 16S V4: SINTAX50 AvgAcc 50.3 at AvgOCR 20.9, RDP80 47.3 at 14.8")

_CALIBRATION = (
    "Calibration: debiased expected calibration error (15 bins of equal mass; root of the mean squared gap minus the "
    "variance that chance gives each bin, Kumar, Liang and Ma 2019), plain ECE in brackets. `stated`: the request "
    "states the share of novel taxa of that group.\n"
)

Row = Mapping[str, Any]


def render(found: Mapping[str, Any]) -> str:
    """Return the page as Markdown."""
    parts = ["# Benchmark: Abyssal beside its peers\n", _facts(found["facts"])]
    if found["skipped"]:
        rows = [[entry["part"], entry["what"], entry["reason"]] for entry in found["skipped"]]
        parts.append("## Not run\n\n" + table(["part", "what", "why"], rows))
    for name, section in (
        ("tax_credit", _tax_credit), ("identity", _identity), ("taxa_out", _taxa_out), ("communities", _communities),
        ("robustness", _robustness), ("speed", _speed),
    ):  # fmt: skip
        if found[name]:
            parts.append(section(found))
    return "\n".join(parts).rstrip() + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def number(value: float | None, digits: int = 3) -> str:
    """Write a figure, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _between(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"


def _facts(facts: Mapping[str, Any]) -> str:
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    return "\n".join([*lines, ""])


def _order(methods: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys(methods))
    return sorted(names, key=lambda name: (not name.startswith(OURS), names.index(name)))


def _tax_credit(found: Mapping[str, Any]) -> str:
    rows = found["tax_credit"]
    parts = [
        "## (a) tax-credit, 16S V4, species\n",
        "F by the published rules, mean over the splits of a kind; `verbatim` as published, `distinct` after reference "
        "sequences equal to a query were taken out. Best: at one threshold on the method's own confidence, chosen with "
        "hindsight for each split.\n",
    ]
    kinds = [
        (kind, references) for kind in ("cross-validation", "novel taxa") for references in ("verbatim", "distinct")
    ]
    header = ["method", *(f"{kind}, {references}: F (best)" for kind, references in kinds)]
    body = []
    for method in _order(row["method"] for row in rows):
        cells = [method]
        for kind, references in kinds:
            own = [row for row in rows if (row["method"], row["kind"], row["references"]) == (method, kind, references)]
            cells.append(f"{number(_mean(own, 'f'))} ({number(_mean(own, 'best_f'))})" if own else "–")
        body.append(cells)
    for kind, published in found["published"].items():
        for method, value in published.items():
            cells = ["–"] * len(kinds)
            cells[0 if kind == "cross-validation" else 2] = number(value)
            body.append([f"published: {method}", *cells])
    parts.append(table(header, body))
    each = [row for row in rows if row["method"].startswith(OURS) or row["method"].startswith("sintax")]
    parts.append("By split:\n")
    parts.append(
        table(
            ["split", "references", "method", "queries", "amplicons", "precision", "recall", "F"],
            [
                [row["dataset"], row["references"], row["method"], row["queries"], row["amplicons"],
                 number(row["precision"]), number(row["recall"]), number(row["f"])]
                for row in each
            ],
        )
    )  # fmt: skip
    return "\n".join(parts)


def _mean(rows: Sequence[Row], key: str) -> float | None:
    values = [row[key] for row in rows if row.get(key) is not None]
    return sum(values) / len(values) if values else None


def _identity(found: Mapping[str, Any]) -> str:
    rows = [row for row in found["identity"] if row["identity"] == "mean"]
    rates = ("Acc", "TPR", "UCR", "MCR", "OCR")
    body = [
        [row["dataset"], row["rank"], row["method"], *(number(row[name]) for name in rates),
         f"{number(row['best_Acc'])} at OCR {number(row['OCR_at_best'])}",
         number(row["bounded_Acc"]), f"{row['known']} / {row['novel']}"]
        for row in rows
    ]  # fmt: skip
    by_identity = [row for row in found["identity"] if row["identity"] != "mean"]
    return "\n".join(
        [
            "## (b) Cross-validation by identity (TAXXI)\n",
            "Means over top identities of 100, 99, 97, 95 and 90 %: Acc is TAXXI's AvgAcc. Best Acc, and Acc at a "
            "bounded mean OCR: at one threshold for all identities, with hindsight. "
            f" {_TAXXI[2]} (another reference).\n",
            table(
                [
                    "dataset",
                    "rank",
                    "method",
                    "Acc",
                    "TPR",
                    "UCR",
                    "MCR",
                    "OCR",
                    "best Acc",
                    "Acc at OCR ≤ 0.12",
                    "known / novel",
                ],
                body,
            ),
            "Genus Acc by identity:\n",
            _by_identity([row for row in by_identity if row["rank"] == "genus"]),
        ]
    )


def _by_identity(rows: Sequence[Row]) -> str:
    identities = list(dict.fromkeys(row["identity"] for row in rows))
    body = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        for method in _order(row["method"] for row in rows if row["dataset"] == dataset):
            cells = {row["identity"]: row for row in rows if (row["dataset"], row["method"]) == (dataset, method)}
            body.append(
                [dataset, method, *(number(cells[name]["Acc"]) if name in cells else "–" for name in identities)]
            )
    return table(["dataset", "method", *(f"{name} %" for name in identities)], body)


def _taxa_out(found: Mapping[str, Any]) -> str:
    parts = [
        "## (c) Taxa left out\n",
        "Queries are amplicons of genera and species that were taken out of the reference, and unseen amplicons of "
        "known species; only names that no encoder trains on. In brackets: 95 % interval of Abyssal minus the peer "
        "(paired bootstrap over species). Recall is at the threshold that keeps over-classification within the bound "
        "on these queries.\n",
    ]
    for entry in found["taxa_out"]:
        strata = ", ".join(f"{amount} {name}" for name, amount in entry["strata"].items())
        parts.append(f"### {entry['dataset']}: {entry['splits']} split(s), {entry['queries']} queries ({strata})\n")
        parts.append(_compared(entry["compare"]))
        parts.append(_CALIBRATION)
        parts.append(_calibrated(entry["calibration"]))
        parts.append("At each method's own threshold (Abyssal at α = 0.01, 0.05, 0.1, and balanced):\n")
        parts.append(_operating(entry["operating_points"]))
    parts.append("### Where a peer is ahead\n")
    parts.append(_wins(found["peer_wins"]))
    return "\n".join(parts)


def _compared(rows: Sequence[Row]) -> str:
    rows = [row for row in rows if not row["method"].startswith(f"{OURS}-") and row["rank"] in _lowest(rows)]
    # One SINTAX run: its ranking of answers is the same at any cut-off.
    rows = [row for row in rows if row["method"] != "sintax-0.5"]
    methods = _order(row["method"] for row in rows)
    body = []
    for rank, figure in dict.fromkeys((row["rank"], row["figure"]) for row in rows):
        cells = {row["method"]: row for row in rows if (row["rank"], row["figure"]) == (rank, figure)}
        if all(row["value"] is None for row in cells.values()):
            continue
        line = [rank, figure]
        for method in methods:
            row = cells.get(method)
            value = number(row["value"]) if row else "–"
            line.append(value if method == OURS or row is None else f"{value} [{_between(row['ours_minus_interval'])}]")
        body.append(line)
    return table(["rank", "figure", *methods], body)


def _lowest(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["rank"] for row in rows))[-3:]


def _calibrated(rows: Sequence[Row]) -> str:
    body = [
        [row["rank"], f"{row['method']}{' (stated)' if row['mix'] else ''}", row["group"],
         number(row["novel_share"], 2), str(row["queries"]), f"{number(row['ece_debiased'])} ({number(row['ece'])})"]
        for row in rows
        if row["rank"] in _lowest(rows)[-2:] and row["method"] in {OURS, "sintax-0.8", "kmer-pilot", "nb-7mer"}
    ]  # fmt: skip
    return table(["rank", "method", "group", "novel share", "queries", "debiased ECE (ECE)"], body)


def _operating(rows: Sequence[Row]) -> str:
    body = [
        [row["rank"], row["method"], f"{number(row['over_classified'])} of {row['absent']}",
         f"{number(row['recall'])} of {row['present']}", number(row["misclassified"]), number(row["under_classified"]),
         number(row["coverage"]), f"{number(row['precision'])} of {row['named']}"]
        for row in rows
    ]  # fmt: skip
    header = [
        "rank",
        "method",
        "over-classified",
        "recall",
        "misclassified",
        "under-classified",
        "coverage",
        "precision",
    ]
    return table(header, body)


def _wins(wins: Sequence[Row]) -> str:
    if not wins:
        return "Nowhere in these figures.\n"
    body = [
        [win["dataset"], win["rank"], win["figure"], win["method"], number(win["value"]),
         number(win["value"] + win["ours_minus"]), _between(win["ours_minus_interval"]),
         "yes" if win["clear"] else "no"]
        for win in sorted(wins, key=lambda win: win["ours_minus"])
    ]  # fmt: skip
    header = [
        "dataset",
        "rank",
        "figure",
        "peer",
        "peer's",
        "Abyssal's",
        "Abyssal minus peer, 95 %",
        "interval below 0",
    ]
    return table(header, body)


def _communities(found: Mapping[str, Any]) -> str:
    parts = ["## (d) Simulated communities, reads to names\n"]
    for entry in found["communities"]:
        parts.append(
            f"{entry['dataset']}: `{entry['command']}`; {entry['samples']} samples, {entry['true_variants_found']} of "
            f"{entry['true_variants']} true variants among {entry['asvs']} ASVs, Bray-Curtis dissimilarity by sequence "
            f"{number(entry['bray_curtis_by_sequence'])}. Names: by sample; a taxon absent from the reference is right "
            "when it has no name.\n"
        )
        body = [
            [row["rank"], row["method"], f"{number(row['precision'])} of {row['names_given']}",
             f"{number(row['recall'])} of {row['names_true']}", number(row["bray_curtis"])]
            for row in entry["names"]
        ]  # fmt: skip
        parts.append(table(["rank", "method", "precision", "recall", "Bray-Curtis by name"], body))
    return "\n".join(parts)


def _robustness(found: Mapping[str, Any]) -> str:
    rows = [row for row in found["robustness"] if not row["method"].startswith(f"{OURS}-")]
    methods = _order(row["method"] for row in rows)
    body = []
    for variant, rank in dict.fromkeys((row["variant"], row["rank"]) for row in rows):
        cells = {row["method"]: row for row in rows if (row["variant"], row["rank"]) == (variant, rank)}
        some = next(iter(cells.values()))
        body.append(
            [variant, rank, f"{some['present']} / {some['absent']}",
             *(f"{number(cells[name]['top1'])}, {number(cells[name]['over_classified'])}" for name in methods)]
        )  # fmt: skip
    return "\n".join(
        [
            "## (e) Robustness\n",
            f"{rows[0]['dataset']}: share of first names right where the taxon is present, and over-classification at "
            "the method's own threshold. Peers are asked on the plus strand only, as elsewhere on this page.\n",
            table(["variant", "rank", "present / absent", *methods], body),
        ]
    )


def _speed(found: Mapping[str, Any]) -> str:
    parts = ["## (f) Speed and memory\n"]
    for dataset, entry in found["speed"].items():
        parts.append(
            f"{dataset}: {entry['queries']} distinct reads, {entry['threads']} thread(s), load average "
            f"{entry['load_average']:.1f} while measuring. Abyssal's memory includes fitting.\n"
        )
        body = [
            [
                row["amplicons"], row["method"], f"{row['reads_per_second']:.0f}",
                f"{row['reads_per_processor_second']:.0f}", f"{row['peak_memory_mb']:.0f}",
            ]
            for row in entry["rows"]
        ]  # fmt: skip
        titles = ["reference amplicons", "method", "reads/s", "reads/processor second", "peak memory (MB)"]
        parts.append(table(titles, body))
    return "\n".join(parts)

"""How well a sample's metadata can be told from its composition, beside the mean predictor and two simple peers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from abyssal.report.elements import OTHER_COLOUR, PALETTE, Figure, Section, Table, axis, count, decimal, label, plural
from abyssal.report.inputs import Row, StudyResults

OURS = "embedding"
MEAN = "mean predictor"


def regression_section(results: StudyResults) -> Section | None:
    """Show predicted against observed values and the errors; None where no regression was asked for."""
    if results.regression is None:
        return None
    targets = results.regression["targets"]
    measured = {name: found for name, found in targets.items() if "methods" in found}
    paragraphs = [
        f"{name} could not be predicted: {found['reason']}." for name, found in targets.items() if "reason" in found
    ]
    paragraphs += [_in_words(name, found) for name, found in measured.items()]
    return Section(
        "regression",
        "Sample metadata from composition",
        paragraphs,
        figures=[_figure(name, found, results.predictions) for name, found in measured.items()],
        tables=[_table(measured)] if measured else [],
    )


def _in_words(name: str, found: Mapping[str, Any]) -> str:
    methods = found["methods"]
    ours, mean = methods[OURS], methods[MEAN]
    better = ours["mae_below_mean_predictor_interval"]
    verdict = "no better than the mean predictor"
    if ours["mae"] < mean["mae"]:
        sure = better is not None and better[0] > 0
        verdict = "better than the mean predictor" if sure else "better than the mean predictor, but not surely so"
    best = found["best"]
    ahead = "" if best == OURS else f" The smallest error is that of the {best} ({methods[best]['mae']:.4g})."
    return (
        f"{name}: {plural(found['samples'], 'sample')} of {plural(found['sites'], 'site')}, {found['least']:.4g} to "
        f"{found['most']:.4g}. With whole sites left out, the composition in embedding space has a mean absolute error "
        f"of {ours['mae']:.4g} against {mean['mae']:.4g} of the mean predictor: {verdict}.{ahead}"
    )


def _table(measured: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = [
        [
            name, method, decimal(values["mae"], digits), _between(values["mae_interval"], digits),
            decimal(values["r2"], 3), _between(values["r2_interval"], 2),
            _between(values["mae_below_mean_predictor_interval"], digits), count(found["samples"]),
        ]
        for name, found in measured.items()
        for digits in [_decimals(found["methods"][MEAN]["mae"])]
        for method in _ordered(found["methods"])
        for values in [found["methods"][method]]
    ]  # fmt: skip
    header = ["target", "method", "mean absolute error", "95 %", "R²", "95 %", "below the mean predictor's error, 95 %",
              "samples"]  # fmt: skip
    caption = (
        "Every value is predicted by a model that saw no sample of its site; penalties are chosen by leaving out more "
        "sites. Errors in the target's unit; intervals over resampled sites. R² below 0: worse than the samples' mean."
    )
    return Table(header, rows, caption, frozenset(range(2, 8)))


def _ordered(methods: Iterable[str]) -> list[str]:
    """Return ours first, then the mean predictor, then the others."""
    return sorted(methods, key=lambda method: (method != OURS, method != MEAN, method))


def _decimals(error: float) -> int:
    """Return how many decimals show three digits of an error: one from 10 on, four for a pH missed by .05."""
    return max(1, 2 - math.floor(math.log10(error))) if error > 0 else 1


def _between(interval: Sequence[float] | None, digits: int) -> str:
    return "–" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"


def _figure(name: str, found: Mapping[str, Any], predictions: Sequence[Row]) -> Figure:
    views: dict[str, list[Mapping[str, Any]]] = {}
    ends = [found["least"], found["most"]]
    diagonal = {
        "type": "scatter", "mode": "lines", "x": ends, "y": ends, "name": "perfect", "hoverinfo": "skip",
        "line": {"dash": "dot", "color": OTHER_COLOUR},
    }  # fmt: skip
    for method in _ordered(found["methods"]):
        rows = [row for row in predictions if row["target"] == name and row["method"] == method]
        sites = list(dict.fromkeys(row["site"] for row in rows))
        views[method] = [diagonal]
        for place, site in enumerate(sites):
            inside = [row for row in rows if row["site"] == site]
            views[method].append(
                {
                    "type": "scatter", "mode": "markers", "name": label(site),
                    "x": [float(row["observed"]) for row in inside], "y": [float(row["predicted"]) for row in inside],
                    "text": [label(row["sample"]) for row in inside],
                    "marker": {"color": PALETTE[place % len(PALETTE)], "symbol": place, "size": 9},
                    "hovertemplate": "%{text}: observed %{x:.4g}, predicted %{y:.4g}<extra>%{fullData.name}</extra>",
                }
            )  # fmt: skip
    caption = (
        f"{name} predicted for {plural(found['samples'], 'sample')} of {plural(found['sites'], 'site')}, each by a "
        "model that saw nothing of its site; on the dotted line the prediction is the observation."
    )
    layout = {"xaxis": axis(f"{name}, observed"), "yaxis": axis(f"{name}, predicted"), "legend": {"orientation": "v"}}
    return Figure(f"regression-{name}", caption, layout=layout, views=views, view_label="Method", height=460)

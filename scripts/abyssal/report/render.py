"""Sections into one HTML file without anything outside it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from abyssal.files import write_text
from abyssal.report.assets import read_asset
from abyssal.report.discovery_section import discovery_section
from abyssal.report.diversity_section import diversity_section
from abyssal.report.elements import Figure, Section
from abyssal.report.evaluation_section import evaluation_section, evaluation_verdicts
from abyssal.report.headline import make_headline
from abyssal.report.inputs import ReportFacts, ReportFiles, StudyResults, read_results
from abyssal.report.provenance_section import config_text, provenance_section
from abyssal.report.reads_section import controls_section, reads_section
from abyssal.report.reference_section import reference_section
from abyssal.report.regression_section import regression_section
from abyssal.report.taxa_section import taxa_section
from abyssal.report.truth_section import truth_section


def write_report(target: Path, inputs: ReportFiles, facts: ReportFacts) -> None:
    """Write ``report.html`` of one marker of a study."""
    write_text(target, render_report(read_results(inputs, facts)))


def render_report(results: StudyResults) -> str:
    """Return the whole page."""
    sections = _sections(results)
    headline = make_headline(results, evaluation_verdicts(results))
    environment = Environment(
        loader=PackageLoader("abyssal.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=True,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(
        title=f"{results.facts.study}: {results.facts.marker}",
        kind="Abyssal report of an environmental-DNA study",
        headline=headline,
        sections=sections,
        config_text=config_text(results.facts.config),
        footer="Made by Abyssal. This file holds everything it shows and loads nothing from outside.",
        css=Markup(read_asset("report.css")),
        javascript=Markup(_script_text(read_asset("report.js"))),
        plotly=Markup(_script_text(_plotly())),
        figures_json=Markup(_figures_json(sections)),
    )


def _sections(results: StudyResults) -> list[Section]:
    found: list[Section | None] = [
        reads_section(results),
        controls_section(results),
        taxa_section(results),
        diversity_section(results),
        evaluation_section(results),
        truth_section(results),
        regression_section(results),
        discovery_section(results),
        reference_section(results),
        provenance_section(results),
    ]
    return [section for section in found if section is not None]


def _figures_json(sections: Sequence[Section]) -> str:
    """Return all figures as JSON in which nothing can end the script element that holds it."""
    figures = [_figure_values(figure) for section in sections for figure in section.figures]
    text = json.dumps(figures, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _figure_values(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "traces": list(figure.traces),
        "views": {name: list(traces) for name, traces in figure.views.items()},
        "layout": dict(figure.layout),
        "height": figure.height,
    }


def _script_text(text: str) -> str:
    """Return JavaScript in which no string literal ends the script element early."""
    return re.sub(r"</(?=script)", r"<\\/", text, flags=re.IGNORECASE)


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())

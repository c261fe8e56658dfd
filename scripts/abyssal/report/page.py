"""Sections into one HTML file without anything outside it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from abyssal.report.assets import read_asset
from abyssal.report.elements import Figure, Section
from abyssal.report.headline import Headline


def render_page(title: str, headline: Headline, sections: Sequence[Section], *, config_text: str = "") -> str:
    """Return a page; ``config_text`` is shown where a section is called provenance."""
    environment = Environment(
        loader=PackageLoader("abyssal.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=True,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(
        title=title,
        kind="Abyssal report of an environmental-DNA study",
        headline=headline,
        sections=sections,
        config_text=config_text,
        footer="Made by Abyssal. This file holds everything it shows and loads nothing from outside.",
        css=Markup(read_asset("report.css")),
        javascript=Markup(_script_text(read_asset("report.js"))),
        plotly=Markup(_script_text(_plotly())),
        figures_json=Markup(_figures_json(sections)),
    )


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

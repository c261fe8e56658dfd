"""What a section is made of: figures, tables, numbers as text, and the colours they share."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#882255")
"""Told apart with the common colour-vision deficiencies: Okabe & Ito's set and one of Tol's."""

OTHER_COLOUR = "#8C9196"
UNNAMED_COLOUR = "#C9CDD2"
PUTATIVE_COLOUR = "#5C4B8A"

Trace = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A plotly figure.

    Attributes:
        name: id of the element that holds it; unique in the report.
        caption: what it shows, with units and sample sizes.
        traces: plotly traces, used when there are no views.
        layout: plotly layout; colours of text and grid are set by the page's theme.
        views: named sets of traces that the reader chooses from; the first is shown.
        view_label: what is chosen.
        height: pixels.
    """

    name: str
    caption: str
    traces: Sequence[Trace] = ()
    layout: Mapping[str, Any] = field(default_factory=dict)
    views: Mapping[str, Sequence[Trace]] = field(default_factory=dict)
    view_label: str = ""
    height: int = 420


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; ``numeric`` columns are set flush right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numeric: frozenset[int] = frozenset()
    shown: int = 30

    @property
    def hidden(self) -> int:
        """Rows that only show when the reader asks for them."""
        return max(0, len(self.rows) - self.shown)


@dataclass(frozen=True)
class Section:
    """One part of the report; paragraphs, links, tables and figures appear in this order.

    ``links`` are pairs of an address relative to the page and its text.
    """

    name: str
    title: str
    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


def label(text: str) -> str:
    """Escape a name for a figure: plotly reads a little HTML in labels, and names come from users."""
    return html.escape(text, quote=False)


def shorten(text: str, most: int = 36) -> str:
    """Cut a long name in the middle, keeping both ends."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[-(most - 1 - head) :]}"


def count(value: int) -> str:
    """Write a whole number with thin separators."""
    return f"{value:,}"


def plural(value: int, noun: str, many: str | None = None) -> str:
    """Write a number with its noun: ``1 read``, ``2 reads``."""
    return f"{value:,} {noun if value == 1 else many or noun + 's'}"


def percent(part: float, whole: float = 1.0) -> str:
    """Write a share in percent, without hiding what is nearly none or nearly all; a dash when there is no whole."""
    if whole == 0:
        return "–"
    share = 100.0 * part / whole
    if 0 < share < 0.1:
        return "< 0.1\u00a0%"
    if 99.9 < share < 100:
        return "> 99.9\u00a0%"
    return f"{share:.1f}\u00a0%"


def decimal(value: float | None, digits: int = 3) -> str:
    """Write a number, or a dash when it is not known."""
    return "–" if value is None else f"{value:.{digits}f}"


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return a plotly axis with a title."""
    return {"title": {"text": title}, "automargin": True, **more}

"""How training went, measurement by measurement: a table and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from abyssal.files import open_atomic, write_text

CURVE_FILE = "curve.tsv"
PICTURE_FILE = "curve.svg"
_PANELS = {
    "score": "score on held-out taxa",
    "neighbourhood": "loss of the nearest neighbour's name",
    "masked": "loss of masked letters",
    "contrast": "loss of the contrast",
    "deep_contrast": "loss of the deep branch's contrast",
    "gate": "mean absolute value of the gate",
}
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 640, 150, 70, 28, 28

Curve = Sequence[dict[str, float]]


def write_curve(directory: Path, curve: Curve) -> None:
    """Write curve.tsv, one row a measurement, and curve.svg, one panel a figure; equal curves give equal bytes."""
    columns = ["step", "score", *sorted({name for row in curve for name in row} - {"step", "score"})]
    with open_atomic(directory / CURVE_FILE) as out:
        out.write("\t".join(columns) + "\n")
        for row in curve:
            # A column that a measurement lacks is empty.
            out.write("\t".join(f"{row[name]:.6g}" if name in row else "" for name in columns) + "\n")
    write_text(directory / PICTURE_FILE, picture(curve))


def picture(curve: Curve) -> str:
    """Return an SVG with a panel for each figure that was measured twice or more, steps to the right."""
    drawn = [(title, points) for name, title in _PANELS.items() if len(points := _points(curve, name)) > 1]
    panels = [_panel(title, points, place * _HEIGHT) for place, (title, points) in enumerate(drawn)]
    height = max(len(panels), 1) * _HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12">\n<title>How training went</title>\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f"{''.join(panels)}</svg>\n"
    )


def _points(curve: Curve, name: str) -> list[tuple[float, float]]:
    return [(row["step"], row[name]) for row in curve if name in row]


def _panel(title: str, points: Sequence[tuple[float, float]], top: int) -> str:
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    width, height = _WIDTH - _LEFT - 20, _HEIGHT - _TOP - _BOTTOM
    wide, tall = (max(steps) - min(steps)) or 1, (high - low) or 1

    def place(step: float, value: float) -> str:
        right, down = (step - min(steps)) / wide * width, (high - value) / tall * height
        return f"{_LEFT + right:.1f},{top + _TOP + down:.1f}"

    line = " ".join(place(*point) for point in points)
    end = top + _TOP + height
    labels = [(_LEFT, top + 16, "start", title), (_LEFT - 6, top + _TOP + 4, "end", f"{high:.4g}"),
              (_LEFT - 6, end + 4, "end", f"{low:.4g}"), (_LEFT, end + 18, "start", f"step {min(steps):g}"),
              (_LEFT + width, end + 18, "end", f"step {max(steps):g}")]  # fmt: skip
    texts = "".join(f'<text x="{x}" y="{y}" text-anchor="{side}">{text}</text>\n' for x, y, side, text in labels)
    return (
        f'<rect x="{_LEFT}" y="{top + _TOP}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>\n'
        f'<polyline points="{line}" fill="none" stroke="#0a6ebd" stroke-width="2"/>\n{texts}'
    )

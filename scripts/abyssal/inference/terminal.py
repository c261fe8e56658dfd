"""A readable table of classifications for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from abyssal.inference.tables import AnsweredChunk
from abyssal.taxonomy.classifications import Classifications

_HEADER = ("sequence", "rank", "taxon", "confidence", "remark")
_WIDTHS = (32, 12, 40, 10, 48)


class ReadableTable:
    """Keeps the first rows of what passes by."""

    def __init__(self, shown: int) -> None:
        self._shown = shown
        self._rows: list[tuple[str, ...]] = []

    def watch(self, chunks: Iterable[AnsweredChunk]) -> Iterator[AnsweredChunk]:
        """Yield the chunks unchanged."""
        for ids, answers in chunks:
            room = self._shown - len(self._rows)
            self._rows += [_row(name, index, answers) for index, name in enumerate(ids[:room])]
            yield ids, answers

    def render(self, total: int) -> str:
        """Return the table; ``total`` is the number of sequences there were."""
        cells = [_HEADER, *self._rows]
        widths = [min(limit, max(len(row[i]) for row in cells)) for i, limit in enumerate(_WIDTHS)]
        lines = ["  ".join(map(_fit, row, widths)).rstrip() for row in cells]
        lines.insert(1, "  ".join("-" * width for width in widths))
        if total > len(self._rows):
            lines.append(f"... and {total - len(self._rows)} more")
        return "\n".join(lines) + "\n"


def _fit(text: str, width: int) -> str:
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable.ljust(width) if len(printable) <= width else printable[: width - 1] + "…"


def _row(name: str, index: int, answers: Classifications) -> tuple[str, ...]:
    depth = int(answers.accepted[index])
    if depth < 0:
        return name, "-", "Unassigned", "-", _remark(index, answers)
    confidence = f"{float(answers.confidence[index, depth]):.3f}"
    return name, answers.ranks[depth], answers.labels[index][depth] or "", confidence, _remark(index, answers)


def _remark(index: int, answers: Classifications) -> str:
    error = answers.errors[index]
    if error is not None:
        return f"{error.code.name}: {error.message}"
    novel = int(answers.novel_at[index])
    remarks = [f"new {answers.ranks[novel]}"] if novel >= 0 else []
    if answers.putative_taxon[index]:
        remarks.append(f"putative taxon {answers.putative_taxon[index]}")
    if answers.alternatives[index]:
        remarks.append("or " + ", ".join(answers.alternatives[index]))
    return "; ".join(remarks)

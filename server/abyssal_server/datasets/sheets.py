"""Sample sheets of uploaded datasets: checked against the files that were sent, and rewritten to neutral names.

The library's own reader does the checking. It looks for files on disc, so it gets a folder of empty files under neutral
names and a sheet that names those; a cell that names none of the dataset's files never reaches it.
"""

from __future__ import annotations

import difflib
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from abyssal.errors import AbyssalError, SampleSheetError
from abyssal.samples.model import Library, is_missing
from abyssal.samples.sheet import read_cells, read_sample_sheet

MOST_SHEET_BYTES = 4 << 20
_MOST_LINES, _MOST_COLUMNS = 10_000, 200
_MOST_PROBLEMS = 200
_MOST_NAMES = 10_000
_FILE_COLUMNS = frozenset({"r1", "r2", "asvs", "table"})
_ANY_MARKER = "any"


@dataclass(frozen=True)
class SheetProblem:
    """What is wrong with a dataset; ``row`` counts the column names as 1, None stands for the whole file."""

    file: str
    detail: str
    row: int | None = None
    column: str | None = None


@dataclass(frozen=True)
class CheckedSheet:
    """A sample sheet that was looked at.

    Attributes:
        problems: everything that is wrong with it.
        summary: numbers of libraries, samples and controls, and the markers.
        text: the sheet with neutral names, for the workflow; empty when there are problems.
    """

    problems: list[SheetProblem]
    summary: dict[str, object] = field(default_factory=dict)
    text: str = ""


def looks_like_sheet(head: bytes) -> bool:
    """Whether a text file begins like a sample sheet: its first row names the column ``sample`` or ``library``."""
    text = head.decode("utf-8-sig", "replace")
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    cells = {cell.strip().strip('"').casefold() for cell in first.replace(",", "\t").replace(";", "\t").split("\t")}
    return bool(cells & {"sample", "library", "sampleid", "sample_id", "sample-id"})


def check_sheet(
    content: bytes, name: str, files: Mapping[str, str], *, markers: Sequence[str] = (), complete: bool = True
) -> CheckedSheet:
    """Check a sheet.

    Args:
        content: as it was sent.
        name: what the user calls it.
        files: name of each file of the dataset to its neutral name.
        markers: markers of the config; empty accepts any.
        complete: False while archives may still hold further files: names that are not there yet are no problem.
    """
    if beyond := _beyond_bounds(content):
        return CheckedSheet([SheetProblem(name, f"{beyond}; is this a sample sheet?")])
    with tempfile.TemporaryDirectory(prefix="abyssal-sheet-") as folder:
        here = Path(folder)
        given = here / "sheet.tsv"
        given.write_bytes(content)
        try:
            header, rows = read_cells(given)
        except SampleSheetError as error:
            return CheckedSheet([SheetProblem(name, _plain(str(error), {str(given): name}))])
        names = _Names(files, complete=complete)
        problems, text = _rewrite(header, rows, name, names)
        given.write_text(text, encoding="utf-8")
        known = {**names.invented, **files}
        for neutral in known.values():
            (here / neutral).touch()
        original = {neutral: shown for shown, neutral in known.items()} | {str(given): name, f"{here}/": ""}
        original = {found: original[found] for found in sorted(original, key=len, reverse=True)}
        if "marker" not in header and not markers:
            markers = (_ANY_MARKER,)
        libraries, found = _read(given, name, markers, original)
    problems = sorted([*problems, *found], key=lambda one: one.row or 0)
    if problems:
        return CheckedSheet(problems[:_MOST_PROBLEMS])
    return CheckedSheet([], _summary(libraries), text)


def _beyond_bounds(content: bytes) -> str:
    """Return the bound that a sheet is beyond, or "": what follows takes time that grows with rows times names."""
    if len(content) > MOST_SHEET_BYTES:
        return f"larger than {MOST_SHEET_BYTES} bytes"
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n", _MOST_LINES + 1)
    if len(lines) > _MOST_LINES + 1:
        return f"more than {_MOST_LINES} lines"
    if any(line.count(mark) >= _MOST_COLUMNS for line in lines for mark in (b"\t", b",", b";")):
        return f"more than {_MOST_COLUMNS} columns"
    return ""


def _read(
    sheet: Path, name: str, markers: Sequence[str], original: Mapping[str, str]
) -> tuple[Sequence[Library], list[SheetProblem]]:
    """Return the libraries of a rewritten sheet, or what is wrong with it in the user's own names."""
    try:
        return read_sample_sheet(sheet, markers=tuple(markers)), []
    except SampleSheetError as error:
        found = [
            SheetProblem(name, _plain(text, original), row, column or None)
            for row, column, text in error.problems[:_MOST_PROBLEMS]
        ]
        return (), found or [SheetProblem(name, _plain(str(error), original))]
    except AbyssalError as error:
        return (), [SheetProblem(name, _plain(str(error), original))]


class _Names:
    """Looks names of cells up among a dataset's files; ``invented`` are the names that stand for missing ones."""

    def __init__(self, files: Mapping[str, str], *, complete: bool) -> None:
        self._files = files
        self._complete = complete
        self.invented: dict[str, str] = {}

    def neutral(self, cell: str) -> tuple[str, str | None]:
        """Return what stands in the cell for the reader, and what is wrong with it."""
        shown = cell.replace("\\", "/").rpartition("/")[2]
        if shown in self._files:
            return self._files[shown], None
        # A name that is there keeps the reader from reporting the same cell again.
        stand_in = self.invented.setdefault(shown, f"missing-{len(self.invented)}.fastq")
        if not self._complete:
            return stand_in, None
        looked_at = [] if len(self.invented) > _MOST_PROBLEMS else list(self._files)[:_MOST_NAMES]
        near = difflib.get_close_matches(shown, looked_at, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        return stand_in, f"{shown[:200]}: no such file in the dataset{hint}"


def _rewrite(
    header: list[str], rows: list[tuple[int, list[str]]], name: str, names: _Names
) -> tuple[list[SheetProblem], str]:
    """Return problems with files and the sheet with neutral names, each row at its number."""
    problems: list[SheetProblem] = []
    places = [place for place, column in enumerate(header) if column in _FILE_COLUMNS]
    out = io.StringIO()
    written = 0
    for number, cells in [(1, header), *rows]:
        kept = [" ".join(cell.split()) for cell in cells]
        for place in places if number > 1 else ():
            if place < len(kept) and not is_missing(kept[place]):
                kept[place], problem = names.neutral(kept[place])
                if problem:
                    problems.append(SheetProblem(name, problem, number, header[place]))
        out.write("\n" * (max(number, written + 1) - 1 - written))
        out.write("\t".join(kept) + "\n")
        written = max(number, written + 1)
    return problems, out.getvalue()


def _plain(text: str, original: Mapping[str, str]) -> str:
    """Put the user's names for ours, longer ones first."""
    for found, shown in original.items():
        text = text.replace(found, shown)
    return text


def _summary(libraries: Sequence[Library]) -> dict[str, object]:
    return {
        "libraries": len(libraries),
        "samples": len({one.sample for one in libraries}),
        "controls": sum(1 for one in libraries if one.control),
        "markers": sorted({one.marker for one in libraries} - {"", _ANY_MARKER}),
    }

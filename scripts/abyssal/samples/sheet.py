"""Read a sample sheet and report everything that is wrong with it at once.

One row is a library sequenced for a marker. Tab-separated (commas and semicolons are understood too), first row the
column names, empty rows and rows starting with ``#`` ignored. Paths are looked up from the working directory first,
then from the sheet's folder; ``~`` and variables are not expanded, so that a sheet means the same to everybody. Reads
(``r1``, ``r2``) in an S3-compatible store are given by their address, ``s3://BUCKET/KEY``.

``library`` may be left out when there is one library a sample (it is then the sample's name), ``marker`` when the
config has only one, ``run`` when there was only one.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from abyssal.errors import SampleSheetError
from abyssal.references.markers import primer_names
from abyssal.samples.model import COLUMNS, CONTROLS, Kind, Library, SheetRow, is_missing
from abyssal.samples.remote import is_address, is_remote
from abyssal.sequences.alphabet import first_invalid_letter, normalise

_ALIASES = {
    "fastq_1": "r1", "fastq1": "r1", "fq1": "r1", "forward": "r1", "reads": "r1", "fastq": "r1", "read1": "r1",
    "fastq_2": "r2", "fastq2": "r2", "fq2": "r2", "reverse": "r2", "read2": "r2",
    "sampleid": "sample", "sample_id": "sample", "sample-id": "sample", "sample_name": "sample", "name": "sample",
    "library_id": "library", "lib_id": "library", "decimallatitude": "latitude", "lat": "latitude",
    "decimallongitude": "longitude", "lon": "longitude", "depth": "depth_m", "sample_type": "control",
}  # fmt: skip
_NEAR = 0.8
_LONGEST_NAME = 255
_SEPARATORS = ("\t", ",", ";")
_FILE_COLUMNS = ("r1", "r2", "asvs")
_REMOTE_COLUMNS = ("r1", "r2")
_PRIMER_COLUMNS = ("forward_primer", "reverse_primer")
_SHORTEST_PRIMER = 8
_SHARE = "; libraries that share a file need tags (forward_tag, reverse_tag), ready-made ASVs a table"
_NAMES = ("library", "sample", "marker")
# Hints, not faults: a sheet may well carry MIxS's own `depth` beside `depth_m`.
_ONLY_WHEN_NEEDED = frozenset({"name", "depth", "lat", "lon", "reads", "forward", "reverse", "sample_type"})


@dataclass
class _Problems:
    """The faults found so far, each with its row and column."""

    sheet: Path
    found: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, row: int, column: str, text: str) -> None:
        self.found.append((row, column, text))

    def raise_any(self) -> None:
        if self.found:
            ordered = sorted(self.found, key=lambda one: one[0])
            listed = "\n".join(
                f"  - row {row}, column {column}: {text}" if column else f"  - row {row}: {text}"
                for row, column, text in ordered
            )
            message = f"{self.sheet} has {len(ordered)} problem(s) (the header is row 1):\n{listed}"
            raise SampleSheetError(message, ordered)


def read_sample_sheet(sheet: Path, markers: Sequence[str] = ()) -> tuple[Library, ...]:
    """Return the libraries of a sheet in its order.

    Args:
        sheet: TSV or CSV.
        markers: markers of the config; empty accepts any.

    Raises:
        SampleSheetError: lists every problem with its row and column.
    """
    problems = _Problems(sheet)
    header, rows = read_cells(sheet)
    header = _checked_header(header, problems, has_default_marker=len(markers) == 1)
    problems.raise_any()
    filled = [(number, _with_defaults(header, number, cells, markers, problems)) for number, cells in rows]
    libraries = []
    for number, row in filled:
        checked = _checked_cells(number, row, problems)
        _check_marker(number, row, markers, problems)
        kind, files = _files(number, row, sheet, problems)
        primers = _primers(number, row, problems)
        table = _table(number, row, sheet, problems)
        if checked is not None:
            library = _library(checked, row, number, kind, files)
            libraries.append(replace(library, primers=primers, tags=_tags(checked), table=table))
    _check_together(filled, sheet, problems)
    if not rows:
        problems.add(2, "", "no library; expected at least one row below the column names")
    problems.raise_any()
    return tuple(libraries)


def read_cells(sheet: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the column names and the (row number, cells) below them, stripped."""
    if not sheet.is_file():
        message = f"{sheet}: no such sample sheet; write one, or let `abyssal samples DIR -o {sheet}` write a first one"
        raise SampleSheetError(message)
    raw = sheet.read_bytes()
    if raw.startswith(b"PK\x03\x04"):
        message = f"{sheet}: this is a spreadsheet file; save it as tab-separated text (.tsv)"
        raise SampleSheetError(message)
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{sheet}: not UTF-8 text (byte {error.start + 1}); save the sheet as UTF-8"
        raise SampleSheetError(message) from error
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    delimiter = next((separator for separator in _SEPARATORS if separator in first), _SEPARATORS[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(number, [cell.strip() for cell in cells]) for number, cells in enumerate(reader, start=1)]
    except csv.Error as error:
        message = (
            f"{sheet}: the cells cannot be told apart up to line {reader.line_num} ({error}); "
            "is a quotation mark opened and not closed, or is this no table?"
        )
        raise SampleSheetError(message) from error
    filled = [(number, cells) for number, cells in rows if any(cells) and not cells[0].startswith("#")]
    if not filled:
        message = f"{sheet} is empty; expected a row of column names: {', '.join(COLUMNS)}"
        raise SampleSheetError(message)
    return filled[0][1], filled[1:]


def _checked_header(header: list[str], problems: _Problems, *, has_default_marker: bool) -> list[str]:
    while header and not header[-1]:
        header = header[:-1]
    for column in sorted({name for name in header if header.count(name) > 1}):
        problems.add(1, column or "(no name)", "this column name occurs more than once")
    absent = [column for column in COLUMNS if column not in header]
    meant = {column: known for column in header if (known := _meant(column, absent))}
    for column, known in meant.items():
        problems.add(1, column, f"unknown column; did you mean {known}? Column names are lower case")
    _check_required(header, set(meant.values()), problems, has_default_marker=has_default_marker)
    return header


def _meant(column: str, absent: list[str]) -> str | None:
    """Return the known, absent column that an unknown one probably stands for."""
    if column in COLUMNS:
        return None
    lower = column.casefold()
    alias = _ALIASES.get(lower)
    if lower in absent:
        return lower
    if alias in absent and lower not in _ONLY_WHEN_NEEDED:
        return alias
    near = [] if lower in _ONLY_WHEN_NEEDED else difflib.get_close_matches(lower, absent, n=1, cutoff=_NEAR)
    return near[0] if near else None


def _check_required(header: list[str], meant: set[str], problems: _Problems, *, has_default_marker: bool) -> None:
    found = ", ".join(header)
    present = meant.union(header)
    hints = sorted({f"{name} is called {_ALIASES[name.casefold()]} here" for name in header
                    if name.casefold() in _ONLY_WHEN_NEEDED and _ALIASES[name.casefold()] not in header})  # fmt: skip
    hint = f" ({'; '.join(hints)})" if hints else ""
    if "sample" not in present:
        problems.add(1, "sample", f"missing; found: {found}{hint}")
    if not present & {"r1", "asvs"}:
        problems.add(1, "r1", f"missing (or asvs, for ready-made ASVs); found: {found}{hint}")
    if "marker" not in present and not has_default_marker:
        problems.add(1, "marker", f"missing; it may be left out only when the config has one marker; found: {found}")


def _with_defaults(
    header: list[str], number: int, cells: list[str], markers: Sequence[str], problems: _Problems
) -> dict[str, str]:
    """Return the cells by column; an empty library is called like its sample, an empty marker is the only one."""
    if any(cells[len(header) :]):
        problems.add(
            number, "", f"{len(cells)} cells under {len(header)} column names; a cell has a separator too many?"
        )
    row = dict(zip(header, cells, strict=False))
    row["library"] = row.get("library") or row.get("sample", "")
    if len(markers) == 1:
        row["marker"] = row.get("marker") or markers[0]
    return row


def _checked_cells(number: int, row: dict[str, str], problems: _Problems) -> SheetRow | None:
    """Return the typed cells of the known columns, or None after noting what is wrong with them."""
    known = {
        column: cell for column, cell in row.items() if column in COLUMNS and (column in _NAMES or not is_missing(cell))
    }
    try:
        return SheetRow.model_validate(known)
    except ValidationError as error:
        faults = error.errors()
        same_cell = row["library"] == row.get("sample")
        for fault in faults:
            if not (same_cell and fault["loc"][0] == "library"):
                problems.add(number, str(fault["loc"][0]), _describe(fault))
        return None


def _describe(fault: ErrorDetails) -> str:
    """Say what was expected in a cell, in the words of somebody who fills in a sheet."""
    value, limits = fault["input"], fault.get("ctx", {})
    near = difflib.get_close_matches(str(value), CONTROLS, n=1)
    expected = {
        "string_pattern_mismatch": "expected a name of letters, digits, dot, dash and underscore, "
        "starting with a letter or digit",
        "string_too_long": "expected at most 64 characters",
        "string_pattern_mismatch_tag": "expected 4 to 40 letters of A, C, G, T",
        "literal_error": f"expected empty, {', '.join(CONTROLS[:-1])} or {CONTROLS[-1]}"
        + (f"; did you mean {near[0]}?" if near else ""),
        "float_parsing": "expected a number with a decimal point and without a unit",
        "greater_than_equal": f"expected at least {limits.get('ge')}",
        "less_than_equal": f"expected at most {limits.get('le')}",
    }.get(fault["type"] + ("_tag" if str(fault["loc"][0]).endswith("_tag") else ""), fault["msg"])
    return "empty; expected a name" if fault["type"] == "missing" or value == "" else f"{value!r}: {expected}"


def _check_marker(number: int, row: dict[str, str], markers: Sequence[str], problems: _Problems) -> None:
    marker = row.get("marker", "")
    if marker and markers and marker not in markers:
        near = difflib.get_close_matches(marker, markers, n=1, cutoff=0.0)
        text = f"{marker!r} is not a marker of the config; did you mean {near[0]}? Markers: {', '.join(markers)}"
        problems.add(number, "marker", text)


def _files(number: int, row: dict[str, str], sheet: Path, problems: _Problems) -> tuple[Kind, tuple[Path, ...]]:
    """Return what kind of library the row is and its files as they were found."""
    given = {column: path for column in _FILE_COLUMNS if not is_missing(path := row.get(column, ""))}
    if "asvs" in given and len(given) > 1:
        problems.add(number, "asvs", "given together with reads; expected either r1 (and r2) or asvs")
    elif not given or set(given) == {"r2"}:
        problems.add(number, "r1", "empty; expected a FASTQ file (an empty file stands for a library without reads)")
    elif "r2" in given and _same_file(given["r1"], given["r2"], sheet):
        problems.add(number, "r2", f"the same file as r1 ({given['r1']}); expected the reverse reads")
    found = {column: _file(number, column, path, sheet, problems) for column, path in given.items()}
    kind: Kind = "asvs" if "asvs" in given else "paired" if "r2" in given else "single"
    return kind, tuple(found[column] or Path(given[column]) for column in given)


def _primers(number: int, row: dict[str, str], problems: _Problems) -> tuple[str, str]:
    """Return the row's own primers as IUPAC, from names where they are names; empty where it has none."""
    forward, reverse = (
        "" if is_missing(row.get(column, "")) else _primer(number, column, row[column], problems)
        for column in _PRIMER_COLUMNS
    )
    return forward, reverse


def _primer(number: int, column: str, cell: str, problems: _Problems) -> str:
    names = primer_names()
    known = names.get(cell.casefold())
    letters = normalise(cell.upper())
    if known is None and (len(letters) < _SHORTEST_PRIMER or first_invalid_letter(letters)):
        near = difflib.get_close_matches(cell.casefold(), names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        problems.add(number, column, f"{cell!r}: neither a primer's name nor its IUPAC letters (8 or more){hint}")
    return known or letters


def _table(number: int, row: dict[str, str], sheet: Path, problems: _Problems) -> Path | None:
    """Return the table of counts of ready-made ASVs as it was found."""
    cell = row.get("table", "")
    if is_missing(cell):
        return None
    if is_missing(row.get("asvs", "")):
        problems.add(number, "table", "given without asvs; expected the sequences of the ASVs beside their counts")
    return _file(number, "table", cell, sheet, problems)


def _tags(row: SheetRow) -> tuple[str, str]:
    return (row.forward_tag or "").upper(), (row.reverse_tag or "").upper()


def _library(row: SheetRow, cells: dict[str, str], number: int, kind: Kind, files: tuple[Path, ...]) -> Library:
    metadata = {column: cell for column, cell in cells.items() if column not in COLUMNS}
    if row.replicate:
        metadata = {"replicate": row.replicate, **metadata}
    return Library(
        row.library, row.sample, row.run, row.marker, kind, files, row.control, number,
        row.latitude, row.longitude, row.depth_m, metadata,
    )  # fmt: skip


def _candidates(path: str, sheet: Path) -> Iterator[Path]:
    yield Path(path)
    yield sheet.parent / path


def _found(path: str, sheet: Path) -> Path | None:
    if is_remote(path):
        # Whether the object exists is asked of the store when the run is planned.
        return Path(path) if is_address(path) else None
    if _is_too_long(path):
        return None
    return next((candidate for candidate in _candidates(path, sheet) if candidate.is_file()), None)


def _is_too_long(path: str) -> bool:
    return any(len(part.encode()) > _LONGEST_NAME for part in Path(path).parts)


def _file(number: int, column: str, path: str, sheet: Path, problems: _Problems) -> Path | None:
    """Return a cell's file as it was found, or None after noting what is wrong with it."""
    if is_remote(path) and column not in _REMOTE_COLUMNS:
        text = f"{path!r}: only {' and '.join(_REMOTE_COLUMNS)} take addresses; expected a file of this machine"
        problems.add(number, column, text)
        return None
    found = _found(path, sheet)
    if found is None:
        problems.add(number, column, _not_found(path, sheet))
    elif "{" in str(found) and "}" in str(found):
        problems.add(
            number, column, f"{found}: Snakemake takes {{ }} for a placeholder; rename the file, or link to it"
        )
    return found


def _same_file(first: str, second: str, sheet: Path) -> bool:
    return (_found(first, sheet) or Path(first)).resolve() == (_found(second, sheet) or Path(second)).resolve()


def _not_found(path: str, sheet: Path) -> str:
    if is_remote(path):
        return f"{path!r}: not the address of an object; expected s3://BUCKET/KEY"
    if _is_too_long(path):
        return f"{path[:40]!r}... is longer than a file's name can be; expected the path of a file"
    for candidate in _candidates(path, sheet):
        if candidate.is_dir():
            return f"{path}: a folder; expected a file"
        if candidate.is_symlink():
            return f"{path}: a link to {candidate.readlink()}, which is not there; mend the link or copy the file"
    folders = list(dict.fromkeys(candidate.parent for candidate in _candidates(path, sheet)))
    names = sorted({file.name for folder in folders if folder.is_dir() for file in folder.iterdir()})
    near = difflib.get_close_matches(Path(path).name, names, n=1, cutoff=_NEAR)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{path}: no such file in {' or '.join(map(str, folders))}{hint}"


def _check_together(rows: list[tuple[int, dict[str, str]]], sheet: Path, problems: _Problems) -> None:
    """Note what is wrong between rows: names used twice, files used twice, a sample that is also a control."""
    names: dict[tuple[str, str], int] = {}
    files: dict[tuple[Path, str], int] = {}
    controls: dict[str, tuple[int, str]] = {}
    tags: dict[tuple[Path, str], dict[tuple[str, str], int]] = {}
    for number, row in rows:
        library, marker, sample = row["library"], row.get("marker", ""), row.get("sample", "")
        first = names.setdefault((library, marker), number)
        if library and first != number:
            text = f"{library!r} is already in row {first} for marker {marker}; every library needs its own name"
            problems.add(number, "library", text)
        for column in _FILE_COLUMNS:
            file = _found(row.get(column, ""), sheet) if row.get(column) else None
            first = files.setdefault((file.resolve(), marker), number) if file else number
            may_share = row.get("table") if column == "asvs" else row.get("forward_tag")
            if file and first != number and not may_share:
                problems.add(number, column, f"{file.name} is already used in row {first} for the same marker{_SHARE}")
        _check_tags(number, row, sheet, tags, problems)
        control = "" if is_missing(row.get("control", "")) else row["control"]
        first, other = controls.setdefault(sample, (number, control))
        if sample and other != control:
            text = f"sample {sample!r} is {control or 'no control'} here but {other or 'no control'} in row {first}"
            problems.add(number, "control", f"{text}; expected one kind a sample")


def _check_tags(
    number: int,
    row: dict[str, str],
    sheet: Path,
    seen: dict[tuple[Path, str], dict[tuple[str, str], int]],
    problems: _Problems,
) -> None:
    """Note tags that two libraries of a file share, an end that is tagged in some rows only, and a lone reverse tag."""
    forward, reverse = (
        "" if is_missing(row.get(column, "")) else row[column].upper() for column in ("forward_tag", "reverse_tag")
    )
    if reverse and not forward:
        problems.add(
            number, "forward_tag", "empty although reverse_tag is given; expected the tag of the forward primer"
        )
    file = _found(row.get("r1", ""), sheet) if row.get("r1") else None
    if not forward or file is None:
        return
    others = seen.setdefault((file.resolve(), row.get("marker", "")), {})
    first = others.setdefault((forward, reverse), number)
    if first != number:
        problems.add(number, "forward_tag", f"the tags {forward} {reverse}".rstrip() + f" are those of row {first}")
    if any(bool(reverse) != bool(other) for _, other in others):
        problems.add(number, "reverse_tag", f"given for some libraries of {file.name} only; expected all or none")

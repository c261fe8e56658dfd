"""Write a first sample sheet from a folder of FASTQ files by the names that sequencers and archives give them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from abyssal.errors import SampleSheetError, UsageError

# NAME_S12_L001_R1_001.fastq.gz, NAME_R1.fastq, NAME.R2.subsample.fq.gz, NAME_1.fastq.gz, NAME.fastq
_SUFFIX = re.compile(r"\.(fastq|fq)(\.gz)?$", re.IGNORECASE)
_MATE = re.compile(r"^(?P<stem>.+?)[._-]R?(?P<mate>[12])(?:[._-](?P<tail>\d{3}|[a-z]+))?$", re.IGNORECASE)
_MATE_R = re.compile(r"^(?P<stem>.+?)[._-]R(?P<mate>[12])(?P<tail>[._-].+)?$", re.IGNORECASE)
_ILLUMINA = re.compile(r"(_S\d+)?(_L\d{3})?$")
_BLANK = re.compile(r"(?:^|[^a-z])(?:blank|neg(?:ative)?|ntc|nc|control|ctrl)(?![a-z])", re.IGNORECASE)
_CONTROL_WORDS = (("field", "field_blank"), ("extr", "extraction_blank"))
_SHEET_COLUMNS = ("library", "sample", "run", "marker", "r1", "r2", "control")


@dataclass(frozen=True)
class FoundLibrary:
    """Files that belong together, and what their name suggests."""

    name: str
    r1: Path
    r2: Path | None
    control: str


def scan_folder(folder: Path) -> list[FoundLibrary]:
    """Return the libraries below a folder, by name.

    Raises:
        UsageError: there is no such folder, or it holds no FASTQ files.
        SampleSheetError: lists every R2 without R1 and all files that would get the same name.
    """
    if not folder.is_dir():
        message = f"{folder}: no such folder; expected one with FASTQ files"
        raise UsageError(message)
    files = sorted(path for path in folder.rglob("*") if _SUFFIX.search(path.name) and path.is_file())
    if not files:
        message = f"{folder}: no files ending in .fastq, .fq, .fastq.gz or .fq.gz"
        raise UsageError(message)
    mates: dict[tuple[Path, str, str], dict[str, Path]] = {}
    for path in files:
        stem, tail, mate = _split(path)
        mates.setdefault((path.parent, stem, tail), {})[mate] = path
    problems = [f"{pair['2']} has no R1" for pair in mates.values() if "2" in pair and "1" not in pair]
    found = [_library(stem, pair) for (_, stem, _), pair in sorted(mates.items()) if "1" in pair]
    problems += _same_names(found)
    if problems:
        message = f"{folder}: {len(problems)} problem(s):\n" + "\n".join(f"  - {problem}" for problem in problems)
        raise SampleSheetError(message)
    return sorted(found, key=lambda library: library.name)


def _split(path: Path) -> tuple[str, str, str]:
    """Return (stem, tail, mate) of a file's name; a file without a mate's number is a single one, counted as mate 1."""
    name = _SUFFIX.sub("", path.name)
    for pattern in (_MATE_R, _MATE):
        found = pattern.match(name)
        if found:
            return found["stem"], (found["tail"] or "").lower(), found["mate"]
    return name, "", "1"


def _library(stem: str, pair: dict[str, Path]) -> FoundLibrary:
    name = _ILLUMINA.sub("", stem) or stem
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).lstrip("_.-")[:64] or "library"
    control = ""
    if _BLANK.search(name):
        control = next((kind for word, kind in _CONTROL_WORDS if word in name.lower()), "pcr_blank")
    return FoundLibrary(name, pair["1"], pair.get("2"), control)


def _same_names(found: Iterable[FoundLibrary]) -> list[str]:
    by_name: dict[str, list[Path]] = {}
    for library in found:
        by_name.setdefault(library.name, []).append(library.r1)
    return [
        f"{' and '.join(map(str, paths))} would both be library {name}; scan their folders one by one and name the runs"
        for name, paths in by_name.items()
        if len(paths) > 1
    ]


def format_first_sheet(libraries: Iterable[FoundLibrary], *, marker: str | None) -> str:
    """Return a sample sheet (TSV) for the libraries found, every library its own sample.

    Args:
        libraries: what ``scan_folder`` found.
        marker: marker of all of them; None leaves the column out.
    """
    lines = ["\t".join(column for column in _SHEET_COLUMNS if marker or column != "marker")]
    for row in libraries:
        names = [row.name, row.name, "1", *([marker] if marker else [])]
        lines.append("\t".join([*names, row.r1.as_posix(), row.r2.as_posix() if row.r2 else "", row.control]))
    return "\n".join(lines) + "\n"

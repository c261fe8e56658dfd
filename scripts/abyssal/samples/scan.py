"""Write a first sample sheet from a folder of FASTQ files by the names that sequencers and archives give them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from abyssal.errors import SampleSheetError, UsageError

# NAME_S12_L001_R1_001.fastq.gz, NAME_R1.fastq, NAME.R2.subsample.fq.gz, NAME_1.fastq.gz, NAME.fastq
_SUFFIX = re.compile(r"\.(fastq|fq)(\.gz)?$", re.IGNORECASE)
_MATE = re.compile(r"^(?P<stem>.+?)[._-]R?(?P<mate>[12])(?:[._-](?P<tail>\d{3}|[a-z]+))?$", re.IGNORECASE)
_MATE_R = re.compile(r"^(?P<stem>.+?)[._-]R(?P<mate>[12])(?P<tail>[._-].+)?$", re.IGNORECASE)
_ILLUMINA = re.compile(r"(_S\d+)?(?:_L(?P<lane>\d{3}))?$")
_BLANK = re.compile(r"(?:^|[^a-z])(?:blank|neg(?:ative)?|ntc|nc|control|ctrl)(?![a-z])", re.IGNORECASE)
_POSITIVE = re.compile(r"(?:^|[^a-z])(?:mock|pos(?:itive)?)(?![a-z])", re.IGNORECASE)
_CONTROL_WORDS = (("field", "field_blank"), ("extr", "extraction_blank"))
_SHEET_COLUMNS = ("library", "sample", "run", "marker", "r1", "r2", "control")
# @INSTRUMENT:RUN:FLOWCELL:LANE:... of Illumina, and runid=... of Nanopore.
_HEADER = re.compile(r"^@(?P<instrument>[\w-]+):(?P<run>\d+):(?P<cell>[\w-]+):\d+:")
_RUN_ID = re.compile(r"\brunid=(?P<run>[0-9a-f]{8})")


@dataclass(frozen=True)
class FoundLibrary:
    """Files that belong together, and what their names and first record suggest.

    Args:
        name: of the library.
        r1: forward reads, or the only file.
        r2: reverse reads, or None.
        control: empty, or the kind of control.
        sample: what was sampled; libraries of several lanes or folders are of one sample.
        run: sequencing run.
    """

    name: str
    r1: Path
    r2: Path | None
    control: str
    sample: str
    run: str


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
    found = _told_apart(found, folder)
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
    sample = _clean(_ILLUMINA.sub("", stem) or stem)
    control = ""
    if _BLANK.search(sample) and not _POSITIVE.search(sample):
        control = next((kind for word, kind in _CONTROL_WORDS if word in sample.lower()), "pcr_blank")
    elif _POSITIVE.search(sample):
        control = "positive"
    return FoundLibrary(sample, pair["1"], pair.get("2"), control, sample, _run_of(pair["1"]))


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).lstrip("_.-")[:64] or "library"


def _run_of(reads: Path) -> str:
    """Return the run that the first record names, or 1."""
    opened = gzip.open if reads.suffix == ".gz" else open
    try:
        with opened(reads, "rb") as stream:
            header = stream.readline(1000).decode("ascii", errors="replace")
    except (EOFError, gzip.BadGzipFile):
        return "1"
    found = _HEADER.match(header)
    if found:
        return _clean(f"{found['instrument']}-{found['run']}-{found['cell']}")
    nanopore = _RUN_ID.search(header)
    return nanopore["run"] if nanopore else "1"


def _told_apart(found: Sequence[FoundLibrary], folder: Path) -> list[FoundLibrary]:
    """Give libraries of one name the lane or the folder they come from as a suffix; they stay one sample.

    The folder also is the run where the records do not name one.
    """
    groups: dict[str, list[FoundLibrary]] = {}
    for library in found:
        groups.setdefault(library.name, []).append(library)
    renamed = []
    for members in groups.values():
        if len(members) == 1:
            renamed += members
            continue
        for library in members:
            where = "-".join(library.r1.parent.relative_to(folder).parts)
            lane = _ILLUMINA.search(_split(library.r1)[0])
            parts = [where if len({other.r1.parent for other in members}) > 1 else ""]
            parts.append(f"L{lane['lane']}" if lane and lane["lane"] else "")
            suffix = "_".join(part for part in parts if part)
            run = _clean(where) if library.run == "1" and parts[0] else library.run
            renamed.append(
                replace(library, name=_clean(f"{library.name}_{suffix}" if suffix else library.name), run=run)
            )
    return renamed


def _same_names(found: Iterable[FoundLibrary]) -> list[str]:
    by_name: dict[str, list[Path]] = {}
    for library in found:
        by_name.setdefault(library.name, []).append(library.r1)
    return [
        f"{' and '.join(map(str, paths))} would both be library {name}; scan their folders one by one and name the runs"
        for name, paths in by_name.items()
        if len(paths) > 1
    ]


def format_first_sheet(libraries: Sequence[FoundLibrary], markers: Mapping[str, Sequence[str]]) -> str:
    """Return a sample sheet (TSV) for the libraries found, a row for each library and marker.

    Args:
        libraries: what ``scan_folder`` found.
        markers: markers of each library by its name; the column is left out when no library has any.
    """
    some = any(markers.values())
    lines = ["\t".join(column for column in _SHEET_COLUMNS if some or column != "marker")]
    for row in libraries:
        for marker in markers.get(row.name) or ("",):
            names = [row.name, row.sample, row.run, *([marker] if some else [])]
            lines.append("\t".join([*names, row.r1.as_posix(), row.r2.as_posix() if row.r2 else "", row.control]))
    return "\n".join(lines) + "\n"

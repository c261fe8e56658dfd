"""``abyssal samples``: write a first sample sheet from a folder, or check a sheet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "samples",
        help="write a first sample sheet from a folder of FASTQ files, or check a sheet",
        description="Given a folder: pair its FASTQ files and write a sample sheet to look through. "
        "Given a sheet: report everything that is wrong with it.",
    )
    parser.add_argument("source", type=Path, metavar="DIR|SHEET", help="folder of FASTQ files, or a sample sheet")
    parser.add_argument("-o", "--output", type=Path, metavar="SHEET", help="sheet to write (default: standard output)")
    parser.add_argument(
        "-m", "--marker", action="append", default=[],
        help="marker of the libraries; several times for libraries that hold several, `auto` to look for the primers "
        "of the known markers; leave it out when the config has only one marker",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace an existing sheet")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Scan a folder or check a sheet.

    Raises:
        UsageError: nothing to scan, or the sheet to write exists.
        SampleSheetError: the files or the rows have problems; all are listed.
    """
    from abyssal.samples.sheet import read_sample_sheet

    source: Path = arguments.source
    if not source.is_dir() and arguments.output is None:
        libraries = read_sample_sheet(source, markers=arguments.marker)
        controls = sum(1 for library in libraries if library.control)
        samples = len({library.sample for library in libraries})
        sys.stdout.write(f"{source}: {len(libraries)} libraries, {samples} samples, {controls} controls: no problems\n")
        return 0
    return _scan(source, arguments.output, arguments.marker, force=arguments.force)


def _scan(folder: Path, output: Path | None, markers: list[str], *, force: bool) -> int:
    from abyssal.errors import UsageError
    from abyssal.samples.scan import format_first_sheet, scan_folder

    found = scan_folder(folder)
    markers_of = {library.name: markers for library in found}
    if markers == ["auto"]:
        from abyssal.samples.detect import detect_markers

        markers_of = {library.name: detect_markers(library) for library in found}
        known = sorted({marker for names in markers_of.values() for marker in names})
        sys.stderr.write(f"markers found: {', '.join(known) or 'none of the known ones'}\n")
    sheet = format_first_sheet(found, markers_of)
    if output is None:
        sys.stdout.write(sheet)
        return 0
    if output.exists() and not force:
        message = f"{output} exists; give another name or --force to replace it"
        raise UsageError(message)
    from abyssal.files import write_text

    write_text(output, sheet)
    rows = sheet.count("\n") - 1
    sys.stderr.write(f"{output}: {rows} libraries written; look through samples, runs and controls\n")
    return 0

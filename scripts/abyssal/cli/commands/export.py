"""``abyssal export``: results of a study, or one classification, in the formats of other programs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abyssal.exports.source import ExportSource


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="write results for QIIME 2, phyloseq, GBIF, Krona and others",
        description="SOURCE is the folder of a marker's results (results/STUDY/MARKER) or a classification TSV. "
        "Formats: biom, tsv, taxonomy, metadata, sequences, phyloseq, dwc (Darwin Core), krona, sintax, kraken; "
        "a classification alone has taxonomy, krona, sintax and kraken. See scripts/abyssal/exports/README.md.",
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="results/STUDY/MARKER, or a classification TSV")
    parser.add_argument(
        "-f", "--format", action="append", metavar="NAME", help="a format; may be repeated (default: all that apply)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PATH",
                        help="file or folder of the format when one is asked for, else the folder of all")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the exports and print their paths.

    Raises:
        UsageError: a file is missing, or a format is unknown or cannot be made.
        DataError: a file is broken.
    """
    from abyssal.exports.source import read_classification
    from abyssal.exports.write import FORMATS, write_exports, write_one

    source = _read_results(arguments.source) if arguments.source.is_dir() else read_classification(arguments.source)
    wanted = arguments.format or [name for name, made in FORMATS.items() if source.is_study or not made.needs_study]
    if arguments.format and len(wanted) == 1:
        write_one(source, arguments.output, wanted[0])
        written = [arguments.output]
    else:
        written = write_exports(source, arguments.output, wanted)
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return 0


def _read_results(folder: Path) -> ExportSource:
    """Read results/STUDY/MARKER; the names are those of the folders, primers come from the bundle or the registry."""
    from abyssal.bundle.manifest import parse_manifest
    from abyssal.exports.source import ExportFiles, StudyNames, read_study
    from abyssal.references.markers import ResolvedMarker, read_markers

    folder = folder.resolve()
    manifest = folder / "bundle" / "manifest.json"
    primers, reference = None, ""
    if manifest.is_file():
        made = parse_manifest(manifest.read_bytes(), source=str(manifest))
        reference = made.facts.get("Reference", "")
        if made.marker.forward_primer and made.marker.reverse_primer:
            primers = ResolvedMarker(folder.name, made.marker.forward_primer, made.marker.reverse_primer, 0, 0)
    elif folder.name in read_markers():
        known = read_markers()[folder.name]
        primers = ResolvedMarker(folder.name, known.forward_primer, known.reverse_primer, 0, 0)
    return read_study(ExportFiles.below(folder), StudyNames(folder.parent.name, folder.name, primers, reference))

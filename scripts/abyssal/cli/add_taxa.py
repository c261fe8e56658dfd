"""The verb ``abyssal bundle add-taxa``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

_Parsers = argparse._SubParsersAction


def add_verb(verbs: _Parsers[argparse.ArgumentParser]) -> None:
    """Add the verb to ``bundle``."""
    parser = verbs.add_parser("add-taxa", help="make a bundle that knows more taxa, without training")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of the bundle to start from")
    parser.add_argument("fasta", type=Path, metavar="FASTA", help="labelled sequences, full length or cut already")
    parser.add_argument("lineages", type=Path, nargs="?", metavar="LINEAGES", help="table: id, then one column a rank")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="directory of the new bundle")
    parser.add_argument("--version", metavar="V", help="version of the new bundle (default: from the additions)")
    parser.add_argument("--no-trim", action="store_true", help="sequences are cut to the amplicon already")
    parser.add_argument(
        "--refit", action="store_true", help="fit the calibrators again as well: minutes, and any answer may change"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write the new bundle and say what became of the records."""
    from abyssal.bundle.extend import Additions, add_taxa
    from abyssal.bundle.read import open_bundle

    additions = Additions(
        arguments.fasta, arguments.lineages, arguments.version, trim=not arguments.no_trim, refit=arguments.refit
    )
    done = add_taxa(open_bundle(arguments.bundle), additions, arguments.output)
    extension, report = done.extension, done.report
    taxa = ", ".join(f"{count} {rank}" for rank, count in extension.taxa.items() if count) or "none"
    dropped = ", ".join(f"{reason} {count}" for reason, count in sorted(report.dropped.items())) or "none"
    for line in (
        f"version {done.version} ({done.digest}) is at {arguments.output}",
        f"{report.records} records: {extension.amplicons} new amplicons, {extension.merged} known ones got a lineage "
        f"more, {extension.present} lineages were there; dropped: {dropped}",
        f"new taxa: {taxa}",
        *(f"  {accession}: {reason}" for accession, reason in report.reasons[:20]),
    ):
        sys.stdout.write(f"{line}\n")

"""abyssal reference: fetch, build and check labelled sequences."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def register(subparsers: Any) -> None:
    """Add the subcommand and its four actions."""
    parser = subparsers.add_parser("reference", help="fetch, build and check references", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_fetch(actions)
    _add_build(actions)
    _add_check(actions)
    markers = actions.add_parser("markers", help="list the primer pairs that are known by name")
    markers.set_defaults(run=_markers)


def _add_fetch(actions: Any) -> None:
    fetch = actions.add_parser("fetch", help="download a public reference, resumed and verified")
    fetch.add_argument("source", nargs="?", help="name of a source; without it all sources are listed")
    fetch.add_argument("-o", "--output", type=Path, default=Path("references"), help="folder for the file and the lock")
    fetch.add_argument("--from", dest="offline", type=Path, help="folder to copy from instead of the network")
    fetch.set_defaults(run=_fetch)


def _add_build(actions: Any) -> None:
    build = actions.add_parser("build", help="turn labelled sequences into a checked, amplicon-cut reference")
    _add_input(build)
    build.add_argument("-o", "--output", type=Path, required=True, help="folder for the reference and its report")
    build.add_argument("--drop-suspects", action="store_true", help="leave out records whose neighbours disagree")
    build.set_defaults(run=_build)


def _add_check(actions: Any) -> None:
    check = actions.add_parser("check", help="say what a reference can and cannot tell apart, without writing it")
    _add_input(check)
    check.add_argument("--plant", type=_share, help="plant this share of wrong labels and report how many are found")
    check.add_argument("--rank", help="rank at which labels are checked (default: family)")
    check.add_argument("--seed", type=_seed, default=1, help="seed of the planted noise")
    check.set_defaults(run=_check)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fasta", help="FASTA, GenBank file or table with sequences (TABLE#COLUMN picks the column)")
    parser.add_argument("--lineages", help="table of lineages beside it")
    parser.add_argument("--format", default="auto", help="format of the headers or the table (default: auto)")
    parser.add_argument("--marker", required=True, help="marker by name (see: abyssal reference markers) or a new name")
    parser.add_argument("--forward", help="forward primer, 5' to 3'")
    parser.add_argument("--reverse", help="reverse primer, 5' to 3'")
    parser.add_argument("--min-length", type=int, help="shortest amplicon without primers (bp)")
    parser.add_argument("--max-length", type=int, help="longest amplicon without primers (bp)")
    parser.add_argument("--max-mismatches", type=int, default=3, help="mismatches allowed in each primer site")
    parser.add_argument("--no-trim", action="store_true", help="sequences are cut to the amplicon already")
    parser.add_argument("--synonyms", action="store_true", help="replace synonyms by NCBI's names (NCBI_TAXDUMP)")
    parser.add_argument(
        "--conflicts", choices=("majority", "error"), default="majority", help="what a taxon with two parents leads to"
    )
    parser.add_argument("--name", default="reference", help="name of the reference")
    parser.add_argument("--release", default="0", help="version of the reference")


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1.0:
        message = f"{text} is not a share between 0 and 1"
        raise argparse.ArgumentTypeError(message)
    return value


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        message = f"{text} is not a seed; expected 0 or more"
        raise argparse.ArgumentTypeError(message)
    return value


def _prepare(arguments: argparse.Namespace, *, drop_suspects: bool = False) -> Any:
    from pydantic import ValidationError

    from abyssal.config.models import MarkerConfig, ReferenceConfig
    from abyssal.errors import UsageError
    from abyssal.references.markers import resolve_marker
    from abyssal.references.stage import prepare_reference

    try:
        marker_config = MarkerConfig(
            forward_primer=arguments.forward, reverse_primer=arguments.reverse,
            min_length=arguments.min_length, max_length=arguments.max_length,
        )  # fmt: skip
        config = ReferenceConfig(
            fasta=arguments.fasta, lineages=arguments.lineages, format=arguments.format, name=arguments.name,
            version=arguments.release, trim=not arguments.no_trim, max_mismatches=arguments.max_mismatches,
            drop_suspects=drop_suspects, synonyms=arguments.synonyms,
        )  # fmt: skip
    except ValidationError as error:
        lines = [f"  - {'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r})" for e in error.errors()]
        message = "wrong options:\n" + "\n".join(lines)
        raise UsageError(message) from error
    marker = resolve_marker(arguments.marker, marker_config)
    reference, report, suspects = prepare_reference(config, marker, conflicts=arguments.conflicts)
    return config, marker, reference, report, suspects


def _fetch(arguments: argparse.Namespace) -> int:
    from abyssal.references.registry import fetch, find_source, read_sources

    if arguments.source is None:
        for source in read_sources().values():
            row = (source.name, source.version, source.gene, source.licence, source.url or "(by hand, --from)")
            sys.stdout.write("\t".join(row) + "\n")
        return 0
    path = fetch(find_source(arguments.source), arguments.output, offline=arguments.offline)
    sys.stdout.write(f"{path}\n")
    return 0


def _build(arguments: argparse.Namespace) -> int:
    from abyssal.references.model import write_reference
    from abyssal.references.report import reference_report, write_report
    from abyssal.references.suspects import write_suspects

    config, marker, reference, report, suspects = _prepare(arguments, drop_suspects=arguments.drop_suspects)
    folder: Path = arguments.output
    write_reference(reference, folder / "reference.fasta.gz", folder / "lineages.tsv")
    write_suspects(folder / "suspects.tsv", suspects)
    summary = reference_report(reference, report, suspects, marker=marker, name=config.name, version=config.version)
    write_report(folder, summary, reference, report)
    _print_summary(summary)
    sys.stdout.write(f"written to {folder} (open reference_report.html)\n")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from abyssal.references.noise import measure_suspects
    from abyssal.references.report import reference_report

    config, marker, reference, report, suspects = _prepare(arguments)
    _print_summary(
        reference_report(reference, report, suspects, marker=marker, name=config.name, version=config.version)
    )
    if arguments.plant is not None:
        score = measure_suspects(reference, arguments.plant, rank=arguments.rank, seed=arguments.seed)
        sys.stdout.write(
            f"planted {score.planted} wrong labels: {score.found} found (recall {score.recall:.3f}), "
            f"precision {score.precision:.3f} among new suspects, {score.strict_precision:.3f} among all "
            f"({score.already} were suspected before)\n"
        )
    return 0


def _print_summary(summary: dict[str, Any]) -> None:
    records = summary["records"]
    dropped = ", ".join(f"{reason} {count}" for reason, count in records["dropped"].items()) or "none"
    sys.stdout.write(
        f"{records['read']} records: {records['amplified']} cut by both primers, {records['aligned']} by alignment, "
        f"{records['uncut']} uncut ({summary['turned']} turned); dropped: {dropped}\n"
        f"{summary['amplicons']} amplicons, {summary['lineages']} lineages, {summary['suspect_count']} suspects, "
        f"{summary['conflict_count']} taxa with two parents\n"
        "rank\ttaxa\tamplicons named\tshare unique\n"
    )
    for row in summary["ranks"]:
        sys.stdout.write(f"{row['rank']}\t{row['taxa']}\t{row['amplicons_named']}\t{row['share_unique']:.4f}\n")


def _markers(_: argparse.Namespace) -> int:
    from abyssal.references.markers import read_markers

    sys.stdout.write("name\tgene\tregion\tforward\treverse\tlength\tsource\n")
    for marker in read_markers().values():
        lengths = f"{marker.min_length}-{marker.max_length}"
        row = (marker.name, marker.gene, marker.region, marker.forward_primer, marker.reverse_primer, lengths)
        sys.stdout.write("\t".join((*row, marker.source)) + "\n")
    return 0

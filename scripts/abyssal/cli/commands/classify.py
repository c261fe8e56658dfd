"""``abyssal classify``: FASTA or FASTQ in, classification table out, from a bundle or through a running service."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from abyssal.cli.extras import needs
from abyssal.errors import UsageError
from abyssal.sequences.records import SequenceRecord, read_records

if TYPE_CHECKING:
    from abyssal.inference.tables import AnsweredChunk

logger = logging.getLogger(__name__)

_SHOWN_ROWS = 40


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("classify", help="classify sequences into a table", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="FASTA or FASTQ, plain or gzipped")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--bundle", metavar="BUNDLE", help="classify with this directory or REGISTRY/NAME@LABEL, without a service"
    )
    source.add_argument("--server", metavar="HOST:PORT", help="classify through a running service")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="TSV", help="classification table to write; gzipped when it ends in .gz"
    )
    parser.add_argument(
        "--table", action="store_true", help=f"print a readable table (the first {_SHOWN_ROWS} sequences)"
    )
    parser.add_argument(
        "--engine", choices=("auto", "reference"), default="reference",
        help="with --bundle: auto takes the fastest engine that gives the golden answers, looking for it first where "
        "none is known yet (default: reference, PyTorch fp32)",
    )  # fmt: skip
    _add_fallback(parser)
    parser.add_argument(
        "--model", default="", metavar="NAME[@VERSION]", help="with --server: the model to ask (default: its first one)"
    )
    parser.add_argument("--marker", default="", help="with --server: ask the model of this marker")
    _add_access(parser)
    parser.set_defaults(run=run)


def _add_access(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("access", "with --server, where the service asks for it")
    group.add_argument(
        "--key-file", type=Path, metavar="FILE",
        help="API key or JSON web token (default: environment variable ABYSSAL_KEY)",
    )  # fmt: skip
    group.add_argument("--tls", action="store_true", help="the service is behind TLS, signed by who the system trusts")
    group.add_argument("--ca", type=Path, metavar="PEM", help="the service is behind TLS, signed by these certificates")
    group.add_argument("--cert", type=Path, metavar="PEM", help="own certificate, where the service asks for one")
    group.add_argument("--cert-key", type=Path, metavar="PEM", help="private key of --cert")


def _add_fallback(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "fallback", "alignment search for reads that the model leaves open; a service has its own program and limits"
    )
    group.add_argument(
        "--fallback", choices=("none", "vsearch", "blast"), nargs="?", const="vsearch", default="none",
        help="program (default: none; without a name vsearch)",
    )  # fmt: skip
    group.add_argument("--fallback-rank", metavar="RANK", help="rank to reach (default: the second lowest)")
    group.add_argument(
        "--fallback-share", type=_share, default=0.1, metavar="SHARE",
        help="most distinct reads that are searched, hardest first (default: 0.1)",
    )  # fmt: skip
    group.add_argument(
        "--fallback-seconds", type=_seconds, metavar="S", help="begin no search after this time (default: no limit)"
    )


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        message = f"{text} is not a share from 0 to 1"
        raise argparse.ArgumentTypeError(message)
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not value >= 0.0:
        message = f"{text} is not a time in seconds"
        raise argparse.ArgumentTypeError(message)
    return value


def run(arguments: argparse.Namespace) -> None:
    """Classify one file."""
    if arguments.output is None and not arguments.table:
        message = "nowhere to write to; give -o FILE.tsv, --table or both"
        raise UsageError(message)
    if arguments.bundle is not None and (arguments.model or arguments.marker):
        message = "--model and --marker choose among the models of a service; give --server instead of --bundle"
        raise UsageError(message)
    if arguments.bundle is None and arguments.engine == "auto":
        message = "--engine says what computes a --bundle here; a service has its ABYSSAL_ENGINE: leave it out"
        raise UsageError(message)
    if arguments.output is not None and arguments.output.is_dir():
        message = f"{arguments.output} is a directory; give the path of the table to write"
        raise UsageError(message)
    if not arguments.file.is_file():
        found = "a directory" if arguments.file.is_dir() else "no such file"
        message = f"{arguments.file}: {found}; expected FASTA or FASTQ, plain or gzipped"
        raise UsageError(message)
    if arguments.output is not None and arguments.output.exists() and arguments.output.samefile(arguments.file):
        message = f"{arguments.output} is the file to classify; give the table another name"
        raise UsageError(message)
    records = read_records(arguments.file)
    if arguments.bundle is not None:
        _with_bundle(arguments, records)
    else:
        _with_service(arguments, records)


def _with_bundle(arguments: argparse.Namespace, records: Iterable[SequenceRecord]) -> None:
    from abyssal.bundle.registry import open_location
    from abyssal.inference.tables import classify_offline
    from abyssal.taxonomy.classifier import Classifier

    bundle = open_location(arguments.bundle)
    classifier = Classifier.load(bundle.directory)
    if arguments.engine == "auto":
        from abyssal.bundle.engines import with_prepared_engine, with_ready_engine

        classifier = with_ready_engine(classifier, bundle) or with_prepared_engine(classifier, bundle)
    logger.info("model %s %s (%s)", bundle.name, bundle.version, bundle.digest[:12])
    if arguments.fallback == "none":
        _write(arguments, classifier.ranks, classify_offline(classifier, records))
        return
    from abyssal.taxonomy.fallback import Budget, Fallback, Revision

    with Fallback(classifier, arguments.fallback, rank=arguments.fallback_rank) as fallback:
        revision = Revision(fallback, Budget(arguments.fallback_share, arguments.fallback_seconds))
        _write(arguments, classifier.ranks, classify_offline(classifier, records, revise=revision))
    logger.info("fallback (%s): %s", arguments.fallback, revision.report())


def _with_service(arguments: argparse.Namespace, records: Iterable[SequenceRecord]) -> None:
    with needs("client", "client"):
        from abyssal.client import Access, Client
        from abyssal.client.connection import read_key

    key = read_key(arguments.key_file)
    access = Access(key, arguments.tls, arguments.ca, arguments.cert, arguments.cert_key)
    with Client(arguments.server, access=access) as client:
        model = client.current_model(model=arguments.model, marker=arguments.marker)
        logger.info("model %s %s (%s) at %s", model.name, model.version, model.digest[:12], arguments.server)
        answered = client.classify_records(
            records, model=arguments.model, marker=arguments.marker, fallback=arguments.fallback != "none"
        )
        _write(arguments, model.ranks, answered)


def _write(arguments: argparse.Namespace, ranks: tuple[str, ...], chunks: Iterable[AnsweredChunk]) -> None:
    from abyssal.inference.tables import write_table
    from abyssal.inference.terminal import ReadableTable

    table = ReadableTable(_SHOWN_ROWS)
    found = Counter[str]()
    watched = _with_progress(_counted(table.watch(chunks) if arguments.table else chunks, found), arguments.file)
    if arguments.output is None:
        rows = sum(len(ids) for ids, _ in watched)
    else:
        rows = write_table(arguments.output, ranks, watched)
        logger.info(
            "%d sequences classified (%d with a name, %d of a putative taxon), written to %s",
            rows, found["named"], found["putative"], arguments.output,
        )  # fmt: skip
    if arguments.table:
        sys.stdout.write(table.render(rows))


def _counted(chunks: Iterable[AnsweredChunk], found: Counter[str]) -> Iterator[AnsweredChunk]:
    for ids, answers in chunks:
        found["named"] += int((answers.accepted >= 0).sum())
        found["putative"] += sum(map(bool, answers.putative_taxon))
        yield ids, answers


def _with_progress(chunks: Iterable[AnsweredChunk], file: Path) -> Iterator[AnsweredChunk]:
    from abyssal.cli.progress import Progress, count_sequences

    progress = Progress(lambda: count_sequences(file))
    done = 0
    for ids, answers in chunks:
        yield ids, answers
        done += len(ids)
        progress(done)
    progress.end()

"""``abyssal worker``: run training jobs that the gateway accepted."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from abyssal.cli.extras import needs
from abyssal.errors import UsageError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("worker", help="run the gateway's training jobs", description=__doc__)
    parser.add_argument(
        "--server",
        metavar="HOST:PORT",
        help="the gRPC service that loads new models (default: ABYSSAL_SERVER)",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="directory of the embedded stores")
    parser.add_argument("--cores", type=int, help="CPU cores that a job may use (default: all)")
    parser.add_argument("--memory-mb", type=int, help="memory that the steps of a job may ask for together")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="Snakemake profile, as workflow/profiles/slurm")
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="written once the worker looks for jobs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Work until SIGTERM or SIGINT."""
    with needs("worker", "serve,workflow"):
        from abyssal.client.errors import check_target
        from abyssal_server.jobs.settings import WorkerSettings
        from abyssal_server.jobs.worker import run_worker

    if not arguments.server and not os.environ.get("ABYSSAL_SERVER"):
        message = "no service to load new models into; give --server HOST:PORT or set ABYSSAL_SERVER"
        raise UsageError(message)
    settings = WorkerSettings.read(
        os.environ, server=arguments.server, data=arguments.data, cores=arguments.cores,
        memory_mb=arguments.memory_mb, profile=arguments.profile,
    )  # fmt: skip
    check_target(settings.server)
    run_worker(settings, ready_file=arguments.ready_file)

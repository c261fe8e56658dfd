"""``abyssal up``: service, gateway with web page, and worker on this machine, in one command."""

from __future__ import annotations

import argparse
from pathlib import Path

from abyssal.cli.extras import needs

_PORT = 8080


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("up", help="service, web page and worker in one command", description=__doc__)
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR",
        help="bundle to publish and serve (default: what is current in the registry, else the one of `make demo`)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory of the embedded stores (default: ~/.local/share/abyssal)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address of the web page (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=_PORT, help=f"port of the web page, 0 a free one ({_PORT})")
    parser.add_argument("--cores", type=int, help="CPU cores that a training job may use (default: all)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run everything until SIGTERM or SIGINT."""
    with needs("service", "serve,workflow"):
        from abyssal_server.places import default_data
        from abyssal_server.up import run_up

    run_up(
        arguments.data or default_data(), bundle=arguments.bundle, host=arguments.host, port=arguments.port,
        cores=arguments.cores,
    )  # fmt: skip

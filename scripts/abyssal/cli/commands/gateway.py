"""``abyssal gateway``: HTTP in front of a running inference service."""

from __future__ import annotations

import argparse
import os

from abyssal.cli.extras import needs
from abyssal.cli.listening import add_listening
from abyssal.errors import UsageError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("gateway", help="serve REST in front of the gRPC service", description=__doc__)
    parser.add_argument(
        "--server", metavar="HOST:PORT", help="the gRPC service (default: environment variable ABYSSAL_SERVER)"
    )
    add_listening(parser, port=8080)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    with needs("gateway", "serve"):
        from abyssal.client.errors import check_target
        from abyssal_server.gateway.process import run_gateway
        from abyssal_server.gateway.settings import GatewaySettings

    if not arguments.server and not os.environ.get("ABYSSAL_SERVER"):
        message = "no service to talk to; give --server HOST:PORT or set ABYSSAL_SERVER"
        raise UsageError(message)
    settings = GatewaySettings.read(os.environ, server=arguments.server, host=arguments.host, port=arguments.port)
    check_target(settings.server)
    run_gateway(settings, port_file=arguments.port_file)

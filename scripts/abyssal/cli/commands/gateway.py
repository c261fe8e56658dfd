"""``abyssal gateway``: HTTP in front of a running inference service."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from abyssal.errors import UsageError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("gateway", help="serve REST in front of the gRPC service", description=__doc__)
    parser.add_argument(
        "--server", metavar="HOST:PORT", help="the gRPC service (default: environment variable ABYSSAL_SERVER)"
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for a free one (default: 8080)")
    parser.add_argument(
        "--port-file", type=Path, metavar="FILE", help="write HOST:PORT to this file once requests are accepted"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    try:
        from abyssal_server.gateway.process import run_gateway
        from abyssal_server.gateway.settings import GatewaySettings
    except ImportError as error:
        message = f"the gateway is not installed ({error.name} is missing); install abyssal[serve]"
        raise UsageError(message) from error

    if not arguments.server and not os.environ.get("ABYSSAL_SERVER"):
        message = "no service to talk to; give --server HOST:PORT or set ABYSSAL_SERVER"
        raise UsageError(message)
    settings = GatewaySettings.read(os.environ, server=arguments.server, host=arguments.host, port=arguments.port)
    run_gateway(settings, port_file=arguments.port_file)

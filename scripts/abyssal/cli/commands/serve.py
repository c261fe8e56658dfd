"""``abyssal serve``: answer classification calls over gRPC from a bundle."""

from __future__ import annotations

import argparse
import asyncio
import os

from abyssal.cli.extras import needs
from abyssal.cli.listening import add_listening
from abyssal.errors import UsageError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("serve", help="serve a bundle over gRPC", description=__doc__)
    parser.add_argument(
        "--bundle", action="append", metavar="BUNDLE",
        help="directory or REGISTRY/NAME@LABEL to serve; may be given several times, the first answers when nothing is "
        "chosen (default: environment variable MODEL_PATH)",
    )  # fmt: skip
    add_listening(parser, port=50051)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="what computes (default: auto)")
    parser.add_argument(
        "--admin-token-file", metavar="FILE", help="offer ModelAdmin to who knows the token in this file"
    )
    parser.add_argument(
        "--keys-file", metavar="FILE", help="answer only callers with a key of this file (see `abyssal keys`)"
    )
    parser.add_argument("--tls-cert", metavar="PEM", help="certificate chain; with --tls-key calls are encrypted")
    parser.add_argument("--tls-key", metavar="PEM", help="private key of the certificate")
    parser.add_argument(
        "--tls-client-ca", metavar="PEM", help="answer only callers whose certificate one of these has signed"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    with needs("service", "serve"):
        from abyssal_server.process import end, serve
        from abyssal_server.settings import ServerSettings

    if not arguments.bundle and not os.environ.get("MODEL_PATH"):
        message = "no bundle to serve; give --bundle BUNDLE or set MODEL_PATH"
        raise UsageError(message)
    settings = ServerSettings.read(
        os.environ, model_path=",".join(arguments.bundle or ()) or None, host=arguments.host, port=arguments.port,
        device=arguments.device, admin_token_file=arguments.admin_token_file,
        keys_file=arguments.keys_file, tls_cert=arguments.tls_cert, tls_key=arguments.tls_key,
        tls_client_ca=arguments.tls_client_ca,
    )  # fmt: skip
    asyncio.run(serve(settings, port_file=arguments.port_file))
    end()

"""Where a process listens: the same options for the service and the gateway."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_listening(parser: argparse.ArgumentParser, *, port: int) -> None:
    """Add ``--host``, ``--port`` and ``--port-file``; what is not given stays None, for the environment to say."""
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help=f"port to listen on, 0 for a free one (default: {port})")
    parser.add_argument(
        "--port-file", type=Path, metavar="FILE", help="write HOST:PORT to this file once calls are answered"
    )

"""The ``abyssal`` command: one module a subcommand, imported lazily, errors turned into exit codes in one place.

Exit codes: 0 success, 1 broken data or a failing tool, 2 the user's mistake, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import pkgutil
import sys
from collections.abc import Sequence

from abyssal import __version__
from abyssal.cli import commands
from abyssal.errors import AbyssalError, UsageError


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with every module of ``abyssal.cli.commands`` registered."""
    parser = argparse.ArgumentParser(prog="abyssal", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"abyssal {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and debug messages")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in sorted(info.name for info in pkgutil.iter_modules(commands.__path__)):
        importlib.import_module(f"{commands.__name__}.{module}").register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; never raises AbyssalError."""
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if arguments.debug else logging.INFO, format="%(message)s", stream=sys.stderr
    )
    try:
        return int(arguments.run(arguments) or 0)
    except AbyssalError as error:
        if arguments.debug:
            raise
        sys.stderr.write(f"ERROR: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        if arguments.debug or error.filename is None:
            raise
        sys.stderr.write(f"ERROR: {error.filename}: {error.strerror}; may you read or write there?\n")
        return UsageError.exit_code

"""``abyssal keys``: API keys of the service; kept as hashes, shown once."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from abyssal.cli.extras import needs
from abyssal.errors import UsageError

if TYPE_CHECKING:
    from abyssal_server.access import ApiKey

_VARIABLE = "ABYSSAL_KEYS_FILE"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("keys", help="make and withdraw API keys", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a key, print it once, store its hash")
    add.add_argument("name", metavar="NAME", help="who gets it; shows in the usage log")
    add.add_argument("--role", default="infer", help="what it allows: read, infer or admin (default: infer)")
    remove = actions.add_parser("remove", help="withdraw a key, from the next call on")
    remove.add_argument("key", metavar="ID-OR-NAME", help="id of one key, or name of all that one holder has")
    shown = actions.add_parser("list", help="show ids, names and roles")
    for action, run in ((add, _add), (remove, _remove), (shown, _list)):
        action.add_argument(
            "--file", type=Path, metavar="FILE", help=f"the key file (default: environment variable {_VARIABLE})"
        )
        action.set_defaults(run=run)


@needs("service", "serve")
def _add(arguments: argparse.Namespace) -> None:
    from abyssal_server.access import Role, new_key
    from abyssal_server.access.keys import write_keys

    path = _file(arguments)
    role = Role.named(arguments.role)
    if role is None:
        message = f"--role {arguments.role!r}: no such role; expected one of {', '.join(role.word for role in Role)}"
        raise UsageError(message)
    key, stored = new_key(arguments.name, role)
    write_keys(path, [*(_read(path) if path.exists() else []), stored])
    sys.stderr.write(f"key {stored.id} of {stored.name} ({role.word}) added to {path}; it is shown only now:\n")
    sys.stdout.write(f"{key}\n")


@needs("service", "serve")
def _remove(arguments: argparse.Namespace) -> None:
    from abyssal_server.access.keys import write_keys

    path = _file(arguments)
    keys = _read(path)
    left = [key for key in keys if arguments.key not in (key.id, key.name)]
    if len(left) == len(keys):
        message = f"{path}: no key has the id or name {arguments.key!r}; see `abyssal keys list`"
        raise UsageError(message)
    write_keys(path, left)
    sys.stderr.write(f"{len(keys) - len(left)} withdrawn, {len(left)} left in {path}\n")


@needs("service", "serve")
def _list(arguments: argparse.Namespace) -> None:
    rows = [f"{key.id}\t{key.name}\t{key.role.word}\n" for key in _read(_file(arguments))]
    sys.stdout.write("".join(["id\tname\trole\n", *rows]))


def _read(path: Path) -> list[ApiKey]:
    from abyssal_server.access.keys import read_keys

    if not path.is_file():
        message = f"{path}: no such key file; `abyssal keys add NAME --file {path}` makes it"
        raise UsageError(message)
    return read_keys(path)


def _file(arguments: argparse.Namespace) -> Path:
    path = arguments.file or os.environ.get(_VARIABLE)
    if not path:
        message = f"where are the keys? give --file FILE or set {_VARIABLE}"
        raise UsageError(message)
    return Path(path)

"""Files of a sheet that lie in an S3-compatible store: ``s3://BUCKET/KEY`` in place of a path.

The workflow hands such an address to Snakemake's storage plugin, which brings the file to the machine that needs it. A
``Path`` of an address has lost one of its two slashes; ``address_of`` gives it back.
"""

from __future__ import annotations

import re
from pathlib import Path

_ADDRESS = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/\s]+)+")


def is_remote(cell: str) -> bool:
    """Whether a cell of the sheet is meant as the address of an object, well formed or not."""
    return cell.casefold().startswith("s3:")


def is_address(cell: str) -> bool:
    """Whether a cell is a well-formed ``s3://BUCKET/KEY``."""
    return _ADDRESS.fullmatch(cell) is not None and not {".", ".."} & set(cell.split("/"))


def address_of(path: Path) -> str | None:
    """Return the address that a path of the sheet stands for, or None where it is a file of this machine."""
    if path.parts[:1] != ("s3:",):
        return None
    return "s3://" + "/".join(path.parts[1:])

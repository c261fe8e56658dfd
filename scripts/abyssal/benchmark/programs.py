"""The programs that peers need, and which peers cannot run for want of theirs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

_PROGRAMS = {
    "sintax": "vsearch", "top-hit": "vsearch", "lca": "vsearch", "blast-top-hit": "blastn", "blast-lca": "blastn",
    "rdp": "rdp_classifier",
}  # fmt: skip


def unavailable(peers: Sequence[str]) -> dict[str, str]:
    """Return the peers that cannot run here, with the reason."""
    return {
        name: f"{_PROGRAMS[name]} is not installed"
        for name in peers
        if (name in _PROGRAMS and shutil.which(_PROGRAMS[name]) is None)
    }

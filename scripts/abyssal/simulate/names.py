"""What simulated reads are called: as sequencers call theirs, or by library and number.

Instruments, runs and flow cells are invented; the same seed and name of a run give the same ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abyssal.simulate.community import LibraryPlan
from abyssal.simulate.kernel_types import Naming
from abyssal.simulate.settings import NAME_STYLES, NameStyle

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def build_naming(style: NameStyle, libraries: Sequence[LibraryPlan], position: int, reads: int, *, seed: int) -> Naming:
    """Return how one library's reads are called.

    Args:
        style: ``illumina``, ``nanopore`` or ``numbered``.
        libraries: all libraries.
        position: this one's.
        reads: how many reads (pairs) it gets.
        seed: of the simulation.
    """
    library = libraries[position]
    mates = [i for i, other in enumerate(libraries) if other.run == library.run]
    rng = _run_rng(seed, library.run)
    key = rng.integers(0, 2**63, dtype=np.uint64)
    prefix = ""
    if style == "numbered":
        prefix = f"{library.name}."
    elif style == "illumina":
        instrument, number = rng.integers(1000, 9999), rng.integers(2, 600)
        cell = "".join(_LETTERS[i] for i in rng.integers(0, len(_LETTERS), 5))
        prefix = f"M0{instrument}:{number}:000000000-{cell}:1:"
    return Naming(NAME_STYLES.index(style), _bytes(prefix), key, max(reads, 1), mates.index(position), len(mates))


def build_comments(style: NameStyle, run: str, sample: int, *, mates: int, seed: int) -> NDArray[np.uint8]:
    """Return (mates, letters): what stands behind each mate's name; ``sample``: the library's number in its run."""
    if style == "nanopore":
        run_id = hashlib.sha1(f"{seed} {run}".encode(), usedforsecurity=False).hexdigest()
        return np.stack([_bytes(f" runid={run_id}")] * mates)
    rest = f":N:0:{sample}" if style == "illumina" else ""
    return np.stack([_bytes(f" {mate + 1}{rest}") for mate in range(mates)])


def _run_rng(seed: int, run: str) -> np.random.Generator:
    return np.random.default_rng([seed, *hashlib.sha256(run.encode()).digest()])


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8).copy()

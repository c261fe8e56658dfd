"""Which taxa no encoder may ever train on, decided by the hash of their names.

The split needs no file: anybody can recompute it from a species' name, on any reference, and it never changes while a
reference grows. Encoder training drops every record of a held-out species or genus, and every record whose sequence
equals one of theirs. The held-out part is divided once more: taxa that calibrate, and taxa that are only reported on.
"""

from __future__ import annotations

import hashlib
from typing import Literal

HELD_OUT_SPECIES_SHARE = 0.20
HELD_OUT_GENUS_SHARE = 0.10
_SEED = "abyssal-held-out-1"

Part = Literal["train", "calibrate", "report"]


def _uniform(kind: str, name: str) -> float:
    """Map a name to [0, 1) by SHA-256; case, underscores and outer blanks do not matter."""
    canonical = " ".join(name.replace("_", " ").split()).casefold()
    digest = hashlib.sha256(f"{_SEED}:{kind}:{canonical}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _part(kind: str, name: str, share: float) -> Part:
    value = _uniform(kind, name)
    if value >= share:
        return "train"
    return "calibrate" if value < share / 2 else "report"


def species_part(species: str) -> Part:
    """Return the part a species' name falls into: 80 % train, 10 % calibrate, 10 % report."""
    return _part("species", species, HELD_OUT_SPECIES_SHARE)


def genus_part(genus: str) -> Part:
    """Return the part a genus' name falls into: 90 % train, 5 % calibrate, 5 % report."""
    return _part("genus", genus, HELD_OUT_GENUS_SHARE)


def encoder_may_train_on(genus: str | None, species: str | None) -> bool:
    """Return whether a record with these names (None: unknown) may be shown to an encoder's training."""
    if genus is not None and genus_part(genus) != "train":
        return False
    return species is None or species_part(species) == "train"

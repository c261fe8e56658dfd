"""Sequencing errors and partial reads, drawn anew for every view of an amplicon.

Substitutions are mostly transitions; insertions and deletions favour homopolymers, as on real instruments; some views
are cut to a window, because users' primers differ from the reference's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TRANSITION_SHARE = 0.6
_HOMOPOLYMER_FACTOR = 5.0
_UNKNOWN = 4


@dataclass(frozen=True)
class Augmentation:
    """How strongly views are changed; each view draws its own rates between 0 and these.

    Attributes:
        max_substitution_rate: substitutions per base.
        max_indel_rate: insertions plus deletions per base, outside homopolymers.
        crop_share: share of the views that are cut.
        min_crop: shortest window (share of the length).
        max_unknown_rate: letters turned into N, per base.
    """

    max_substitution_rate: float = 0.03
    max_indel_rate: float = 0.003
    crop_share: float = 0.3
    min_crop: float = 0.6
    max_unknown_rate: float = 0.005


def augment(codes: NDArray[np.uint8], settings: Augmentation, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a changed copy of letter codes (A 0, C 1, G 2, T 3, other 4); never empty."""
    view = _crop(codes, settings, rng)
    view = _substitute(view, rng.uniform(0, settings.max_substitution_rate), rng)
    view = _insert_and_delete(view, rng.uniform(0, settings.max_indel_rate), rng)
    unknown = rng.random(view.size) < rng.uniform(0, settings.max_unknown_rate)
    view[unknown] = _UNKNOWN
    return view


def _crop(codes: NDArray[np.uint8], settings: Augmentation, rng: np.random.Generator) -> NDArray[np.uint8]:
    if rng.random() >= settings.crop_share:
        return codes.copy()
    length = max(1, int(codes.size * rng.uniform(settings.min_crop, 1.0)))
    start = int(rng.integers(0, codes.size - length + 1))
    return codes[start : start + length].copy()


def _substitute(codes: NDArray[np.uint8], rate: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    chosen = np.flatnonzero((rng.random(codes.size) < rate) & (codes < _UNKNOWN))
    # With these codes a transition (A-G, C-T) adds 2; the two transversions add 1 or 3.
    transition = rng.random(chosen.size) < _TRANSITION_SHARE
    step = np.where(transition, 2, rng.integers(0, 2, chosen.size) * 2 + 1)
    codes[chosen] = (codes[chosen] + step) % 4
    return codes


def _insert_and_delete(codes: NDArray[np.uint8], rate: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    in_homopolymer = np.zeros(codes.size, dtype=bool)
    in_homopolymer[1:] = codes[1:] == codes[:-1]
    rates = rate / 2 * np.where(in_homopolymer, _HOMOPOLYMER_FACTOR, 1.0)
    draws = rng.random(codes.size)
    copies = np.ones(codes.size, dtype=np.int64)
    copies[draws < rates] = 0
    copies[(draws >= rates) & (draws < 2 * rates)] = 2
    changed = np.repeat(codes, copies)
    return changed if changed.size else codes

"""What engines are calibrated on and compared with: amplicons of the reference, and reads as users send them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abyssal.encoder.kmers import encode_letters
from abyssal.encoder.training.augmentation import Augmentation, augment

MOST = 1600
FEWEST = 64
QUERY_SHARE = 0.25
"""Share of the samples that are queries; the others are references that they are looked up in."""
MOST_CALIBRATION = 128
_LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)
_READS = Augmentation()


@dataclass(frozen=True)
class Samples:
    """What an engine is tried on.

    Attributes:
        calibration: amplicons as they are and cut, so that int8 has seen all lengths.
        queries: amplicons with sequencing errors, some cut; none of those that calibrate where there are enough.
        references: amplicons that the queries are looked up in.
    """

    calibration: tuple[str, ...]
    queries: tuple[str, ...]
    references: tuple[str, ...]


def draw_samples(references: Sequence[str], rng: np.random.Generator, *, most: int = MOST) -> Samples:
    """Draw ``most`` queries and references, ``FEWEST`` to ``MOST``; too few references are used several times."""
    most = min(max(most, FEWEST), MOST)
    queries, calibrating = round(QUERY_SHARE * most), min(MOST_CALIBRATION, most // 4)
    order = rng.permutation(len(references))
    calibration = [str(references[place]) for place in order[:calibrating].tolist()]
    rest = order[calibrating:] if len(order) > 2 * calibrating else order
    asked = [references[place] for place in np.resize(rest, queries).tolist()]
    shorter = [one[: len(one) * part // 4] for part in (1, 2, 3) for one in calibration[part::4] if len(one) > 3]
    return Samples(
        tuple(calibration + shorter),
        tuple(_read(one, rng) for one in asked),
        tuple(references[place] for place in order[: most - queries].tolist()),
    )


def _read(sequence: str, rng: np.random.Generator) -> str:
    codes, _ = encode_letters([sequence])
    return _LETTERS[augment(codes, _READS, rng)].tobytes().decode("ascii")

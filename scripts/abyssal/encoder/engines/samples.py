"""What engines are calibrated on and compared with: amplicons of the reference, and reads as users send them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abyssal.encoder.kmers import encode_letters
from abyssal.encoder.training.augmentation import Augmentation, augment

MOST_CALIBRATION = 128
MOST_QUERIES = 400
MOST_REFERENCES = 1200
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


def draw_samples(references: Sequence[str], rng: np.random.Generator) -> Samples:
    """Draw the samples; fewer references than wanted are used several times."""
    order = rng.permutation(len(references))
    calibration = [str(references[place]) for place in order[:MOST_CALIBRATION].tolist()]
    rest = order[MOST_CALIBRATION:] if len(order) > 2 * MOST_CALIBRATION else order
    asked = [references[place] for place in np.resize(rest, MOST_QUERIES).tolist()]
    shorter = [one[: len(one) * part // 4] for part in (1, 2, 3) for one in calibration[part::4] if len(one) > 3]
    return Samples(
        tuple(calibration + shorter),
        tuple(_read(one, rng) for one in asked),
        tuple(references[place] for place in order[:MOST_REFERENCES].tolist()),
    )


def _read(sequence: str, rng: np.random.Generator) -> str:
    codes, _ = encode_letters([sequence])
    return _LETTERS[augment(codes, _READS, rng)].tobytes().decode("ascii")

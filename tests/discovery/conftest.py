"""Families of related sequences with a known truth, and the vectors a k-mer encoder gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from abyssal.discovery.clusterers import ClusterItems
from abyssal.encoder.kmers import kmer_profiles


@dataclass(frozen=True)
class Families:
    """Sequences with the number of the family each was made from."""

    items: ClusterItems
    truth: np.ndarray


def random_sequence(random: np.random.Generator, length: int = 200) -> str:
    return "".join(random.choice(list("ACGT"), size=length))


def substitute(random: np.random.Generator, sequence: str, count: int) -> str:
    """Replace ``count`` letters by other ones."""
    letters = list(sequence)
    for position in random.choice(len(letters), size=count, replace=False):
        letters[position] = random.choice([base for base in "ACGT" if base != letters[position]])
    return "".join(letters)


def make_families(count: int, size: int, *, seed: int = 1, edits: int = 4) -> Families:
    random = np.random.default_rng(seed)
    ancestors = [random_sequence(random) for _ in range(count)]
    sequences = [substitute(random, ancestor, edits) for ancestor in ancestors for _ in range(size)]
    abundances = random.integers(2, 30, size=len(sequences)).astype(np.int64)
    items = ClusterItems(kmer_profiles(sequences), tuple(sequences), abundances)
    return Families(items, np.repeat(np.arange(count), size))


@pytest.fixture
def families() -> Callable[..., Families]:
    return make_families

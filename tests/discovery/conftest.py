"""Families of related sequences with a known truth, and the vectors a k-mer encoder gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from support.amplicons import random_sequence, substitute

from abyssal.discovery.clusterers import ClusterItems
from abyssal.discovery.describe import EmbeddedReference
from abyssal.encoder.kmers import kmer_profiles
from abyssal.references.model import AmpliconReference


@dataclass(frozen=True)
class Families:
    """Sequences with the number of the family each was made from."""

    items: ClusterItems
    truth: np.ndarray


def make_families(count: int, size: int, *, seed: int = 1, edits: int = 4) -> Families:
    random = np.random.default_rng(seed)
    ancestors = [random_sequence(random, 200) for _ in range(count)]
    sequences = [substitute(random, ancestor, edits) for ancestor in ancestors for _ in range(size)]
    abundances = random.integers(2, 30, size=len(sequences)).astype(np.int64)
    items = ClusterItems(kmer_profiles(sequences), tuple(sequences), abundances)
    return Families(items, np.repeat(np.arange(count), size))


@pytest.fixture(scope="session")
def families() -> Callable[..., Families]:
    return make_families


@pytest.fixture(scope="session")
def named_families() -> EmbeddedReference:
    """Twenty genera of three species of four amplicons: species differ by some 44 letters, amplicons by eight."""
    random = np.random.default_rng(8)
    sequences: list[str] = []
    for _ in range(20):
        root = random_sequence(random, 200)
        for _ in range(3):
            species = substitute(random, root, 22)
            sequences += [substitute(random, species, 4) for _ in range(4)]
    ids = tuple(map(str, range(len(sequences))))
    members = tuple(((name, (f"species{int(name) // 4}",)),) for name in ids)
    reference = AmpliconReference(("species",), ids, tuple(sequences), members)
    return EmbeddedReference(reference, kmer_profiles(sequences), 0.1, 6)

"""Records that the kernels take: arrays and numbers in named tuples, which numba understands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

COUNTERS = 6
"""Columns of the per-pair counters: strand, PCR errors, substitutions and indels in R1, the same in R2."""


class Molecules(NamedTuple):
    """Amplicons as one array of codes with their bounds; ``primed`` says whether primers flank them."""

    codes: Bytes
    starts: NDArray[np.int64]
    primed: Bytes


class Construct(NamedTuple):
    """What surrounds an amplicon: primers (rows: positions; columns: count, then codes), adapters, spacers."""

    forward: Bytes
    reverse: Bytes
    adapter_1: Bytes
    adapter_2: Bytes
    filler: int
    random_bases: int
    flipped_share: float


class Sequencer(NamedTuple):
    """Quality chain and error rates; ``length`` 0 reads the whole molecule.

    ``chain`` holds Walker alias tables, flat, in the order mate, stratum, bin, previous letter, slot: the upper 16 bits
    are the other letter of the slot, the lower 16 the share of the slot that is its own. ``characters`` are the FASTQ
    characters of the letters, ascending; ``error`` is by character. ``lengths`` (rows: what occurs; columns: mates) are
    the lengths after the sequencer's trimming, negative where a read is masked, with the share of each row; without
    rows every read has ``length`` bases.
    """

    length: int
    mates: int
    strata: int
    bins: int
    chain: NDArray[np.uint32]
    bin_of: NDArray[np.int32]
    characters: Bytes
    joint: NDArray[np.float64]
    error: NDArray[np.float64]
    ambiguous_share: float
    indel_rate: float
    insertion_share: float
    homopolymer_growth: float
    pcr_error_rate: float
    lengths: NDArray[np.int32]
    length_shares: NDArray[np.float64]


class Names(NamedTuple):
    """Names of a block's reads, packed, where each starts (n + 1), and what follows them in each mate's file."""

    letters: Bytes
    starts: NDArray[np.int64]
    comments: Bytes


class Naming(NamedTuple):
    """How a library's reads are called.

    ``style`` is a position in ``settings.NAME_STYLES``; ``key`` is the run's, ``reads`` the library's, ``library`` its
    position among the run's ``libraries``.
    """

    style: int
    prefix: Bytes
    key: np.uint64
    reads: int
    library: int
    libraries: int


class Workspace(NamedTuple):
    """Room for one molecule, its reverse complement, what a read sees of it, the read, and both mates' qualities."""

    fragment: Bytes
    opposite: Bytes
    template: Bytes
    codes: Bytes
    qualities: Bytes
    state: NDArray[np.uint64]

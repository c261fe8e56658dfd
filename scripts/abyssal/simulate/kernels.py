"""The inner loops: one molecule in, one pair of FASTQ records out, at C speed.

Every pair has its own random stream, a counter hashed from (key, index of the pair), so results do not depend on the
block a pair falls into. Bases are coded A, C, G, T = 0, 1, 2, 3; the complement of a code is 3 - code.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
_DIGITS = 9
"""Digits of a read's number in its name: 10^9 reads a library."""

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
    """Quality chain and error rates; ``length`` 0 reads the whole molecule."""

    length: int
    mates: int
    threshold: NDArray[np.uint16]
    alias: Bytes
    bin_of: NDArray[np.int32]
    phred: Bytes
    joint: NDArray[np.float64]
    error: NDArray[np.float64]
    ambiguous_share: float
    indel_rate: float
    insertion_share: float
    homopolymer_growth: float
    pcr_error_rate: float


_jit = numba.njit(cache=True, nogil=True, boundscheck=False)


@_jit  # type: ignore[untyped-decorator]
def _next(state: NDArray[np.uint64]) -> np.uint64:
    """SplitMix64: one 64-bit draw."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@_jit  # type: ignore[untyped-decorator]
def _uniform(state: NDArray[np.uint64]) -> float:
    return float(_next(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@_jit  # type: ignore[untyped-decorator]
def _below(state: NDArray[np.uint64], limit: int) -> int:
    return np.int64(((_next(state) >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))


@_jit  # type: ignore[untyped-decorator]
def _start_stream(state: NDArray[np.uint64], key: np.uint64, index: int) -> None:
    state[0] = key ^ (np.uint64(index) * np.uint64(0xD1342543DE82EF95))
    state[0] = _next(state)


@_jit  # type: ignore[untyped-decorator]
def _add_primer(fragment: Bytes, size: int, primer: Bytes, state: NDArray[np.uint64]) -> int:
    for position in range(primer.shape[0]):
        choices = primer[position, 0]
        pick = _below(state, choices) if choices > 1 else 0
        fragment[size] = primer[position, 1 + pick]
        size += 1
    return size


@_jit  # type: ignore[untyped-decorator]
def _add_random(fragment: Bytes, size: int, most: int, state: NDArray[np.uint64]) -> int:
    if most > 0:
        for _ in range(_below(state, most + 1)):
            fragment[size] = _below(state, 4)
            size += 1
    return size


@_jit  # type: ignore[untyped-decorator]
def _build_fragment(
    fragment: Bytes,
    molecules: Molecules,
    molecule: int,
    construct: Construct,
    pcr_error_rate: float,
    state: NDArray[np.uint64],
    counters: NDArray[np.int32],
) -> int:
    """Write random bases, primer, amplicon, primer, random bases; return the length."""
    primed = molecules.primed[molecule] != 0
    size = _add_random(fragment, 0, construct.random_bases, state)
    if primed:
        size = _add_primer(fragment, size, construct.forward, state)
    begin, end = molecules.starts[molecule], molecules.starts[molecule + 1]
    fragment[size : size + end - begin] = molecules.codes[begin:end]
    if pcr_error_rate > 0.0:
        at = begin - 1 + _skip(pcr_error_rate, state)
        while at < end:
            place = size + at - begin
            fragment[place] = (fragment[place] + 1 + _below(state, 3)) & 3
            counters[1] += 1
            at += _skip(pcr_error_rate, state)
    size += end - begin
    if primed:
        size = _add_primer(fragment, size, construct.reverse, state)
    return _add_random(fragment, size, construct.random_bases, state)


@_jit  # type: ignore[untyped-decorator]
def _skip(rate: float, state: NDArray[np.uint64]) -> int:
    """Return the distance to the next event of a Bernoulli process with this rate (at least 1)."""
    step = np.log(1.0 - _uniform(state)) / np.log1p(-rate)
    return 1 + np.int64(min(step, 1e9))


@_jit  # type: ignore[untyped-decorator]
def _reverse_complement(source: Bytes, size: int, target: Bytes) -> None:
    for i in range(size):
        target[i] = 3 - source[size - 1 - i]


@_jit  # type: ignore[untyped-decorator]
def _sequence(
    source: Bytes, size: int, mate: int, stratum: int, construct: Construct, sequencer: Sequencer,
    state: NDArray[np.uint64], bases: Bytes, qualities: Bytes, counters: NDArray[np.int32],
) -> int:  # fmt: skip
    """Read one end of a molecule into ``bases`` and ``qualities``; return the length of the read.

    ``counters`` gets the substitutions and indels of this mate at 2 + 2 * mate and the next place.
    """
    letters = sequencer.phred.shape[0]
    adapter = construct.adapter_1 if mate == 0 else construct.adapter_2
    total = size + adapter.shape[0]
    length = sequencer.length
    if length == 0:
        total = size
        length = min(qualities.shape[0], bases.shape[0])
    substitutions = indels = 0
    hazard_left = -np.log(1.0 - _uniform(state)) if sequencer.indel_rate > 0.0 else np.inf
    quality, run, at, position = 0, 0, 0, 0
    while position < length:
        if at >= total and sequencer.length == 0:
            break
        base = np.int64(source[at] if at < size else (adapter[at - size] if at < total else construct.filler))
        inserted = False
        if at < size:
            run = run + 1 if at > 0 and source[at - 1] == base else 1
            hazard_left -= sequencer.indel_rate * (1.0 + sequencer.homopolymer_growth * min(run - 1, 7))
            if hazard_left < 0.0:
                hazard_left = -np.log(1.0 - _uniform(state))
                indels += 1
                if _uniform(state) >= sequencer.insertion_share:
                    at += 1
                    continue
                inserted = True
        draw = _next(state)
        product = (draw & np.uint64(0xFFFFFFFF)) * np.uint64(letters)
        slot = np.int64(product >> np.uint64(32))
        place = sequencer.bin_of[position]
        if ((product >> np.uint64(16)) & np.uint64(0xFFFF)) >= sequencer.threshold[mate, stratum, place, quality, slot]:
            slot = np.int64(sequencer.alias[mate, stratum, place, quality, slot])
        quality = slot
        code = base
        # A second base of an insertion in a run repeats it; elsewhere it is random.
        if inserted and run == 1:
            code = _below(state, 4)
        if float(draw >> np.uint64(32)) * (1.0 / 4294967296.0) < sequencer.error[quality]:
            code = (code + 1 + _below(state, 3)) & 3
            substitutions += 1
        bases[position] = _LETTERS[code]
        if quality == 0 and sequencer.ambiguous_share > 0.0 and _uniform(state) < sequencer.ambiguous_share:
            bases[position] = 78
        qualities[position] = sequencer.phred[quality] + 33
        position += 1
        if not inserted:
            at += 1
    counters[2 + 2 * mate] = substitutions
    counters[3 + 2 * mate] = indels
    return position


@_jit  # type: ignore[untyped-decorator]
def _put(out: Bytes, at: int, text: Bytes, size: int) -> int:
    out[at : at + size] = text[:size]
    return at + size


@_jit  # type: ignore[untyped-decorator]
def _put_number(out: Bytes, at: int, number: int, width: int) -> int:
    """Write a number with leading zeros up to ``width`` digits (0: as many as it needs)."""
    digits = 1
    rest = number
    while rest >= 10:
        rest //= 10
        digits += 1
    digits = max(digits, width)
    for i in range(digits):
        out[at + digits - 1 - i] = 48 + number % 10
        number //= 10
    return at + digits


@_jit  # type: ignore[untyped-decorator]
def _draw_strata(joint: NDArray[np.float64], state: NDArray[np.uint64]) -> int:
    """Return the position in the flattened joint distribution of strata."""
    left = _uniform(state)
    for cell in range(joint.shape[0]):
        left -= joint[cell]
        if left < 0.0:
            return cell
    return joint.shape[0] - 1


@_jit  # type: ignore[untyped-decorator]
def sequence_block(
    key: np.uint64,
    first: int,
    chosen: NDArray[np.int32],
    molecules: Molecules,
    construct: Construct,
    sequencer: Sequencer,
    name: Bytes,
    outputs: tuple[Bytes, Bytes],
    counters: NDArray[np.int32],
) -> tuple[int, int]:
    """Write the FASTQ records of a block and return the bytes used in each of ``outputs``.

    Args:
        key: seed of the library's random streams.
        first: number of the block's first pair in its library.
        chosen: (n,) molecule of each pair.
        name: ``library.``, which the pair's number follows.
        outputs: byte buffers, one a mate, large enough for n records.
        counters: (n, COUNTERS), zeroed; filled.
    """
    longest = 0
    for molecule in range(molecules.starts.shape[0] - 1):
        longest = max(longest, molecules.starts[molecule + 1] - molecules.starts[molecule])
    room = longest + construct.forward.shape[0] + construct.reverse.shape[0] + 2 * construct.random_bases
    fragment, opposite = np.zeros(room, dtype=np.uint8), np.zeros(room, dtype=np.uint8)
    size_of_read = sequencer.length if sequencer.length > 0 else 2 * room
    bases, qualities = np.zeros(size_of_read, dtype=np.uint8), np.zeros(size_of_read, dtype=np.uint8)
    strata = sequencer.threshold.shape[1]
    state = np.zeros(1, dtype=np.uint64)
    used = np.zeros(2, dtype=np.int64)
    for row in range(chosen.shape[0]):
        _start_stream(state, key, first + row)
        size = _build_fragment(
            fragment, molecules, chosen[row], construct, sequencer.pcr_error_rate, state, counters[row]
        )
        _reverse_complement(fragment, size, opposite)
        flipped = construct.flipped_share > 0.0 and _uniform(state) < construct.flipped_share
        counters[row, 0] = 1 if flipped else 0
        cell = _draw_strata(sequencer.joint, state)
        for mate in range(sequencer.mates):
            stratum = cell if sequencer.mates == 1 else (cell // strata if mate == 0 else cell % strata)
            source = opposite if (mate == 1) != flipped else fragment
            length = _sequence(
                source, size, mate, stratum, construct, sequencer, state, bases, qualities, counters[row]
            )
            used[mate] = _put_record(outputs[mate], used[mate], name, first + row, mate, bases, qualities, length)
    return used[0], used[1]


@_jit  # type: ignore[untyped-decorator]
def _put_record(
    out: Bytes, at: int, name: Bytes, number: int, mate: int, bases: Bytes, qualities: Bytes, length: int
) -> int:
    out[at] = 64
    at = _put(out, at + 1, name, name.shape[0])
    at = _put_number(out, at, number, _DIGITS)
    out[at], out[at + 1], out[at + 2] = 32, 49 + mate, 10
    at = _put(out, at + 3, bases, length)
    out[at], out[at + 1], out[at + 2] = 10, 43, 10
    at = _put(out, at + 3, qualities, length)
    out[at] = 10
    return at + 1


@_jit  # type: ignore[untyped-decorator]
def truth_block(
    first: int,
    name: Bytes,
    origins: NDArray[np.int32],
    origin_names: Bytes,
    origin_starts: NDArray[np.int64],
    chosen: NDArray[np.int32],
    descriptions: Bytes,
    description_starts: NDArray[np.int64],
    counters: NDArray[np.int32],
    out: Bytes,
) -> int:
    """Write one truth row a pair (see ``truth.READ_COLUMNS``) and return the bytes used."""
    at = 0
    for row in range(chosen.shape[0]):
        at = _put(out, at, name, name.shape[0])
        at = _put_number(out, at, first + row, _DIGITS)
        out[at] = 9
        begin = origin_starts[origins[row]]
        at = _put(out, at + 1, origin_names[begin:], origin_starts[origins[row] + 1] - begin)
        out[at] = 9
        begin = description_starts[chosen[row]]
        at = _put(out, at + 1, descriptions[begin:], description_starts[chosen[row] + 1] - begin)
        out[at] = 9
        out[at + 1] = 45 if counters[row, 0] else 43
        at += 2
        for column in range(1, COUNTERS):
            out[at] = 9
            at = _put_number(out, at + 1, counters[row, column], 0)
        out[at] = 10
        at += 1
    return at


@_jit  # type: ignore[untyped-decorator]
def mean_error(key: np.uint64, pairs: int, length: int, sequencer: Sequencer) -> float:
    """Return the mean of ``sequencer.error`` over the qualities of simulated reads of this length."""
    state = np.zeros(1, dtype=np.uint64)
    letters, strata = sequencer.phred.shape[0], sequencer.threshold.shape[1]
    total = 0.0
    for pair in range(pairs):
        _start_stream(state, key, pair)
        cell = _draw_strata(sequencer.joint, state)
        for mate in range(sequencer.mates):
            stratum = cell if sequencer.mates == 1 else (cell // strata if mate == 0 else cell % strata)
            quality = 0
            for position in range(length):
                product = (_next(state) & np.uint64(0xFFFFFFFF)) * np.uint64(letters)
                slot = np.int64(product >> np.uint64(32))
                place = sequencer.bin_of[position]
                keep = sequencer.threshold[mate, stratum, place, quality, slot]
                if ((product >> np.uint64(16)) & np.uint64(0xFFFF)) >= keep:
                    slot = np.int64(sequencer.alias[mate, stratum, place, quality, slot])
                quality = slot
                total += sequencer.error[quality]
    return total / (pairs * sequencer.mates * length)

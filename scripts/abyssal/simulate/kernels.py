"""The inner loops: one molecule in, one pair of FASTQ records out, at C speed.

Every pair has its own random stream, a counter hashed from (key, index of the pair), so results do not depend on the
block a pair falls into. Bases are coded A, C, G, T = 0, 1, 2, 3; the complement of a code is 3 - code.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from abyssal.simulate.kernel_types import Bytes, Construct, Molecules, Sequencer

_LETTERS = np.uint32(int.from_bytes(b"ACGT", "little"))
"""The letter of code c is byte c; a shift vectorises where a look-up does not."""
_UNKNOWN = ord("N")
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_UNIT = 1.0 / 9007199254740992.0
"""2^-53: turns the upper 53 bits of a draw into a number in [0, 1)."""
LONGEST_RUN = 8
"""Beyond this a homopolymer's risk of an indel grows no more (bases)."""
DIGITS = 9
"""Digits of a read's number in its name: 10^9 reads a library."""


jit = numba.njit(cache=True, nogil=True, boundscheck=False)


@jit
def _next(state: NDArray[np.uint64]) -> np.uint64:
    """SplitMix64: one 64-bit draw."""
    state[0] += _GOLDEN
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(z ^ (z >> np.uint64(31)))


@jit
def _uniform(state: NDArray[np.uint64]) -> float:
    return float(_next(state) >> np.uint64(11)) * _UNIT


@jit
def _below(state: NDArray[np.uint64], limit: int) -> np.int64:
    return np.int64(((_next(state) >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))


@jit
def _start_stream(state: NDArray[np.uint64], key: np.uint64, index: int) -> None:
    state[0] = key ^ (np.uint64(index) * np.uint64(0xD1342543DE82EF95))
    state[0] = _next(state)


@jit
def _add_primer(fragment: Bytes, size: int, primer: Bytes, state: NDArray[np.uint64]) -> int:
    for position in range(primer.shape[0]):
        choices = primer[position, 0]
        pick = _below(state, choices) if choices > 1 else 0
        fragment[size] = primer[position, 1 + pick]
        size += 1
    return size


@jit
def _add_random(fragment: Bytes, size: int, most: int, state: NDArray[np.uint64]) -> int:
    if most > 0:
        for _ in range(_below(state, most + 1)):
            fragment[size] = _below(state, 4)
            size += 1
    return size


@jit
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


@jit
def _skip(rate: float, state: NDArray[np.uint64]) -> np.int64:
    """Return the distance to the next event of a Bernoulli process with this rate (at least 1)."""
    step = np.log(1.0 - _uniform(state)) / np.log1p(-rate)
    return 1 + np.int64(min(step, 1e9))


@jit
def _reverse_complement(source: Bytes, size: int, target: Bytes) -> None:
    for i in range(size):
        target[i] = 3 - source[size - 1 - i]


@jit
def _walk_qualities(
    qualities: NDArray[np.uint8], length: int, cell: int, sequencer: Sequencer, state: NDArray[np.uint64]
) -> None:
    """Fill ``qualities`` (mates, positions) with FASTQ characters: one walk of the chain a mate.

    Args:
        qualities: result.
        length: bases a read.
        cell: cell of the joint distribution of strata.
        sequencer: the chain.
        state: random stream.
    """
    # Each step waits for the one before it; two independent chains in one loop hide half of the waiting. No branch
    # depends on a draw: a mispredicted one would cost more than the whole step.
    chain, bin_of, bins, strata = sequencer.chain, sequencer.bin_of, sequencer.bins, sequencer.strata
    characters = sequencer.characters
    size = np.int64(characters.shape[0])
    square = size * size
    paired = sequencer.mates == 2
    start_1 = np.int64(cell // strata if paired else cell) * bins * square
    start_2 = np.int64(strata + cell % strata if paired else 0) * bins * square
    here = state[0]
    quality_1, quality_2 = np.int64(0), np.int64(0)
    for position in range(length):
        here += _GOLDEN
        z = (here ^ (here >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        offset = np.int64(bin_of[position]) * square
        product = np.int64(z >> np.uint64(32)) * size
        slot = product >> 32
        entry = np.int64(chain[start_1 + offset + quality_1 * size + slot])
        quality_1 = slot if ((product >> 16) & 0xFFFF) < (entry & 0xFFFF) else entry >> 16
        qualities[0, position] = characters[quality_1]
        if paired:
            product = np.int64(z & np.uint64(0xFFFFFFFF)) * size
            slot = product >> 32
            entry = np.int64(chain[start_2 + offset + quality_2 * size + slot])
            quality_2 = slot if ((product >> 16) & 0xFFFF) < (entry & 0xFFFF) else entry >> 16
            qualities[1, position] = characters[quality_2]
    state[0] = here


@jit
def _copy_with_errors(
    source: Bytes, qualities: Bytes, length: int, error: NDArray[np.float64], state: NDArray[np.uint64], codes: Bytes
) -> int:
    """Copy ``length`` codes, each replaced with the probability its quality gives; return the replacements."""
    here = state[0]
    substitutions = 0
    for position in range(length):
        here += _GOLDEN
        z = (here ^ (here >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        code = source[position]
        if np.float64(z >> np.uint64(11)) * _UNIT < error[qualities[position]]:
            # Bits below the 53 of the comparison choose among the three other bases: 2^11 is all but divisible by 3.
            code = (code + 1 + np.uint8((z & np.uint64(0x7FF)) % np.uint64(3))) & 3
            substitutions += 1
        codes[position] = code
    state[0] = here
    return substitutions


@jit
def _with_indels(
    source: Bytes, size: int, length: int, sequencer: Sequencer, state: NDArray[np.uint64], target: Bytes
) -> tuple[int, int]:
    """Copy up to ``length`` codes with insertions and deletions; return (codes written, indels).

    The risk of an indel adds up along the molecule, more within homopolymers, until an exponential draw is used up. An
    inserted base repeats the run it stands in; outside runs it is random.
    """
    left = -np.log(1.0 - _uniform(state))
    if left > size * sequencer.indel_rate * (1.0 + max(sequencer.homopolymer_growth, 0.0) * (LONGEST_RUN - 1)):
        # No molecule of this size can use up the draw: most reads of an accurate sequencer end here.
        filled = min(size, length)
        target[:filled] = source[:filled]
        return filled, 0
    indels = run = at = written = 0
    while written < length and at < size:
        base = source[at]
        run = run + 1 if at > 0 and source[at - 1] == base else 1
        at += 1
        left -= sequencer.indel_rate * (1.0 + sequencer.homopolymer_growth * min(run - 1, LONGEST_RUN - 1))
        if left < 0.0:
            left = -np.log(1.0 - _uniform(state))
            indels += 1
            if _uniform(state) >= sequencer.insertion_share:
                continue
            target[written] = base if run > 1 else _below(state, 4)
            written += 1
            if written == length:
                break
        target[written] = base
        written += 1
    return written, indels


@jit
def _lay_template(
    source: Bytes,
    size: int,
    mate: int,
    construct: Construct,
    sequencer: Sequencer,
    state: NDArray[np.uint64],
    template: Bytes,
    counters: NDArray[np.int32],
) -> int:
    """Write what one end of a molecule shows the sequencer, indels and read-through included; return its length.

    ``source``: the molecule's ``size`` codes as this mate sees them.
    """
    length = sequencer.length if sequencer.length > 0 else template.shape[0]
    if sequencer.indel_rate > 0.0:
        filled, indels = _with_indels(source, size, length, sequencer, state, template)
        counters[3 + 2 * mate] = indels
    else:
        filled = min(size, length)
        template[:filled] = source[:filled]
    if sequencer.length == 0:
        return filled
    adapter = construct.adapter_1 if mate == 0 else construct.adapter_2
    for position in range(filled, length):
        behind = position - filled
        template[position] = adapter[behind] if behind < adapter.shape[0] else construct.filler
    return length


@jit
def _call_ambiguous(bases: Bytes, qualities: Bytes, lowest: int, share: float, state: NDArray[np.uint64]) -> None:
    """Call a share of the bases of the lowest quality N."""
    for position in range(bases.shape[0]):
        if qualities[position] == lowest and _uniform(state) < share:
            bases[position] = _UNKNOWN


@jit
def put(out: Bytes, at: int, text: Bytes, size: int) -> int:
    out[at : at + size] = text[:size]
    return at + size


@jit
def put_number(out: Bytes, at: int, number: int, width: int) -> int:
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


@jit
def _draw_strata(joint: NDArray[np.float64], state: NDArray[np.uint64]) -> int:
    """Return the position in the flattened joint distribution of strata."""
    left = _uniform(state)
    for cell in range(joint.shape[0]):
        left -= joint[cell]
        if left < 0.0:
            return cell
    return int(joint.shape[0] - 1)


@jit
def sequence_block(
    stream: tuple[np.uint64, int],
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
        stream: key of the library's random streams, and number of the block's first pair in its library.
        chosen: (n,) molecule of each pair.
        name: ``library.``, which the pair's number follows.
        outputs: byte buffers, one a mate, large enough for n records.
        counters: (n, COUNTERS), zeroed; filled.
    """
    key, first = stream
    longest = 0
    for molecule in range(molecules.starts.shape[0] - 1):
        longest = max(longest, molecules.starts[molecule + 1] - molecules.starts[molecule])
    room = longest + construct.forward.shape[0] + construct.reverse.shape[0] + 2 * construct.random_bases
    fragment, opposite = np.zeros(room, dtype=np.uint8), np.zeros(room, dtype=np.uint8)
    size_of_read = sequencer.length if sequencer.length > 0 else 2 * room
    template, codes = np.zeros(size_of_read, dtype=np.uint8), np.zeros(size_of_read, dtype=np.uint8)
    qualities = np.zeros((sequencer.mates, size_of_read), dtype=np.uint8)
    state = np.zeros(1, dtype=np.uint64)
    used = np.zeros(2, dtype=np.int64)
    for row in range(chosen.shape[0]):
        _start_stream(state, key, first + row)
        size = _build_fragment(
            fragment, molecules, chosen[row], construct, sequencer.pcr_error_rate, state, counters[row]
        )
        flipped = construct.flipped_share > 0.0 and _uniform(state) < construct.flipped_share
        if flipped or sequencer.mates == 2:
            _reverse_complement(fragment, size, opposite)
        counters[row, 0] = 1 if flipped else 0
        cell = _draw_strata(sequencer.joint, state)
        if sequencer.mates == 2:
            _walk_qualities(qualities, sequencer.length, cell, sequencer, state)
        for mate in range(sequencer.mates):
            source = opposite if (mate == 1) != flipped else fragment
            length = _lay_template(source, size, mate, construct, sequencer, state, template, counters[row])
            if sequencer.mates == 1:
                _walk_qualities(qualities, length, cell, sequencer, state)
            counters[row, 2 + 2 * mate] = _copy_with_errors(
                template, qualities[mate], length, sequencer.error, state, codes
            )
            out, at = outputs[mate], used[mate]
            used[mate] = _put_record(out, at, name, (first + row, mate), (codes, qualities[mate]), length)
            if sequencer.ambiguous_share > 0.0:
                begin = used[mate] - 2 * length - 4
                _call_ambiguous(
                    out[begin : begin + length], qualities[mate], sequencer.characters[0],
                    sequencer.ambiguous_share, state,
                )  # fmt: skip
    return int(used[0]), int(used[1])


@jit
def _put_record(
    out: Bytes, at: int, name: Bytes, number: tuple[int, int], read: tuple[Bytes, Bytes], length: int
) -> int:
    """Write ``@name number mate``, bases, plus and qualities; ``number`` is that of the pair and the mate."""
    codes, qualities = read
    out[at] = 64
    at = put(out, at + 1, name, name.shape[0])
    at = put_number(out, at, number[0], DIGITS)
    out[at], out[at + 1], out[at + 2] = 32, 49 + number[1], 10
    at += 3
    bases = out[at : at + length]
    for position in range(length):
        bases[position] = (_LETTERS >> (np.uint32(codes[position]) << np.uint32(3))) & np.uint32(0xFF)
    at += length
    out[at], out[at + 1], out[at + 2] = 10, 43, 10
    at = put(out, at + 3, qualities, length)
    out[at] = 10
    return at + 1


@jit
def mean_error(key: np.uint64, pairs: int, length: int, sequencer: Sequencer) -> float:
    """Return the mean of ``sequencer.error`` over the qualities of simulated reads of this length."""
    state = np.zeros(1, dtype=np.uint64)
    qualities = np.zeros((sequencer.mates, length), dtype=np.uint8)
    total = 0.0
    for pair in range(pairs):
        _start_stream(state, key, pair)
        _walk_qualities(qualities, length, _draw_strata(sequencer.joint, state), sequencer, state)
        for character in qualities.ravel():
            total += sequencer.error[character]
    return total / qualities.size / pairs

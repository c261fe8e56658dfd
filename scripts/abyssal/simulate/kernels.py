"""The inner loops: one molecule in, one pair of FASTQ records out, at C speed.

Kernels call kernels of their own module only: numba's cache notices a change of the caller's file, not of a callee's.
Every pair has its own random stream, a counter hashed from (key, index of the pair), so results do not depend on the
block a pair falls into. Bases are coded A, C, G, T = 0, 1, 2, 3; the complement of a code is 3 - code.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from abyssal.simulate.kernel_types import Bytes, Construct, Molecules, Names, Sequencer, Workspace

_LETTERS = np.uint32(int.from_bytes(b"ACGT", "little"))
"""The letter of code c is byte c; a shift vectorises where a look-up does not."""
_UNKNOWN = ord("N")
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_UNIT = 1.0 / 9007199254740992.0
"""2^-53: turns the upper 53 bits of a draw into a number in [0, 1)."""
LONGEST_RUN = 8
"""Beyond this a homopolymer's risk of an indel grows no more (bases)."""

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
def _step(chain: NDArray[np.uint32], context: np.int64, size: np.int64, draw: np.uint64) -> np.int64:
    """Draw the next letter (position in ``characters``) from the alias table that begins at ``context``."""
    # No branch depends on a draw: a mispredicted one would cost more than the whole step.
    product = np.int64(draw) * size
    slot = product >> 32
    entry = np.int64(chain[context + slot])
    return slot if ((product >> 16) & 0xFFFF) < (entry & 0xFFFF) else entry >> 16


@jit
def _walk_qualities(qualities: Bytes, length: int, cell: int, sequencer: Sequencer, state: NDArray[np.uint64]) -> None:
    """Fill ``qualities`` (mates, positions) with FASTQ characters: one walk of the chain a mate.

    ``length``: bases a read; ``cell``: cell of the joint distribution of strata.
    """
    # Each step waits for the one before it; two independent chains in one loop hide half of the waiting.
    chain, bin_of, strata, characters = sequencer.chain, sequencer.bin_of, sequencer.strata, sequencer.characters
    size = np.int64(characters.shape[0])
    square = size * size
    paired = sequencer.mates == 2
    start_1 = np.int64(cell // strata if paired else cell) * sequencer.bins * square
    start_2 = np.int64(strata + cell % strata if paired else 0) * sequencer.bins * square
    here = state[0]
    quality_1, quality_2 = np.int64(0), np.int64(0)
    for position in range(length):
        here += _GOLDEN
        z = (here ^ (here >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        offset = np.int64(bin_of[position]) * square
        quality_1 = _step(chain, start_1 + offset + quality_1 * size, size, z >> np.uint64(32))
        qualities[0, position] = characters[quality_1]
        if paired:
            quality_2 = _step(chain, start_2 + offset + quality_2 * size, size, z & np.uint64(0xFFFFFFFF))
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
    length: int,
    construct: Construct,
    sequencer: Sequencer,
    work: Workspace,
    counters: NDArray[np.int32],
) -> int:
    """Put into ``work.template`` what one end of a molecule shows, indels and read-through included; return its length.

    ``source``: the molecule's ``size`` codes as this mate sees them; ``length``: most bases.
    """
    template = work.template
    if sequencer.indel_rate > 0.0:
        filled, indels = _with_indels(source, size, length, sequencer, work.state, template)
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
def _draw_strata(joint: NDArray[np.float64], state: NDArray[np.uint64]) -> int:
    """Return the position in the flattened joint distribution of strata."""
    left = _uniform(state)
    for cell in range(joint.shape[0]):
        left -= joint[cell]
        if left < 0.0:
            return cell
    return int(joint.shape[0] - 1)


@jit
def _draw_lengths(sequencer: Sequencer, state: NDArray[np.uint64]) -> tuple[int, int]:
    """Return the bases of both mates; negative where the sequencer masks the whole read."""
    if sequencer.lengths.shape[0] == 0:
        return sequencer.length, sequencer.length
    left = _uniform(state)
    row = 0
    while row < sequencer.lengths.shape[0] - 1 and left >= sequencer.length_shares[row]:
        left -= sequencer.length_shares[row]
        row += 1
    return sequencer.lengths[row, 0], sequencer.lengths[row, sequencer.mates - 1]


@jit
def _workspace(molecules: Molecules, construct: Construct, sequencer: Sequencer) -> Workspace:
    longest = 0
    for molecule in range(molecules.starts.shape[0] - 1):
        longest = max(longest, molecules.starts[molecule + 1] - molecules.starts[molecule])
    room = longest + construct.forward.shape[0] + construct.reverse.shape[0] + 2 * construct.random_bases
    size = sequencer.length if sequencer.length > 0 else 2 * room
    return Workspace(
        np.zeros(room, dtype=np.uint8), np.zeros(room, dtype=np.uint8), np.zeros(size, dtype=np.uint8),
        np.zeros(size, dtype=np.uint8), np.zeros((sequencer.mates, size), dtype=np.uint8),
        np.zeros(1, dtype=np.uint64),
    )  # fmt: skip


@jit
def sequence_block(
    stream: tuple[np.uint64, int],
    chosen: NDArray[np.int32],
    molecules: Molecules,
    construct: Construct,
    sequencer: Sequencer,
    names: Names,
    outputs: tuple[Bytes, Bytes],
    counters: NDArray[np.int32],
) -> tuple[int, int, int]:
    """Write the FASTQ records of a block; return the bytes used in each of ``outputs`` and the bases written.

    Args:
        stream: key of the library's random streams, and number of the block's first pair in its library.
        chosen: (n,) molecule of each pair.
        names: of the n pairs.
        outputs: byte buffers, one a mate, large enough for n records.
        counters: (n, COUNTERS), zeroed; filled.
    """
    work = _workspace(molecules, construct, sequencer)
    used = np.zeros(3, dtype=np.int64)
    for row in range(chosen.shape[0]):
        _start_stream(work.state, stream[0], stream[1] + row)
        size = _build_fragment(
            work.fragment, molecules, chosen[row], construct, sequencer.pcr_error_rate, work.state, counters[row]
        )
        flipped = construct.flipped_share > 0.0 and _uniform(work.state) < construct.flipped_share
        if flipped or sequencer.mates == 2:
            _reverse_complement(work.fragment, size, work.opposite)
        counters[row, 0] = 1 if flipped else 0
        _read_ends((row, size), construct, sequencer, names, outputs, used, counters[row], work)
    return int(used[0]), int(used[1]), int(used[2])


@jit
def _read_ends(
    molecule: tuple[int, int],
    construct: Construct,
    sequencer: Sequencer,
    names: Names,
    outputs: tuple[Bytes, Bytes],
    used: NDArray[np.int64],
    counters: NDArray[np.int32],
    work: Workspace,
) -> None:
    """Sequence the ``molecule`` in ``work`` (its row, its length) from one end or both and write the records."""
    row, size = molecule
    cell = _draw_strata(sequencer.joint, work.state)
    lengths = _draw_lengths(sequencer, work.state)
    lowest, state = sequencer.characters[0], work.state
    if sequencer.mates == 2:
        _walk_qualities(work.qualities, max(lengths[0], lengths[1]), cell, sequencer, state)
    for mate in range(sequencer.mates):
        out, qualities = outputs[mate], work.qualities[mate]
        length = lengths[mate] if sequencer.length > 0 else work.template.shape[0]
        masked = length < 0
        if masked:
            length = -length
            qualities[:length] = lowest
        else:
            source = work.opposite if (mate == 1) != (counters[0] == 1) else work.fragment
            length = _lay_template(source, size, mate, length, construct, sequencer, work, counters)
            if sequencer.mates == 1:
                _walk_qualities(work.qualities, length, cell, sequencer, state)
            wrong = _copy_with_errors(work.template, qualities, length, sequencer.error, state, work.codes)
            counters[2 + 2 * mate] = wrong
        used[mate] = _put_record(out, used[mate], names, (row, mate), (work.codes, qualities), length)
        used[2] += length
        if masked or sequencer.ambiguous_share > 0.0:
            begin = used[mate] - 2 * length - 4
            share = 1.0 if masked else sequencer.ambiguous_share
            _call_ambiguous(out[begin : begin + length], qualities, lowest, share, state)


@jit
def _put_record(
    out: Bytes, at: int, names: Names, number: tuple[int, int], read: tuple[Bytes, Bytes], length: int
) -> int:
    """Write name and comment, bases, plus, qualities; ``number``: row of the pair in its block, and mate."""
    codes, qualities = read
    begin, end = names.starts[number[0]], names.starts[number[0] + 1]
    comment = names.comments[number[1]]
    out[at] = 64
    out[at + 1 : at + 1 + end - begin] = names.letters[begin:end]
    at += 1 + end - begin
    out[at : at + comment.shape[0]] = comment
    at += comment.shape[0]
    out[at] = 10
    bases = out[at + 1 : at + 1 + length]
    for position in range(length):
        bases[position] = (_LETTERS >> (np.uint32(codes[position]) << np.uint32(3))) & np.uint32(0xFF)
    at += 1 + length
    out[at], out[at + 1], out[at + 2] = 10, 43, 10
    out[at + 3 : at + 3 + length] = qualities[:length]
    at += 3 + length
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

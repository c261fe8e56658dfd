"""From settings to what the kernels take: primers and adapters as codes, error rates that average to those asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abyssal.errors import UsageError
from abyssal.sequences.alphabet import IUPAC_BASES, first_invalid_letter, normalise, reverse_complement
from abyssal.simulate.kernel_types import Construct, Molecules, Sequencer
from abyssal.simulate.kernels import LONGEST_RUN, mean_error
from abyssal.simulate.quality import PHRED_OFFSET
from abyssal.simulate.settings import Sequencing, Simulation

_MOST_ERROR = 0.75
"""A base called at random is wrong three times out of four."""
_CALIBRATION_PAIRS = 4000


def build_construct(simulation: Simulation) -> Construct:
    """Encode primers, adapters and spacers.

    Raises:
        UsageError: a primer or adapter has letters outside IUPAC.
    """
    sequencing = simulation.sequencing
    return Construct(
        _primer("forward primer", simulation.forward_primer, reverse=False),
        _primer("reverse primer", simulation.reverse_primer, reverse=True),
        _codes("adapter 1", sequencing.adapter_1),
        _codes("adapter 2", sequencing.adapter_2),
        "ACGT".index(sequencing.filler),
        sequencing.random_bases,
        sequencing.flipped_share,
    )


def checked_letters(what: str, sequence: str) -> str:
    """Return the sequence in upper-case DNA; UsageError names ``what`` and the letter outside IUPAC."""
    letters = normalise(sequence)
    invalid = first_invalid_letter(letters)
    if invalid is not None:
        message = f"{what} {sequence!r} has a letter outside IUPAC ({invalid[1]!r} at position {invalid[0] + 1})"
        raise UsageError(message)
    return letters


def _primer(what: str, primer: str, *, reverse: bool) -> NDArray[np.uint8]:
    """Return (length, 5): the number of bases a letter stands for, then their codes."""
    letters = checked_letters(what, primer)
    letters = reverse_complement(letters) if reverse else letters
    table = np.zeros((len(letters), 5), dtype=np.uint8)
    for position, letter in enumerate(letters):
        bases = IUPAC_BASES[letter]
        table[position, 0] = len(bases)
        table[position, 1 : 1 + len(bases)] = ["ACGT".index(base) for base in bases]
    return table


def _codes(what: str, sequence: str) -> NDArray[np.uint8]:
    letters = checked_letters(what, sequence)
    if set(letters) - set("ACGT"):
        message = f"{what} {sequence!r} has degenerate letters; expected A, C, G and T only"
        raise UsageError(message)
    return np.array(["ACGT".index(letter) for letter in letters], dtype=np.uint8)


def _reach(
    sequencing: Sequencing, lengths: NDArray[np.int64], shares: NDArray[np.float64], construct: Construct
) -> tuple[int, int]:
    """Return the longest and the typical read: the number of cycles, or what the molecules need (bases)."""
    flanks = construct.forward.shape[0] + construct.reverse.shape[0] + 2 * sequencing.random_bases
    whole = 2 * int(lengths.max() + flanks), round(float(shares @ lengths)) + flanks
    return (sequencing.cycles, sequencing.cycles) if sequencing.cycles else whole


def build_sequencer(
    simulation: Simulation,
    molecules: Molecules,
    shares: NDArray[np.float64],
    construct: Construct,
    rng: np.random.Generator,
) -> Sequencer:
    """Encode the quality model and scale substitution and indel rates to the means asked for.

    Args:
        simulation, molecules, construct: settings, all molecules and what surrounds them.
        shares: (molecules,) each one's expected share of the reads.
        rng: source of the key for the simulated qualities that the scale is measured on.
    """
    sequencing, quality = simulation.sequencing, simulation.sequencing.quality
    threshold, alias = quality.alias_tables()
    longest, typical = _reach(sequencing, np.diff(molecules.starts), shares, construct)
    of_reads, length_shares = _read_lengths(sequencing)
    sequencer = Sequencer(
        length=sequencing.cycles or 0,
        mates=quality.mates,
        strata=quality.strata,
        bins=len(quality.bin_starts),
        chain=(alias.astype(np.uint32) * np.uint32(65536) + threshold).ravel(),
        bin_of=quality.bin_of(longest),
        characters=quality.phred + np.uint8(PHRED_OFFSET),
        joint=np.ascontiguousarray(quality.joint.ravel()),
        error=np.minimum(np.power(10.0, (np.arange(128) - PHRED_OFFSET) / -10.0), _MOST_ERROR),
        ambiguous_share=quality.ambiguous_share,
        indel_rate=_base_indel_rate(sequencing, molecules, shares, construct),
        insertion_share=sequencing.insertion_share,
        homopolymer_growth=sequencing.homopolymer_growth,
        pcr_error_rate=simulation.amplification.error_rate,
        lengths=of_reads,
        length_shares=length_shares,
    )
    if sequencing.substitution_rate is None:
        return sequencer
    return _scaled(sequencer, sequencing.substitution_rate, typical, np.uint64(rng.integers(0, 2**63)))


def _read_lengths(sequencing: Sequencing) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the lengths that reads are trimmed to and their shares; no rows where all have one length."""
    quality = sequencing.quality
    if not sequencing.trimmed or not len(quality.lengths):
        return np.zeros((0, quality.mates), dtype=np.int32), np.zeros(0)
    return quality.lengths, quality.length_counts / quality.length_counts.sum()


def _scaled(sequencer: Sequencer, asked: float, length: int, key: np.uint64) -> Sequencer:
    """Scale the error of every quality so that reads of this length have ``asked`` errors a base."""
    if asked == 0.0:
        return sequencer._replace(error=np.zeros_like(sequencer.error))
    unscaled = sequencer.error
    scale = 1.0
    # Errors are capped, so the mean is not linear in the scale; a few rounds settle it.
    for _ in range(8):
        sequencer = sequencer._replace(error=np.minimum(unscaled * scale, _MOST_ERROR))
        scale *= asked / mean_error(key, _CALIBRATION_PAIRS, length, sequencer)
    return sequencer._replace(error=np.minimum(unscaled * scale, _MOST_ERROR))


def _base_indel_rate(
    sequencing: Sequencing, molecules: Molecules, shares: NDArray[np.float64], construct: Construct
) -> float:
    """Return the rate outside homopolymers at which the mean over primers and molecules is the rate asked for."""
    if sequencing.indel_rate == 0.0:
        return 0.0

    def risk(codes: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.float64]:
        runs = np.minimum(_run_lengths(codes, starts), LONGEST_RUN)
        return np.add.reduceat(1.0 + sequencing.homopolymer_growth * (runs - 1), starts[:-1])

    primers = np.concatenate([construct.forward[:, 1], construct.reverse[:, 1]])
    bounds = np.array([0, len(construct.forward), len(primers)], dtype=np.int64)
    primed = float(shares @ molecules.primed)
    bases = float(shares @ np.diff(molecules.starts)) + primed * len(primers)
    total = float(shares @ risk(molecules.codes, molecules.starts)) + primed * float(risk(primers, bounds).sum())
    return sequencing.indel_rate * bases / total


def _run_lengths(codes: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each base how many equal bases of its sequence end with it."""
    new = np.ones(len(codes), dtype=bool)
    new[1:] = codes[1:] != codes[:-1]
    new[starts[:-1]] = True
    positions = np.arange(len(codes))
    return positions - np.maximum.accumulate(np.where(new, positions, 0)) + 1

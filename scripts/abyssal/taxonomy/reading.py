"""What a user's string must be before it is classified."""

from __future__ import annotations

from abyssal.sequences.alphabet import first_invalid_letter, normalise
from abyssal.taxonomy.classifications import ReadError, ReadErrorCode
from abyssal.taxonomy.model import MarkerSpec

SHORTEST = 32
LONGEST = 5000


def length_limits(marker: MarkerSpec) -> tuple[int, int]:
    """Return the shortest and longest read that is answered (bases).

    Half the shortest amplicon, but never under 32 bases unless the marker itself is that short; twice the longest, but
    never over 5,000.
    """
    shortest = min(max(SHORTEST, marker.min_length // 2), max(marker.min_length, 16))
    return shortest, min(2 * marker.max_length, LONGEST)


def check_read(raw: str, limits: tuple[int, int]) -> tuple[str, ReadError | None]:
    """Return the normalised sequence and what is wrong with it, if anything.

    Args:
        raw: letters as the user sent them; blanks around them do not count.
        limits: what ``length_limits`` returned.
    """
    if len(raw) > 16 * LONGEST:
        return "", ReadError(ReadErrorCode.TOO_LONG, f"{len(raw)} letters, the longest answered read has {limits[1]}")
    sequence = normalise(raw.strip())
    if not sequence:
        return "", ReadError(ReadErrorCode.EMPTY, "no letters; expected a DNA sequence")
    wrong = first_invalid_letter(sequence)
    if wrong is not None:
        position, letter = wrong
        message = f"letter {letter!r} at position {position + 1} is not an IUPAC nucleotide code"
        return "", ReadError(ReadErrorCode.INVALID_LETTER, message)
    # Ambiguity codes align with anything: a read of them would be a perfect match to every taxon.
    certain = sum(map(sequence.count, "ACGT"))
    if certain < limits[0]:
        found = f"{certain} bases"
        if certain < len(sequence):
            found = f"{certain} of {len(sequence)} letters are A, C, G or T"
        return "", ReadError(ReadErrorCode.TOO_SHORT, f"{found}, the shortest answered read has {limits[0]}")
    if len(sequence) > limits[1]:
        message = f"{len(sequence)} bases, the longest answered read has {limits[1]}"
        return "", ReadError(ReadErrorCode.TOO_LONG, message)
    return sequence, None

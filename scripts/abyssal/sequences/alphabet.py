"""The IUPAC nucleotide alphabet: which letters exist, what they pair with, how an ASV is named."""

from __future__ import annotations

import hashlib

IUPAC_BASES = {
    "A": "A", "C": "C", "G": "G", "T": "T",
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
"""Each IUPAC letter with the bases it stands for."""

_COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")
_NORMALISE = str.maketrans("acgturyswkmbdhvnUI", "ACGTTRYSWKMBDHVNTN")
_LETTERS = frozenset(IUPAC_BASES)


def normalise(sequence: str) -> str:
    """Return the sequence in upper-case DNA: U becomes T, inosine (I) becomes N; other letters are left alone."""
    return sequence.translate(_NORMALISE)


def reverse_complement(sequence: str) -> str:
    """Return the reverse complement of an upper-case IUPAC sequence; its own inverse."""
    return sequence.translate(_COMPLEMENT)[::-1]


def first_invalid_letter(sequence: str) -> tuple[int, str] | None:
    """Return (0-based position, letter) of the first letter outside IUPAC, or None; expects a normalised sequence."""
    if _LETTERS.issuperset(sequence):
        return None
    return next((position, letter) for position, letter in enumerate(sequence) if letter not in _LETTERS)


def sequence_id(sequence: str) -> str:
    """Name a sequence by the MD5 of its upper-case letters, as QIIME 2 does for ASVs (32 hex digits)."""
    return hashlib.md5(sequence.upper().encode("ascii"), usedforsecurity=False).hexdigest()

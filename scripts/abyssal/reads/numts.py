"""Likely nuclear copies of mitochondrial genes (NUMTs) among the ASVs of a coding marker.

A copy in the nucleus is free of selection: its differences to the gene change amino acids, or shift the frame. An ASV
counts as one when a near ASV is at least ten times as abundant wherever the two occur, is there in nearly all of its
libraries, and at least half of the codons in which they differ stand for other amino acids, or their lengths differ by
other than whole codons. Between species and between individuals, most differences in these genes are silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from Bio.Data import CodonTable

from abyssal.reads.neighbours import near_pairs
from abyssal.reads.table import CountTable
from abyssal.references.markers import Coding

_IDENTITY = 0.85
_TIMES = 10
_TOGETHER = 0.95
_CHANGED = 0.5


def numts(table: CountTable, sequences: Mapping[str, str], coding: Coding, *, folder: Path) -> dict[str, str]:
    """Return the likely nuclear copies with the ASV that each is a copy of.

    Args:
        table: ASVs by library.
        sequences: ASVs to judge.
        coding: how the amplicon is read as protein.
        folder: for temporary files.
    """
    row_of = {name: table.counts[row] for row, name in enumerate(table.features) if name in sequences}
    pairs = near_pairs(sequences, identity=_IDENTITY, folder=folder)
    found: dict[str, str] = {}
    for name in sorted(sequences):
        for parent, _ in sorted(pairs.get(name, {}).items(), key=lambda item: (-item[1], item[0])):
            own, other = row_of[name], row_of[parent]
            here = own > 0
            together = here & (other > 0)
            if not here.any() or together.sum() < _TOGETHER * here.sum():
                continue
            if np.all(other[together] >= _TIMES * own[together]) and _unselected(
                sequences[name], sequences[parent], coding
            ):
                found[name] = parent
                break
    return found


def _unselected(copy: str, gene: str, coding: Coding) -> bool:
    """Whether the differences of two ASVs look as if no selection had kept the protein."""
    if len(copy) != len(gene):
        return (len(copy) - len(gene)) % 3 != 0
    amino = CodonTable.unambiguous_dna_by_id[coding.genetic_codes[0]].forward_table
    starts = range(coding.reading_frame, len(gene) - 2, 3)
    differing = [(copy[start : start + 3], gene[start : start + 3]) for start in starts]
    differing = [(mine, theirs) for mine, theirs in differing if mine != theirs]
    changed = sum(amino.get(mine, "*") != amino.get(theirs, "*") for mine, theirs in differing)
    return bool(differing) and changed >= _CHANGED * len(differing)

"""Is a sequence part of a known genome that has nothing to do with the marker, such as the phiX174 spike-in?

Reads are recognised by k-mers of the genome, on either strand: quick, tolerant of sequencing errors, and enough for
the small genomes that laboratories add or know to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import dnaio

from abyssal.errors import UsageError
from abyssal.references.shipped import shipped_file
from abyssal.sequences.alphabet import normalise, reverse_complement
from abyssal.sequences.records import read_records

_K = 21
_STEP = 7
_LEAST_SHARE = 0.25
_LARGEST = 20_000_000


def contaminant_file(name: str) -> Path:
    """Return the FASTA that a name of the configuration stands for: a path, or a genome that ships with Abyssal.

    Raises:
        UsageError: neither a file nor a shipped genome has this name.
    """
    path = Path(name)
    if path.is_file():
        return path
    if "/" not in name and "." not in name:
        return shipped_file(f"contaminants/{name}.fasta")
    message = f"preprocess.screen.contaminants: no such file: {name}; expected a FASTA file, or phix174"
    raise UsageError(message)


class Contaminants:
    """Genomes to recognise, as the set of their 21-mers on both strands.

    Args:
        genomes: FASTA files, at most 20 million bases together; a user's mistake above that.
    """

    def __init__(self, genomes: Iterable[Path]) -> None:
        self._kmers: set[str] = set()
        bases = 0
        for genome in genomes:
            for record in read_records(genome):
                bases += len(record.sequence)
                if bases > _LARGEST:
                    message = f"{genome}: contaminants may have {_LARGEST:,} bases together; expected small genomes"
                    raise UsageError(message)
                self._add(normalise(record.sequence))

    def _add(self, sequence: str) -> None:
        for strand in (sequence, reverse_complement(sequence)):
            self._kmers.update(strand[start : start + _K] for start in range(len(strand) - _K + 1))

    def __bool__(self) -> bool:
        return bool(self._kmers)

    def __contains__(self, sequence: str) -> bool:
        """Whether at least a quarter of every seventh 21-mer of the sequence is one of the genomes'."""
        starts = range(0, len(sequence) - _K + 1, _STEP)
        if not starts or not self._kmers:
            return False
        found = sum(sequence[start : start + _K] in self._kmers for start in starts)
        return found >= _LEAST_SHARE * len(starts)


def count_contaminants(reads: Path, genomes: Sequence[Path]) -> int:
    """Return how many reads of a FASTQ file are of the genomes."""
    if not reads.is_file() or not reads.stat().st_size:
        return 0
    contaminants = Contaminants(genomes)
    with dnaio.open(reads, fileformat="fastq") as records:
        return sum(record.sequence in contaminants for record in records)

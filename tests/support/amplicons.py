"""Paired reads of known amplicons, made read by read, for tests that must know every answer."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from abyssal.sequences.alphabet import IUPAC_BASES, reverse_complement

FORWARD = "CCAGCASCYGCGGTAATTCC"
REVERSE = "ACTTTCGTTCTTGATYRATGA"
_ADAPTER_1 = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCAC" * 12
_ADAPTER_2 = "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGTA" * 12

Read = tuple[str, str, str]  # name, sequence, qualities


def random_sequence(rng: np.random.Generator, length: int) -> str:
    """Random DNA."""
    return "".join(rng.choice(list("ACGT"), length))


def substituted(sequence: str, *positions: int) -> str:
    """The sequence with the base at each position replaced by another one."""
    letters = list(sequence)
    for position in positions:
        letters[position] = "ACGT"[("ACGT".index(letters[position]) + 1) % 4]
    return "".join(letters)


def substitute(random: np.random.Generator, sequence: str, count: int) -> str:
    """Replace ``count`` letters by other ones."""
    letters = list(sequence)
    for position in random.choice(len(letters), size=count, replace=False):
        letters[position] = random.choice([base for base in "ACGT" if base != letters[position]])
    return "".join(letters)


def one_of(primer: str, rng: np.random.Generator) -> str:
    """One of the sequences that an IUPAC primer stands for."""
    return "".join(rng.choice(list(IUPAC_BASES[letter.replace("I", "N")])) for letter in primer)


@dataclass(frozen=True)
class Sequencer:
    """How pairs are read off amplicons."""

    read_length: int = 150
    forward: str = FORWARD
    reverse: str = REVERSE
    random_bases: int = 0
    quality: str = "I"
    seed: int = 1

    def pairs(self, amplicons: Iterable[str], *, flipped: bool = False) -> tuple[list[Read], list[Read]]:
        """R1 and R2 of each amplicon (given without primers), error-free, running into the adapters when short."""
        rng = np.random.default_rng(self.seed)
        first, second = [], []
        for number, amplicon in enumerate(amplicons, start=1):
            whole = one_of(self.forward, rng) + amplicon + reverse_complement(one_of(self.reverse, rng))
            start_1, start_2 = (random_sequence(rng, self.random_bases) for _ in range(2))
            r1 = start_1 + whole + reverse_complement(start_2) + _ADAPTER_1
            r2 = start_2 + reverse_complement(whole) + reverse_complement(start_1) + _ADAPTER_2
            if flipped:
                r1, r2 = r2, r1
            for target, read in ((first, r1), (second, r2)):
                target.append((f"read{number}", read[: self.read_length], self.quality * self.read_length))
        return first, second

    def write(self, folder: Path, name: str, amplicons: Iterable[str], *, flipped: bool = False) -> tuple[Path, Path]:
        """Write the pairs as NAME_R1.fastq.gz and NAME_R2.fastq.gz."""
        files = folder / f"{name}_R1.fastq.gz", folder / f"{name}_R2.fastq.gz"
        for path, reads in zip(files, self.pairs(amplicons, flipped=flipped), strict=True):
            write_fastq(path, reads)
        return files

    def with_seed(self, seed: int) -> Sequencer:
        """The same sequencer with other random bases and primer variants."""
        return replace(self, seed=seed)


def write_fastq(path: Path, reads: Sequence[Read]) -> Path:
    """Write FASTQ, gzipped when the name ends in .gz."""
    text = "".join(f"@{name}\n{sequence}\n+\n{quality}\n" for name, sequence, quality in reads)
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())
    return path

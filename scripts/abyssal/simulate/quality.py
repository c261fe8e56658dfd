"""Quality strings that look like a sequencer's: a small table fitted to real FASTQ files.

Real qualities differ between reads more than between positions: a few reads are bad from end to end, and a bad first
read tends to have a bad mate. So each read first draws a *stratum* (jointly with its mate), then walks a first-order
Markov chain over quality values whose transitions depend on stratum and position. Positions are grouped into bins,
single at the start of the read, where sequencers behave oddly, and wider later.

On disk: safetensors with how often each transition was seen; ``format_version`` in the metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from abyssal.errors import DataError, UsageError
from abyssal.files import atomic_path
from abyssal.sequences.records import read_records

FORMAT = "abyssal-quality-model"
FORMAT_VERSION = "1"
_METADATA = "abyssal"
PROFILES = Path(__file__).parent / "profiles"

PHRED_OFFSET = 33
_START = 0
"""Bin of the first base, whose context has no previous quality."""
_SMOOTHING = 0.02
"""Weight of the bin's overall distribution in every context, so that each context can be left again."""


@dataclass(frozen=True)
class QualityModel:
    """A fitted model.

    Attributes:
        name: what it was fitted to.
        source: where those reads came from and under which terms.
        phred: (letters,) uint8, the Phred values in use, ascending.
        bin_starts: (bins,) int32, first position of each bin; bin 0 is the first base alone.
        joint: (strata,) * mates float64, shares of reads (single) or pairs.
        counts: (mates, strata, bins, letters, letters) uint16, how often the second letter followed the first.
        ambiguous_share: share of the bases with the lowest Phred value that are called N.
        lengths: (rows, mates) int32, lengths of the reads of a pair after the sequencer's trimming, the most frequent
            first; negative for reads that are masked (nothing but N). Without rows they are not known.
        length_counts: (rows,) uint32, how often each row occurred.
    """

    name: str
    source: str
    phred: NDArray[np.uint8]
    bin_starts: NDArray[np.int32]
    joint: NDArray[np.float64]
    counts: NDArray[np.uint16]
    ambiguous_share: float
    lengths: NDArray[np.int32]
    length_counts: NDArray[np.uint32]

    @property
    def mates(self) -> int:
        """2 for pairs, 1 for single reads."""
        return int(self.counts.shape[0])

    @property
    def strata(self) -> int:
        return int(self.counts.shape[1])

    def first_mate(self) -> QualityModel:
        """Return the model of read 1 alone."""
        joint = self.joint.reshape(self.strata, -1).sum(axis=1)
        lengths, counts = _tabulated(np.repeat(self.lengths[:, :1], self.length_counts, axis=0))
        return replace(self, joint=joint, counts=self.counts[:1], lengths=lengths, length_counts=counts)

    @cached_property
    def transitions(self) -> NDArray[np.float64]:
        """Distributions over the next letter, in the shape of ``counts``."""
        return _distributions(self.counts.astype(np.float64))

    def bin_of(self, length: int) -> NDArray[np.int32]:
        """Return the bin of each of the first ``length`` positions."""
        positions = np.arange(length)
        return (np.searchsorted(self.bin_starts, positions, side="right") - 1).astype(np.int32)

    def alias_tables(self) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """Return Walker alias tables (threshold, alias), each of the transitions' shape."""
        flat = self.transitions.reshape(-1, self.transitions.shape[-1])
        threshold, alias = _alias(flat)
        return threshold.reshape(self.transitions.shape), alias.reshape(self.transitions.shape)


def fit_quality_model(
    name: str, source: str, libraries: Iterable[Sequence[Path]], *, strata: int = 6, single_bins: int = 12,
    bin_width: int = 12, min_length: int = 1, max_length: int = 1000,
) -> QualityModel:  # fmt: skip
    """Fit a model to FASTQ files.

    Args:
        name: name of the model.
        source: origin and licence of the reads, stored with the model.
        libraries: (R1, R2) or (single,) FASTQ files of each library.
        strata: classes of reads by expected errors per base, equally filled.
        single_bins: positions at the start that get a bin of their own.
        bin_width: positions in a later bin.
        min_length: pairs with a shorter read are left out.
        max_length: positions after this one are ignored.
    """
    mates = _read_qualities(libraries, min_length, max_length)
    phred = np.unique(np.concatenate([np.concatenate(reads) for reads in mates])).astype(np.uint8)
    length = max(len(read) for reads in mates for read in reads)
    starts = np.r_[0 : min(single_bins, length), single_bins:length:bin_width].astype(np.int32)
    classes = [_strata(reads, strata) for reads in mates]
    joint = np.zeros((strata,) * len(mates))
    np.add.at(joint, tuple(classes), 1.0)
    counts = np.stack(
        [_count(reads, stratum, phred, starts, strata) for reads, stratum in zip(mates, classes, strict=True)]
    )
    lowest, ambiguous = _ambiguous_share(libraries, int(phred[0]))
    return QualityModel(
        name, source, phred, starts, joint / joint.sum(), counts, ambiguous / max(lowest, 1), *_read_lengths(libraries)
    )


def _read_qualities(
    libraries: Iterable[Sequence[Path]], min_length: int, max_length: int
) -> list[list[NDArray[np.uint8]]]:
    mates: list[list[NDArray[np.uint8]]] = []
    for files in libraries:
        mates = mates or [[] for _ in files]
        reads = [
            [
                np.frombuffer((record.quality or "").encode("ascii"), np.uint8) - PHRED_OFFSET
                for record in read_records(f)
            ]
            for f in files
        ]
        if len({len(found) for found in reads}) != 1 or len(files) != len(mates):
            message = f"{', '.join(map(str, files))}: expected as many reads in each mate's file, for every library"
            raise DataError(message)
        keep = [i for i in range(len(reads[0])) if all(len(found[i]) >= min_length for found in reads)]
        for mate, found in zip(mates, reads, strict=True):
            mate.extend(found[i][:max_length] for i in keep)
    if not mates or not mates[0]:
        message = "no reads with qualities to fit a quality model to; expected FASTQ files"
        raise UsageError(message)
    return mates


def _ambiguous_share(libraries: Iterable[Sequence[Path]], lowest: int) -> tuple[int, int]:
    """Return how many bases have the lowest quality, and how many of those are N."""
    letter, bases, ambiguous = chr(lowest + PHRED_OFFSET), 0, 0
    for files in libraries:
        for file in files:
            for record in read_records(file):
                quality = record.quality or ""
                bases += quality.count(letter)
                if "N" in record.sequence:
                    ambiguous += sum(b == "N" and q == letter for b, q in zip(record.sequence, quality, strict=True))
    return bases, ambiguous


def _read_lengths(libraries: Iterable[Sequence[Path]]) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
    """Return the lengths of all reads, short ones included, and how often each combination of mates occurs."""
    found = []
    for files in libraries:
        mates = [
            [-len(r.sequence) if set(r.sequence) == {"N"} else len(r.sequence) for r in read_records(file)]
            for file in files
        ]
        found.append(np.array(mates, dtype=np.int32).T)
    return _tabulated(np.concatenate(found))


def _tabulated(lengths: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
    rows, counts = np.unique(lengths, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return rows[order].astype(np.int32), counts[order].astype(np.uint32)


def _strata(reads: list[NDArray[np.uint8]], strata: int) -> NDArray[np.int64]:
    errors = np.array([np.power(10.0, -read / 10.0).mean() for read in reads])
    order = np.argsort(np.argsort(errors, kind="stable"), kind="stable")
    return (order * strata // len(reads)).astype(np.int64)


def _count(
    reads: list[NDArray[np.uint8]],
    stratum: NDArray[np.int64],
    phred: NDArray[np.uint8],
    starts: NDArray[np.int32],
    strata: int,
) -> NDArray[np.uint16]:
    index = np.zeros(256, dtype=np.int64)
    index[phred] = np.arange(len(phred))
    counts = np.zeros((strata, len(starts), len(phred), len(phred)))
    for read, group in zip(reads, stratum, strict=True):
        letters = index[read]
        bins = np.searchsorted(starts, np.arange(len(read)), side="right") - 1
        counts[group, _START, :, letters[0]] += 1.0
        np.add.at(counts[group], (bins[1:], letters[:-1], letters[1:]), 1.0)
    return np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16)


def _distributions(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn counts into rows that sum to one; a context never seen takes its bin's overall distribution."""
    overall = counts.sum(axis=-2, keepdims=True)
    total = overall.sum(axis=-1, keepdims=True)
    # A bin that no read of a stratum reaches stays at the quality it has.
    stay = np.broadcast_to(np.eye(counts.shape[-1]), counts.shape)
    overall = np.where(total > 0, overall / np.maximum(total, 1.0), stay)
    rows = counts.sum(axis=-1, keepdims=True)
    seen = counts / np.maximum(rows, 1.0)
    smooth = np.where(rows > 0, (rows * seen + _SMOOTHING * overall) / (rows + _SMOOTHING), overall)
    return np.asarray(smooth / smooth.sum(axis=-1, keepdims=True), dtype=np.float64)


@numba.njit(cache=True)
def _alias(rows: NDArray[np.float64]) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Vose's alias method for each row; a threshold is the share of a slot, in 1/65,536, that is its own letter's."""
    contexts, letters = rows.shape
    threshold = np.full((contexts, letters), 65535, dtype=np.uint16)
    alias = np.zeros((contexts, letters), dtype=np.uint8)
    small = np.zeros(letters, dtype=np.int64)
    large = np.zeros(letters, dtype=np.int64)
    for row in range(contexts):
        share = rows[row] * letters
        few = many = 0
        for letter in range(letters):
            alias[row, letter] = letter
            if share[letter] < 1.0:
                small[few] = letter
                few += 1
            else:
                large[many] = letter
                many += 1
        while few > 0 and many > 0:
            few -= 1
            low, high = small[few], large[many - 1]
            threshold[row, low] = min(65535.0, share[low] * 65536.0)
            alias[row, low] = high
            share[high] -= 1.0 - share[low]
            if share[high] < 1.0:
                many -= 1
                small[few] = high
                few += 1
    return threshold, alias


def save_quality_model(model: QualityModel, target: Path) -> None:
    """Write a model: for each context the letters that followed, and how often."""
    flat = model.counts.reshape(-1, model.counts.shape[-1])
    rows, letters = np.nonzero(flat)
    tensors: dict[str, NDArray[Any]] = {
        "phred": model.phred,
        "bin_starts": model.bin_starts,
        "joint": model.joint,
        "per_context": np.bincount(rows, minlength=len(flat)).astype(np.uint8),
        "letters": letters.astype(np.uint8),
        "counts": flat[rows, letters],
        "ambiguous_share": np.array([model.ambiguous_share]),
        "lengths": model.lengths,
        "length_counts": model.length_counts,
    }
    metadata = {"format": FORMAT, "format_version": FORMAT_VERSION, "name": model.name, "source": model.source}
    with atomic_path(target) as temporary:
        # One key only: safetensors writes several in an order that changes from process to process.
        save_file(tensors, temporary, {_METADATA: json.dumps(metadata, sort_keys=True)})


def load_quality_model(source: Path) -> QualityModel:
    """Read what ``save_quality_model`` wrote.

    Raises:
        UsageError: no such file.
        DataError: not a quality model, or one of a newer format.
    """
    if not source.is_file():
        message = f"{source}: no such quality model; shipped are {', '.join(shipped_models())}"
        raise UsageError(message)
    try:
        with safe_open(source, framework="numpy") as stored:
            metadata = json.loads((stored.metadata() or {}).get(_METADATA, "{}"))
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except SafetensorError as error:
        message = f"{source}: not a quality model ({error}); make one with abyssal fit-qualities"
        raise DataError(message) from error
    if (metadata.get("format"), metadata.get("format_version")) != (FORMAT, FORMAT_VERSION):
        found = f"{metadata.get('format')} {metadata.get('format_version')}"
        message = f"{source}: format {found}, expected {FORMAT} {FORMAT_VERSION}; fit the model again"
        raise DataError(message)
    letters, mates = len(tensors["phred"]), tensors["joint"].ndim
    shape = (mates, tensors["joint"].shape[0], len(tensors["bin_starts"]), letters, letters)
    flat = np.zeros((int(np.prod(shape[:-1])), letters), dtype=np.uint16)
    rows = np.repeat(np.arange(len(flat)), tensors["per_context"].astype(np.int64))
    flat[rows, tensors["letters"]] = tensors["counts"]
    return QualityModel(
        metadata["name"], metadata["source"], tensors["phred"], tensors["bin_starts"], tensors["joint"],
        flat.reshape(shape), float(tensors["ambiguous_share"][0]),
        # Models of before lengths were fitted lack them.
        tensors.get("lengths", np.zeros((0, mates), dtype=np.int32)),
        tensors.get("length_counts", np.zeros(0, dtype=np.uint32)),
    )  # fmt: skip


def shipped_models() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(path.stem for path in PROFILES.glob("*.safetensors"))


@cache
def shipped_model(name: str) -> QualityModel:
    """Load a model that comes with the package."""
    return load_quality_model(PROFILES / f"{name}.safetensors")

"""Studies of any size for the scale of discovery: real 18S V4 amplicons, and copies of them with substitutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.benchmark.build import write_dataset
from abyssal.benchmark.discovery import part_of
from abyssal.discovery.describe import EmbeddedReference, StudyAmplicons
from abyssal.encoder.kmers import kmer_profiles
from abyssal.references.gate import fit_gate
from abyssal.references.model import AmpliconReference, read_reference
from abyssal.sequences.alphabet import sequence_id

DATASET = "18s-v4"
DIMENSIONS = 384
"""As many as the shipped encoder's; a million of its vectors would take longer to make than to group."""

SPECIES_APART, MEMBERS, MEMBERS_APART = 0.03, 10, (1, 6)
"""Share of letters that make a new species of an amplicon; ASVs of a species; letters that these differ in from it."""

SAMPLES = 12
_BLOCK = 4_096
_FITTED = 2_000


class Projection:
    """6-mer profiles in the space of their leading principal components, as the encoder's wide branch starts."""

    def __init__(self, sequences: tuple[str, ...]) -> None:
        chosen = np.random.default_rng(1).permutation(len(sequences))[:_FITTED]
        profiles = kmer_profiles([sequences[i] for i in chosen])
        _, _, axes = np.linalg.svd(profiles, full_matrices=False)
        self.axes = np.ascontiguousarray(axes[:DIMENSIONS].T)

    def __call__(self, sequences: tuple[str, ...]) -> NDArray[np.float32]:
        """Return (n, 384) unit rows."""
        vectors = np.empty((len(sequences), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(sequences), _BLOCK):
            rows = kmer_profiles(sequences[start : start + _BLOCK]) @ self.axes
            vectors[start : start + _BLOCK] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return vectors


def make(data: Path, folder: Path, count: int, *, seed: int = 1) -> tuple[StudyAmplicons, EmbeddedReference]:
    """Return a study of about ``count`` ASVs of new species, and a reference that knows none of them."""
    outputs = ("reference.fasta.gz", "lineages.tsv", "vectors.safetensors")
    write_dataset(data, DATASET, 1.0, "kmers", {name.partition(".")[0]: folder / name for name in outputs}, 16)
    everything = read_reference(folder / outputs[0], folder / outputs[1])
    known, unknown = (_part(everything, reference=reference) for reference in (True, False))
    project = Projection(known.sequences)
    gate = dict(fit_gate(known.sequences, quantile=0.5, rng=np.random.default_rng(seed)))
    named = EmbeddedReference(known, project(known.sequences), float(gate["distance"]), int(gate["k"]))
    sequences = _copies(unknown.sequences, count, np.random.default_rng(seed))
    random = np.random.default_rng(seed + 1)
    reads = np.minimum(random.zipf(1.6, size=len(sequences)), 100_000)
    counts = np.zeros((len(sequences), SAMPLES), dtype=np.int64)
    for column in random.integers(0, SAMPLES, size=(4, len(sequences))):
        counts[np.arange(len(sequences)), column] += -(-reads // 4)
    samples = tuple(f"S{number}" for number in range(SAMPLES))
    return StudyAmplicons(tuple(map(sequence_id, sequences)), sequences, project(sequences), samples, counts), named


def _part(everything: AmpliconReference, *, reference: bool) -> AmpliconReference:
    """Return the amplicons whose species the study's reference knows, or those it does not."""
    names = [lineage[-1] for lineage in everything.lineages]
    return everything.subset(
        [i for i, name in enumerate(names) if name is not None and (part_of(name) == "reference") == reference]
    )


def _copies(amplicons: tuple[str, ...], count: int, random: np.random.Generator) -> tuple[str, ...]:
    found: dict[str, None] = {}
    while len(found) < count:
        letters = np.frombuffer(amplicons[int(random.integers(len(amplicons)))].encode(), dtype=np.uint8)
        species = _substituted(letters, round(SPECIES_APART * letters.size), random)
        for apart in random.integers(*MEMBERS_APART, size=MEMBERS, endpoint=True):
            found[_substituted(species, int(apart), random).tobytes().decode()] = None
    return tuple(found)


def _substituted(letters: NDArray[np.uint8], count: int, random: np.random.Generator) -> NDArray[np.uint8]:
    changed = letters.copy()
    places = random.integers(0, letters.size, size=count)
    changed[places] = np.frombuffer(b"ACGT", dtype=np.uint8)[random.integers(0, 4, size=count)]
    return changed

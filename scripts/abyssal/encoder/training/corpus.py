"""What an encoder may be trained on, what it is measured on, and the proof that the two do not meet.

An amplicon is trainable when every lineage that carries it is (``abyssal.splits``), no held-out record of any reference
has its sequence, no excluded FASTA has its accession, and no excluded sequence contains it or is contained in it.
Held-out amplicons are split once more: one half steers early stopping, the other half is only reported on.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abyssal.references.model import AmpliconReference, Lineage
from abyssal.sequences.alphabet import sequence_id
from abyssal.splits import encoder_may_train_on, genus_part, species_part

RANKS = ("species", "genus", "family")
"""Ranks that the contrast uses, lowest first."""
KNOWN_QUERY_SHARE = 0.05
"""Share of the trainable amplicons of species with several that is set aside to measure known species."""
_ANCHOR = 32

Group = Literal["known species", "new species", "new genus"]
Part = Literal["calibrate", "report"]


@dataclass(frozen=True)
class Exclusions:
    """Records that must stay out whatever their name: queries of published benchmarks."""

    accessions: frozenset[str]
    sequences: frozenset[str]


@dataclass(frozen=True)
class Query:
    """A held-out amplicon with the names it is graded on (None: unknown) and the group it belongs to."""

    sequence: str
    names: tuple[str | None, ...]
    group: Group
    part: Part


@dataclass(frozen=True)
class MarkerCorpus:
    """One marker's amplicons.

    Attributes:
        marker: name of the marker.
        sequences: trainable amplicons, ordered by sequence.
        labels: (n, 3) int64 numbers of species, genus and family within this marker; -1 where unknown.
        names: (n, 3) the same as names; None where unknown.
        queries: held-out amplicons that are graded.
        dropped: how many amplicons were left out, by reason.
    """

    marker: str
    sequences: tuple[str, ...]
    labels: NDArray[np.int64]
    names: tuple[tuple[str | None, ...], ...]
    queries: tuple[Query, ...]
    dropped: Mapping[str, int]


def build_corpus(references: Mapping[str, AmpliconReference], exclusions: Exclusions) -> tuple[MarkerCorpus, ...]:
    """Split the references of all markers; markers in the order of their names."""
    held_out = frozenset(
        sequence
        for reference in references.values()
        for sequence, members in zip(reference.sequences, reference.members, strict=True)
        if not all(_trainable(reference.ranks, lineage) for _, lineage in members)
    )
    excluded = _overlapping(
        [sequence for reference in references.values() for sequence in reference.sequences], exclusions.sequences
    )
    return tuple(
        _marker_corpus(marker, references[marker], held_out, exclusions.accessions, excluded)
        for marker in sorted(references)
    )


def training_hashes(corpora: Iterable[MarkerCorpus]) -> NDArray[np.uint64]:
    """Return the sorted distinct 64-bit hashes of all training amplicons; see ``sequence_hash``."""
    hashes = {sequence_hash(sequence) for corpus in corpora for sequence in corpus.sequences}
    return np.array(sorted(hashes), dtype=np.uint64)


def sequence_hash(sequence: str) -> int:
    """Return the first 64 bits of a sequence's MD5, the one that also names ASVs."""
    return int(sequence_id(sequence)[:16], 16)


def _marker_corpus(
    marker: str,
    reference: AmpliconReference,
    held_out: frozenset[str],
    accessions: frozenset[str],
    excluded: frozenset[str],
) -> MarkerCorpus:
    dropped: Counter[str] = Counter()
    trainable: list[tuple[str, tuple[str | None, ...]]] = []
    candidates: list[tuple[str, tuple[str | None, ...]]] = []
    for sequence, members, lineage in sorted(
        zip(reference.sequences, reference.members, reference.lineages, strict=True)
    ):
        names = _names(reference.ranks, lineage)
        if sequence in excluded or any(accession in accessions for accession, _ in members):
            dropped["benchmark query"] += 1
        elif sequence in held_out:
            dropped["held-out taxon"] += 1
            candidates.append((sequence, names))
        else:
            trainable.append((sequence, names))
    training, known = _set_aside(trainable)
    dropped["query of a known species"] = len(known)
    queries = [Query(sequence, names, "known species", _half(sequence)) for sequence, names in known]
    queries += _held_out_queries(candidates, training)
    names_of_training = tuple(names for _, names in training)
    return MarkerCorpus(
        marker,
        tuple(sequence for sequence, _ in training),
        _numbers(names_of_training),
        names_of_training,
        tuple(queries),
        dict(sorted(dropped.items())),
    )


def _set_aside(
    trainable: Sequence[tuple[str, tuple[str | None, ...]]],
) -> tuple[list[tuple[str, tuple[str | None, ...]]], list[tuple[str, tuple[str | None, ...]]]]:
    """Split off queries of known species; every species keeps at least one amplicon to be found by."""
    left = Counter(names[0] for _, names in trainable)
    training, known = [], []
    for sequence, names in trainable:
        chosen = _uniform(f"known:{sequence}") < KNOWN_QUERY_SHARE
        if chosen and names[0] is not None and left[names[0]] > 1:
            left[names[0]] -= 1
            known.append((sequence, names))
        else:
            training.append((sequence, names))
    return training, known


def _held_out_queries(
    candidates: Sequence[tuple[str, tuple[str | None, ...]]], training: Sequence[tuple[str, tuple[str | None, ...]]]
) -> list[Query]:
    genera = {names[1] for _, names in training}
    families = {names[2] for _, names in training}
    queries = []
    for sequence, names in candidates:
        species, genus, family = names
        if genus is not None and genus_part(genus) == "train" and genus in genera and species is not None:
            part = species_part(species)
            if part != "train":
                queries.append(Query(sequence, names, "new species", part))
        elif genus is not None and genus not in genera and family in families and family is not None:
            part = genus_part(genus)
            if part != "train":
                queries.append(Query(sequence, names, "new genus", part))
    return queries


def _overlapping(sequences: Sequence[str], excluded: frozenset[str]) -> frozenset[str]:
    """Return the sequences that equal, contain or are contained in an excluded one.

    Only pairs that share the shorter one's middle letters can; those are found through an index.
    """
    by_anchor: dict[str, list[str]] = defaultdict(list)
    for sequence in excluded:
        by_anchor[_anchor(sequence)].append(sequence)
    found = {
        sequence
        for sequence in sequences
        if any(other in sequence for window in _windows(sequence) for other in by_anchor.get(window, ()))
    }
    by_anchor = defaultdict(list)
    for sequence in set(sequences) - found:
        by_anchor[_anchor(sequence)].append(sequence)
    for other in excluded:
        for window in _windows(other):
            found.update(sequence for sequence in by_anchor.get(window, ()) if sequence in other)
    return frozenset(found)


def _anchor(sequence: str) -> str:
    middle = max(0, len(sequence) // 2 - _ANCHOR // 2)
    return sequence[middle : middle + _ANCHOR]


def _windows(sequence: str) -> set[str]:
    return {sequence[start : start + _ANCHOR] for start in range(max(1, len(sequence) - _ANCHOR + 1))}


def _trainable(ranks: tuple[str, ...], lineage: Lineage) -> bool:
    species, genus, _ = _names(ranks, lineage)
    return encoder_may_train_on(genus, species)


def _names(ranks: tuple[str, ...], lineage: Lineage) -> tuple[str | None, ...]:
    by_rank = dict(zip(ranks, lineage, strict=True))
    return tuple(by_rank.get(rank) for rank in RANKS)


def _numbers(names: Sequence[tuple[str | None, ...]]) -> NDArray[np.int64]:
    labels = np.full((len(names), len(RANKS)), -1, dtype=np.int64)
    for column in range(len(RANKS)):
        known = sorted({row[column] for row in names} - {None}, key=str)
        numbers = {name: number for number, name in enumerate(known)}
        labels[:, column] = [-1 if row[column] is None else numbers[row[column]] for row in names]
    return labels


def _half(sequence: str) -> Part:
    return "calibrate" if _uniform(f"half:{sequence}") < 0.5 else "report"


def _uniform(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64

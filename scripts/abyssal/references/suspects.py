"""Records whose label their neighbours contradict.

A wrong label shows in two ways at once: several close amplicons agree on another taxon, and the nearest other amplicon
of the record's own taxon is far away. Either alone is common in clean data (sister families, thin families), so both
are asked for. The same question at the rank above (family and order, say) finds wrong labels whose own small family is
scattered over the marker's neighbourhood: what lies nearer then agrees on the order at least. Similarity is the
cosine of composition profiles, exact and in blocks; nothing is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.errors import UsageError
from abyssal.files import open_atomic
from abyssal.references.composition import composition_profiles
from abyssal.references.model import AmpliconReference

_BLOCK = 512
_MAX_FINE = 8_000
_MAX_COLUMNS = 60_000
_FINE_K, _COARSE_K = 6, 5
_COLUMNS = (
    "amplicon", "accession", "rank", "label", "consensus", "similarity", "own_similarity", "supporters", "agreement"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suspect:
    """A record with evidence against its label.

    Attributes:
        amplicon: id of the amplicon.
        accession: the record.
        rank: rank at which the label is doubted.
        label: what the record says.
        consensus: what its neighbours say.
        similarity: cosine to the nearest neighbour with the consensus name, 0 to 1.
        own_similarity: cosine to the nearest other amplicon with the record's own name, 0 to 1.
        supporters: neighbours with the consensus name that are nearer than the nearest one with its own.
        agreement: share of the nearer neighbours that carry the consensus name, 0 to 1.
    """

    amplicon: str
    accession: str
    rank: str
    label: str
    consensus: str
    similarity: float
    own_similarity: float
    supporters: int
    agreement: float


@dataclass(frozen=True, slots=True)
class SuspectSettings:
    """When a label is doubted; the defaults were chosen on noise planted in 18S V4 and COI (see ``noise``).

    Attributes:
        margin: how many times further (1 - cosine) the own name must be than the consensus.
        min_similarity: cosine the nearest consensus neighbour must reach.
        min_supporters: neighbours that must agree.
        min_agreement: share of the nearer neighbours that must agree.
        neighbours: nearest amplicons looked at.
    """

    margin: float = 1.2
    min_similarity: float = 0.3
    min_supporters: int = 2
    min_agreement: float = 0.4
    neighbours: int = 5


@dataclass(frozen=True)
class _Entries:
    """Distinct (amplicon, names) pairs; an amplicon with two names has two entries.

    Attributes:
        amplicons: (n,) position of each entry's amplicon.
        ranks: positions of the ranks looked at, the one asked for first.
        names: (ranks, n) number of each entry's name in its vocabulary, -1 for an unknown one.
        vocabularies: names of each rank.
    """

    amplicons: NDArray[np.int64]
    ranks: tuple[int, ...]
    names: NDArray[np.int64]
    vocabularies: tuple[list[str], ...]


def suspect_rank(ranks: tuple[str, ...]) -> str:
    """Return the rank at which labels are checked: family, or the third from below where there is none."""
    if "family" in ranks:
        return "family"
    return ranks[max(0, len(ranks) - 3)]


def find_suspects(
    reference: AmpliconReference, *, rank: str | None = None, settings: SuspectSettings | None = None
) -> list[Suspect]:
    """Return the suspects, worst first (by agreement and by how much nearer the consensus is).

    Labels are checked at ``rank`` and at the rank above it; a record doubted at both is named once, at ``rank``. A name
    that only one amplicon carries cannot be checked and is never suspected. References beyond 60,000 amplicons are
    compared with at most 60,000 of their own, the same number for every name where possible.

    Raises:
        UsageError: the reference has no such rank.
    """
    settings = settings or SuspectSettings()
    rank = rank or suspect_rank(reference.ranks)
    if rank not in reference.ranks:
        message = f"no rank {rank!r} in this reference; expected one of {', '.join(reference.ranks)}"
        raise UsageError(message)
    position = reference.ranks.index(rank)
    entries = _entries(reference, tuple(range(position, max(position - 2, -1), -1)))
    if entries.amplicons.size == 0:
        return []
    columns = _columns(entries)
    k = _FINE_K if columns.size <= _MAX_FINE else _COARSE_K
    profiles = composition_profiles([reference.sequences[i] for i in entries.amplicons[columns]], k=k)
    found: dict[tuple[str, str], Suspect] = {}
    for first in range(0, entries.amplicons.size, _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, entries.amplicons.size))
        queries = composition_profiles([reference.sequences[i] for i in entries.amplicons[rows]], k=k)
        similarity = queries @ profiles.T
        similarity[rows[:, None] == columns[None, :]] = -1.0
        for level in range(len(entries.ranks)):
            for suspect in _judge(reference, entries, level, rows, columns, similarity, settings):
                found.setdefault((suspect.amplicon, suspect.accession), suspect)
    return sorted(found.values(), key=lambda s: (-s.agreement, s.own_similarity - s.similarity, s.accession))


def _entries(reference: AmpliconReference, ranks: tuple[int, ...]) -> _Entries:
    vocabularies: list[dict[str, int]] = [{} for _ in ranks]
    pairs: dict[tuple[int, ...], None] = {}
    for amplicon, members in enumerate(reference.members):
        for _, lineage in members:
            if lineage[ranks[0]] is not None:
                numbers = [
                    -1 if (name := lineage[rank]) is None else vocabulary.setdefault(name, len(vocabulary))
                    for rank, vocabulary in zip(ranks, vocabularies, strict=True)
                ]
                pairs[amplicon, *numbers] = None
    table = np.array(list(pairs), dtype=np.int64).reshape(-1, 1 + len(ranks))
    return _Entries(table[:, 0], ranks, table[:, 1:].T.copy(), tuple(map(list, vocabularies)))


def _columns(entries: _Entries) -> NDArray[np.int64]:
    """Return the entries compared against, ordered by name: all of them, or evenly many of every name."""
    order = np.argsort(entries.names[0], kind="stable")
    if order.size <= _MAX_COLUMNS:
        return order
    names = entries.names[0][order]
    starts = np.searchsorted(names, names)
    place = np.arange(order.size) - starts
    low, high = 1, order.size
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if (place < middle).sum() <= _MAX_COLUMNS else (low, middle - 1)
    return np.asarray(order[place < low])


def _judge(
    reference: AmpliconReference,
    entries: _Entries,
    level: int,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    similarity: NDArray[np.float32],
    settings: SuspectSettings,
) -> list[Suspect]:
    """Return the suspects among ``rows`` at one of the entries' ranks; ``similarity``: (rows, columns)."""
    rank, vocabulary = entries.ranks[level], entries.vocabularies[level]
    names, labels = entries.names[level][columns], entries.names[level][rows]
    own = _own_similarity(similarity, names, labels, len(vocabulary))
    count = min(settings.neighbours, columns.size)
    top = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
    suspects: list[Suspect] = []
    for row in np.flatnonzero(labels >= 0):
        found = _consensus(names[top[row]], similarity[row, top[row]], float(own[row]), settings)
        if found is None:
            continue
        name, nearest, supporters, agreement = found
        label, amplicon = vocabulary[labels[row]], int(entries.amplicons[rows[row]])
        suspects.extend(
            Suspect(
                reference.ids[amplicon], accession, reference.ranks[rank], label, vocabulary[name],
                round(nearest, 4), round(float(own[row]), 4), supporters, round(agreement, 4),
            )
            for accession, lineage in reference.members[amplicon]
            if lineage[rank] == label
        )  # fmt: skip
    return suspects


def _own_similarity(
    similarity: NDArray[np.float32], names: NDArray[np.int64], labels: NDArray[np.int64], size: int
) -> NDArray[np.float32]:
    """Return each row's similarity to the nearest column with its own name, -1 where there is none."""
    order = np.argsort(names, kind="stable")
    ordered = names[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    # One place more than names: unknown names have number -1 and end up in the last one.
    best = np.full((len(similarity), size + 1), -1.0, dtype=np.float32)
    best[:, ordered[starts]] = np.maximum.reduceat(similarity[:, order], starts, axis=1)
    return np.asarray(best[np.arange(len(labels)), labels])


def _consensus(
    names: NDArray[np.int64], similarity: NDArray[np.float32], own: float, settings: SuspectSettings
) -> tuple[int, float, int, float] | None:
    """Return (name, nearest similarity, supporters, agreement) of what contradicts the own name, or None."""
    if own < 0:
        return None
    nearer = (similarity > own) & (names >= 0)
    if int(nearer.sum()) < settings.min_supporters:
        return None
    candidates, votes = np.unique(names[nearer], return_counts=True)
    winner = int(np.argmax(votes))
    name, supporters = int(candidates[winner]), int(votes[winner])
    agreement = supporters / int(nearer.sum())
    nearest = float(similarity[nearer & (names == name)].max())
    if supporters < settings.min_supporters or agreement < settings.min_agreement:
        return None
    if nearest < settings.min_similarity or 1.0 - own < settings.margin * (1.0 - nearest):
        return None
    return name, nearest, supporters, agreement


def without_suspects(reference: AmpliconReference, suspects: list[Suspect]) -> AmpliconReference:
    """Return the reference without the suspected records; amplicons left without a record disappear."""
    doubted = {(suspect.amplicon, suspect.accession) for suspect in suspects}
    members = tuple(
        tuple(pair for pair in pairs if (amplicon, pair[0]) not in doubted)
        for amplicon, pairs in zip(reference.ids, reference.members, strict=True)
    )
    kept = AmpliconReference(reference.ranks, reference.ids, reference.sequences, members)
    return kept.subset([position for position, pairs in enumerate(members) if pairs])


def write_suspects(target: Path, suspects: list[Suspect]) -> None:
    """Write one row a suspect, worst first; the header alone when there are none."""
    with open_atomic(target) as out:
        out.write("\t".join(_COLUMNS) + "\n")
        for suspect in suspects:
            out.write("\t".join(str(getattr(suspect, column)) for column in _COLUMNS) + "\n")

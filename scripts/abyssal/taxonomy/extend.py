"""New reference taxa in a fitted model: appended to the index, the calibrators left as they are.

What a read is told may only change where an added amplicon is among its neighbours. So everything that was known of the
old amplicons and taxa when the calibrators were fitted (their surroundings, their sizes) stays as it was; what is added
is described by the reference as it is now. Fitting again brings both up to date and may change every answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abyssal.errors import ReferenceFormatError
from abyssal.references.model import AmpliconReference, Lineage
from abyssal.taxonomy.index import build_index
from abyssal.taxonomy.model import Model
from abyssal.taxonomy.neighbourhood import local_similarities, neighbour_lists

_SHOWN = 5


@dataclass(frozen=True)
class Extension:
    """A reference with additions.

    Attributes:
        reference: the old amplicons in their places, then the new ones.
        added: (p,) bool, pairs of amplicon and lineage that were not there.
        amplicons: number of new amplicons.
        merged: number of old amplicons that got a lineage more.
        present: number of pairs that were there already.
        taxa: new names per rank.
    """

    reference: AmpliconReference
    added: NDArray[np.bool_]
    amplicons: int
    merged: int
    present: int
    taxa: dict[str, int]


def extend_reference(old: AmpliconReference, new: AmpliconReference, *, source: str) -> Extension:
    """Join two references with the same ranks; an amplicon of both carries the lineages of both.

    ``source`` is what messages call the additions.

    Raises:
        ReferenceFormatError: the ranks differ, an id already stands for another sequence, or a taxon that the old
            reference has gets another parent.
    """
    check_ranks(old.ranks, new.ranks, source)
    _check_parents(old, new, source)
    _check_identifiers(old, new, source)
    places = {sequence: place for place, sequence in enumerate(old.sequences)}
    members = [list(pairs) for pairs in old.members]
    ids, sequences = list(old.ids), list(old.sequences)
    fresh: list[list[bool]] = [[False] * len(pairs) for pairs in members]
    present = 0
    for name, sequence, pairs in zip(new.ids, new.sequences, new.members, strict=True):
        place = places.get(sequence)
        if place is None:
            place = len(ids)
            ids.append(name)
            sequences.append(sequence)
            members.append([])
            fresh.append([])
        known = {lineage for _, lineage in members[place]}
        missing = [pair for pair in pairs if pair[1] not in known]
        present += len(pairs) - len(missing)
        members[place] += missing
        fresh[place] += [True] * len(missing)
    reference = AmpliconReference(old.ranks, tuple(ids), tuple(sequences), tuple(map(tuple, members)))
    return Extension(
        reference,
        np.array([flag for flags in fresh for flag in flags], dtype=np.bool_),
        len(ids) - len(old),
        sum(any(flags) for flags in fresh[: len(old)]),
        present,
        _new_names(old, new),
    )


def check_ranks(expected: tuple[str, ...], found: tuple[str, ...], source: str) -> None:
    """Raise ReferenceFormatError when additions have other ranks than the bundle."""
    if found != expected:
        message = (
            f"{source}: its ranks are {', '.join(found)}; the bundle's are {', '.join(expected) or 'none'}: give one "
            "column a rank with these names in this order, empty where unknown"
        )
        raise ReferenceFormatError(message)


def _check_identifiers(old: AmpliconReference, new: AmpliconReference, source: str) -> None:
    taken = dict(zip(old.ids, old.sequences, strict=True))
    for name, sequence in zip(new.ids, new.sequences, strict=True):
        if taken.get(name, sequence) != sequence:
            message = f"{source}: identifier {name!r} already stands for another sequence in the bundle; rename it"
            raise ReferenceFormatError(message)


def _parents(reference: AmpliconReference) -> dict[tuple[int, str], set[Lineage]]:
    """Return the distinct paths above each (rank, name)."""
    paths: dict[tuple[int, str], set[Lineage]] = {}
    for pairs in reference.members:
        for _, lineage in pairs:
            for rank, name in enumerate(lineage):
                if name is not None:
                    paths.setdefault((rank, name), set()).add(lineage[:rank])
    return paths


def _check_parents(old: AmpliconReference, new: AmpliconReference, source: str) -> None:
    known = _parents(old)
    wrong: list[str] = []
    for pairs in new.members:
        for accession, lineage in pairs:
            for rank, name in enumerate(lineage):
                paths = known.get((rank, name), set()) if name is not None else set()
                if paths and not any(_agree(path, lineage[:rank]) for path in paths):
                    there = "; ".join(part or "-" for part in min(paths, key=str))
                    here = "; ".join(part or "-" for part in lineage[:rank])
                    wrong.append(
                        f"{accession}: {new.ranks[rank]} {name!r} is below {here}, in the bundle below {there}"
                    )
                    break
    if wrong:
        message = (
            f"{source}: {len(wrong)} records give a taxon of the bundle another parent; give it the bundle's, or leave "
            "the contested ranks empty:\n  " + "\n  ".join(wrong[:_SHOWN])
        )
        raise ReferenceFormatError(message)


def _agree(one: Lineage, other: Lineage) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))


def _new_names(old: AmpliconReference, new: AmpliconReference) -> dict[str, int]:
    counts = {}
    for rank, title in enumerate(old.ranks):
        names = [
            {lineage[rank] for pairs in reference.members for _, lineage in pairs} - {None} for reference in (old, new)
        ]
        counts[title] = len(names[1] - names[0])
    return counts


def extend_model(model: Model, extension: Extension, embed: Callable[[list[str]], NDArray[np.float32]]) -> Model:
    """Return the model with the extension's amplicons in its index.

    Args:
        model: the fitted model whose reference was extended.
        extension: what ``extend_reference`` returned.
        embed: sequences to (n, d) float32 vectors, the model's own encoder.
    """
    first = len(model.index)
    vectors = np.concatenate([model.index.vectors, embed(list(extension.reference.sequences[first:]))])
    rounded = vectors.astype(np.float16).astype(np.float32)
    lists = None if model.index.lists is None else model.index.lists.extended(rounded[first:])
    added = extension.added
    if model.index.taxa.added is not None:
        added = added | _earlier(model, extension)
    index = build_index(extension.reference, rounded, lists=lists, added=added)
    count = len(index) - first
    nothing = np.full(count, -1, dtype=np.int64)
    places, similar = neighbour_lists(index, first)
    # The function looks lists up by amplicon; the new ones' begin at ``first``.
    padded = (np.concatenate([np.full((first, places.shape[1]), -1), places]),
              np.concatenate([np.zeros((first, places.shape[1]), dtype=np.float32), similar]))  # fmt: skip
    every = np.arange(first, len(index), dtype=np.int64)[:, None]
    local = local_similarities(index.taxa, padded, every, (nothing, nothing, nothing))[:, 0]
    return replace(model, index=index, local=np.concatenate([model.local, local]))


def _earlier(model: Model, extension: Extension) -> NDArray[np.bool_]:
    """Spread what had been added before over the pairs of the extended reference: old pairs keep their order."""
    assert model.index.taxa.added is not None
    spread = np.zeros(extension.added.size, dtype=np.bool_)
    old = np.flatnonzero(~extension.added)
    spread[old] = model.index.taxa.added
    return spread

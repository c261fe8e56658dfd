"""The retrieval index: reference vectors, sparse k-mer profiles and the taxa that each amplicon may stand for.

An amplicon can carry several lineages; each (amplicon, lineage) is a *pair*. A placeholder has code -1: it names
nothing, votes for nothing and is no denominator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.approximate import BLOCK, EXACT_LIMIT, ApproximateSearch, CoarseLists, largest
from abyssal.taxonomy.profiles import SparseProfiles, sparse_profiles

UNKNOWN = -1


@dataclass(frozen=True)
class TaxonTable:
    """Integer codes of all taxa.

    Attributes:
        ranks: rank names, highest first.
        names: per rank the sorted taxon names; a code is a position in it.
        pair_offsets: (n + 1,) int64, the pairs of each amplicon.
        pair_codes: (p, R) int32, code per pair and rank, -1 for a placeholder.
        added: (p,) bool, pairs that came after the calibrators were fitted; None when there are none.
    """

    ranks: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    pair_offsets: NDArray[np.int64]
    pair_codes: NDArray[np.int32]
    added: NDArray[np.bool_] | None = None

    @cached_property
    def pair_amplicons(self) -> NDArray[np.int64]:
        """(p,) int64, the amplicon of each pair."""
        counts = np.diff(self.pair_offsets)
        return np.repeat(np.arange(counts.size, dtype=np.int64), counts)

    @cached_property
    def fresh(self) -> NDArray[np.bool_] | None:
        """(n,) bool, amplicons that came as a whole after the fit; None when there are no additions."""
        return None if self.added is None else np.logical_and.reduceat(self.added, self.pair_offsets[:-1])

    @cached_property
    def sizes(self) -> tuple[NDArray[np.int64], ...]:
        """Per rank the number of distinct amplicons of each taxon.

        A taxon keeps the size it had when the calibrators were fitted, so that a later addition does not change what
        is known of reads it has nothing to do with; taxa that were added have theirs.
        """
        return tuple(self._size(rank) for rank in range(len(self.ranks)))

    def _size(self, rank: int) -> NDArray[np.int64]:
        everything = self._count(rank, np.ones(len(self.pair_codes), dtype=np.bool_))
        if self.added is None:
            return everything
        fitted = self._count(rank, ~self.added)
        return np.where(fitted > 0, fitted, everything)

    def _count(self, rank: int, counted: NDArray[np.bool_]) -> NDArray[np.int64]:
        codes = self.pair_codes[:, rank].astype(np.int64)
        known = (codes >= 0) & counted
        keys = np.unique(codes[known] * (self.pair_offsets.size) + self.pair_amplicons[known])
        return np.bincount(keys // self.pair_offsets.size, minlength=len(self.names[rank]))

    @cached_property
    def facts(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Flat numbers per taxon; the taxon of code c at rank r is row ``starts[r] + c``.

        (T,) int64 amplicons, (T, 2) int64 children and children with one amplicon, (R + 1,) int64 starts.
        """
        starts = np.zeros(len(self.ranks) + 1, dtype=np.int64)
        np.cumsum([len(level) for level in self.names], out=starts[1:])
        sizes = np.concatenate([np.zeros(0, dtype=np.int64), *self.sizes])
        children = np.zeros((int(starts[-1]), 2), dtype=np.int64)
        for rank in range(len(self.ranks) - 1):
            both = self._links(rank)
            single = sizes[starts[rank + 1] + both[:, 1]] == 1
            np.add.at(children[:, 0], starts[rank] + both[:, 0], 1)
            np.add.at(children[:, 1], starts[rank] + both[single, 0], 1)
        return sizes, children, starts

    def _links(self, rank: int) -> NDArray[np.int64]:
        """Distinct (taxon, child) codes that count; as with ``sizes`` those of the fit, where it had any."""
        both = self.pair_codes[:, rank : rank + 2]
        named = (both >= 0).all(axis=1)
        if self.added is not None:
            old = np.flatnonzero(self._count(rank, ~self.added))
            named &= ~(self.added & np.isin(both[:, 0], old))
        return np.unique(both[named], axis=0).astype(np.int64)

    def name(self, rank: int, code: int) -> str | None:
        """Return the name behind a code; None for -1."""
        return None if code < 0 else self.names[rank][code]


def taxon_table(reference: AmpliconReference, *, added: NDArray[np.bool_] | None = None) -> TaxonTable:
    """Number the taxa of a reference, rank by rank, in the order of their names; for ``added`` see ``TaxonTable``."""
    pairs = [lineage for members in reference.members for _, lineage in members]
    names = tuple(
        tuple(sorted({lineage[rank] for lineage in pairs if lineage[rank] is not None}))  # type: ignore[type-var]
        for rank in range(len(reference.ranks))
    )
    lookup = [{name: code for code, name in enumerate(level)} for level in names]
    codes = np.full((len(pairs), len(reference.ranks)), UNKNOWN, dtype=np.int32)
    for row, lineage in enumerate(pairs):
        for rank, name in enumerate(lineage):
            if name is not None:
                codes[row, rank] = lookup[rank][name]
    offsets = np.zeros(len(reference) + 1, dtype=np.int64)
    np.cumsum([len(members) for members in reference.members], out=offsets[1:])
    return TaxonTable(reference.ranks, names, offsets, codes, added)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ReferenceIndex:
    """What a read is compared with.

    Attributes:
        reference: the amplicons and their lineages.
        taxa: codes of the taxa.
        vectors: (n, d) float32 unit rows, rounded to float16 so that a stored index gives the same answers.
        profiles: sparse k-mer profiles of the amplicons.
        lists: which vectors a query is compared with, in a reference too large for all; None compares it with all.
    """

    reference: AmpliconReference
    taxa: TaxonTable
    vectors: NDArray[np.float32]
    profiles: SparseProfiles
    lists: CoarseLists | None = None

    def __len__(self) -> int:
        return len(self.reference)

    @cached_property
    def lengths(self) -> NDArray[np.float32]:
        """(n,) float32 lengths of the amplicons (bases); one zero stands for an empty index."""
        return np.array([len(sequence) for sequence in self.reference.sequences] or [0], dtype=np.float32)

    @cached_property
    def _columns(self) -> NDArray[np.float32]:
        """The vectors side by side, (d, n): a quarter faster to multiply with than seen through a transpose."""
        return np.ascontiguousarray(self.vectors.T)

    @cached_property
    def _approximate(self) -> ApproximateSearch | None:
        return None if self.lists is None else ApproximateSearch(self.vectors, self.lists)

    def neighbours_within(self, count: int, first: int = 0) -> NDArray[np.int64]:
        """Return (n - first, count) the nearest other amplicons of each amplicon from ``first`` on, -1 at the end."""
        rows = np.arange(first, len(self), dtype=np.int64)
        if self._approximate is None:
            return self.search_without(self.vectors[first:], count, list(rows[:, None]))[0]
        places, _ = self.search(self.vectors[first:], count + 1)
        # Moves the amplicon itself to the end of its list, whether it was found or not.
        order = np.argsort(places == rows[:, None], axis=1, kind="stable")
        return np.take_along_axis(places, order, axis=1)[:, :count]

    def search(self, vectors: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return positions and similarities of the ``count`` nearest amplicons, nearest first, ties by position.

        Args:
            vectors: (q, d) float32 unit rows.
            count: neighbours asked for; places beyond the index's size are -1.

        Returns:
            (q, count) int64 positions and (q, count) float32 dot products.
        """
        if self._approximate is not None:
            return self._approximate.search(vectors, count)
        return self._search(vectors, count, None)

    def search_without(
        self, vectors: NDArray[np.float32], count: int, banned: list[NDArray[np.int64]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Like ``search``, always exact, but query i never sees the amplicons at positions ``banned[i]``."""
        return self._search(vectors, count, banned)

    def _search(
        self, vectors: NDArray[np.float32], count: int, banned: list[NDArray[np.int64]] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        rows = vectors.shape[0]
        places = np.full((rows, count), UNKNOWN, dtype=np.int64)
        values = np.full((rows, count), -2.0, dtype=np.float32)
        if len(self) == 0:
            return places, values
        block = np.zeros((BLOCK, vectors.shape[1]), dtype=np.float32)
        products = np.empty((BLOCK, len(self)), dtype=np.float32)
        for start in range(0, rows, BLOCK):
            part = vectors[start : start + BLOCK]
            block[: len(part)] = part
            block[len(part) :] = 0.0
            np.matmul(block, self._columns, out=products)
            if banned is not None:
                for row in range(len(part)):
                    products[row, banned[start + row]] = -2.0
            largest(products[: len(part)], places[start : start + len(part)], values[start : start + len(part)])
        return places, values


def build_index(
    reference: AmpliconReference,
    vectors: NDArray[np.float32],
    *,
    lists: CoarseLists | None = None,
    added: NDArray[np.bool_] | None = None,
) -> ReferenceIndex:
    """Build the index of a reference whose amplicons have these vectors, in the same order.

    Args:
        reference, vectors: n amplicons and (n, d) vectors.
        lists: stored lists of a large reference; None makes them beyond ``EXACT_LIMIT`` vectors.
        added: (p,) pairs of amplicon and lineage that came after the fit; None when there are none.
    """
    if vectors.shape[0] != len(reference):
        message = f"{vectors.shape[0]} vectors for {len(reference)} amplicons"
        raise ValueError(message)
    rounded = np.ascontiguousarray(vectors.astype(np.float16).astype(np.float32))
    if lists is None and len(reference) > EXACT_LIMIT:
        lists = CoarseLists.train(rounded)
    taxa = taxon_table(reference, added=added)
    return ReferenceIndex(reference, taxa, rounded, sparse_profiles(reference.sequences), lists)

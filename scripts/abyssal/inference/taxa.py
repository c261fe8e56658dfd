"""The numbered taxa of a model, so that an answer carries numbers and the names travel once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from abyssal.errors import BundleError
from abyssal.references.model import Lineage

_REMEMBERED_LINEAGES = 200_000


class NumberedTaxa:
    """Taxa numbered from 1, parents before children; number 0 means "no taxon".

    Attributes:
        ranks: rank names, highest first.
        names: name of each taxon; ``names[0]`` belongs to number 1.
        rank_numbers: rank of each taxon, 1 for the highest.
        parents: number of the nearest named ancestor of each taxon, or 0.
    """

    def __init__(
        self, ranks: Sequence[str], names: Sequence[str], rank_numbers: Sequence[int], parents: Sequence[int]
    ) -> None:
        self.ranks = tuple(ranks)
        self.names = tuple(names)
        self.rank_numbers = tuple(rank_numbers)
        self.parents = tuple(parents)
        self._by_parent: dict[tuple[int, int, str], int] = {}
        self._by_name: dict[tuple[int, str], int] = {}
        for number, key in enumerate(zip(self.parents, self.rank_numbers, self.names, strict=True), start=1):
            self._by_parent[key] = number
            self._by_name.setdefault(key[1:], number)
        self._numbers_of: dict[Lineage, tuple[int, ...]] = {}
        self._packed: dict[Lineage, bytes] = {}

    @classmethod
    def from_lineages(cls, ranks: Sequence[str], lineages: Iterable[Lineage]) -> NumberedTaxa:
        """Number every taxon of the lineages; the result does not depend on their order."""
        known: dict[tuple[int, int, str], int] = {}
        for lineage in sorted(set(lineages), key=lambda names: tuple(name or "" for name in names)):
            parent = 0
            for rank, name in enumerate(lineage, start=1):
                if name is not None:
                    parent = known.setdefault((parent, rank, name), len(known) + 1)
        return cls(ranks, [name for _, _, name in known], [rank for _, rank, _ in known], [up for up, _, _ in known])

    @classmethod
    def from_file(cls, source: Path, ranks: Sequence[str]) -> NumberedTaxa:
        """Number the taxa of a bundle's ``taxonomy.tsv``; a bundle without one has no named taxa.

        Raises:
            BundleError: the file lacks the column of a rank, or a row has another width; names the row.
        """
        if not source.is_file():
            return cls.from_lineages(ranks, ())
        with source.open(encoding="utf-8") as stream:
            header = stream.readline().rstrip("\n").split("\t")
            missing = [rank for rank in ranks if rank not in header]
            if missing:
                message = f"{source} row 1: expected a column for each rank; {', '.join(missing)} is not there"
                raise BundleError(message)
            columns = [header.index(rank) for rank in ranks]
            lineages = set()
            for number, line in enumerate(stream, start=2):
                cells = line.rstrip("\n").split("\t")
                if len(cells) != len(header):
                    message = f"{source} row {number}: {len(cells)} cells, expected {len(header)}"
                    raise BundleError(message)
                lineages.add(tuple(cells[column] or None for column in columns))
        return cls.from_lineages(ranks, lineages)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def digest(self) -> str:
        """SHA-256 over ranks and taxa in order (64 hex digits)."""
        rows = zip(self.parents, self.rank_numbers, self.names, strict=True)
        text = "\t".join(self.ranks) + "\n" + "".join(f"{up}\t{rank}\t{name}\n" for up, rank, name in rows)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    def numbers(self, labels: Lineage) -> tuple[int, ...]:
        """Return the number of the label at each rank, 0 where there is none.

        Raises:
            BundleError: a label that no lineage of this table has at that rank.
        """
        found = self._numbers_of.get(labels)
        if found is None:
            found = self._resolve(labels)
            if len(self._numbers_of) >= _REMEMBERED_LINEAGES:
                self._numbers_of.clear()
            self._numbers_of[labels] = found
        return found

    def packed(self, labels: Lineage) -> bytes:
        """Return the numbers of ``numbers``, one behind the other as protobuf's varints; raises as it does."""
        found = self._packed.get(labels)
        if found is None:
            found = b"".join(map(varint, self.numbers(labels)))
            if len(self._packed) >= _REMEMBERED_LINEAGES:
                self._packed.clear()
            self._packed[labels] = found
        return found

    def _resolve(self, labels: Lineage) -> tuple[int, ...]:
        numbers: list[int] = []
        parent = 0
        for rank, name in enumerate(labels, start=1):
            if name is None:
                numbers.append(0)
                continue
            number = self._by_parent.get((parent, rank, name)) or self._by_name.get((rank, name))
            if number is None:
                message = f"the model answered {name!r} at rank {self.ranks[rank - 1]}, which its taxonomy.tsv lacks"
                raise BundleError(message)
            numbers.append(number)
            parent = number
        return tuple(numbers)

    def labels(self, numbers: Sequence[int]) -> Lineage:
        """Return the names of a row of numbers, None for 0.

        Raises:
            IndexError: a number beyond the table.
        """
        return tuple(self.names[number - 1] if number else None for number in numbers)


def varint(number: int) -> bytes:
    """Return a number from 0 on in protobuf's base 128, low digits first."""
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    digits.append(number)
    return bytes(digits)

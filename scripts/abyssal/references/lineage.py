"""Names as a reference has them, turned into lineages that can be trusted: placeholders unknown, one parent a taxon."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

from abyssal.errors import ReferenceFormatError
from abyssal.references.model import Lineage

ConflictPolicy = Literal["majority", "error"]

_EMPTY = frozenset({"", "na", "n/a", "nan", "none", "null", "-", "?", "no rank", "unidentified", "root"})
_WORDS = re.compile(
    r"uncultured|unidentified|unclassified|unassigned|unknown|undetermined|undescribed|unspecified|environmental"
    r"|metagenome|incertae[ _]sedis|\b(?:bacterium|archaeon|eukaryote|fungus|organism)\b",
    re.IGNORECASE,
)
# PR2 fills unknown ranks with the name above and _X, _XX ...; the organelle may follow after a colon.
_FILLED_UP = re.compile(r"_X+(?=[_: ]|$)")
_OPEN_SPECIES = re.compile(r"(?:^|[ _])(?:spp?\.?|gen\.|cf\.?|aff\.|nr\.)(?=[ _:]|$)")
# MIDORI fills unknown ranks with rank_NameAbove.
_FILLED_DOWN = re.compile(r"(?:superkingdom|kingdom|phylum|class|order|family|genus|species)_[A-Z]")
_BINOMIAL_RANK = "species"


def is_placeholder(name: str) -> bool:
    """Return whether a name says nothing: empty, filled in from above, an open species, uncultured, incertae sedis."""
    text = name.strip()
    return (
        text.casefold() in _EMPTY
        or _WORDS.search(text.replace("_", " ")) is not None
        or _FILLED_UP.search(text) is not None
        or _OPEN_SPECIES.search(text) is not None
        or _FILLED_DOWN.match(text) is not None
    )


def clean_lineage(ranks: tuple[str, ...], names: tuple[str, ...]) -> Lineage:
    """Return the lineage with placeholders as None and a bare epithet (``mexicana``) completed by its genus.

    An epithet without a known genus says nothing and becomes None as well.
    """
    cleaned: list[str | None] = [
        None if is_placeholder(name) else " ".join(name.split()) for name in names
    ]  # fmt: skip
    if _BINOMIAL_RANK in ranks:
        at = ranks.index(_BINOMIAL_RANK)
        species = cleaned[at]
        if species is not None and species[0].islower() and "genus" in ranks:
            genus = cleaned[ranks.index("genus")]
            cleaned[at] = f"{genus} {species}" if genus is not None else None
    return tuple(cleaned)


@dataclass
class LineageBook:
    """All distinct lineages of a reference, each stored once.

    Attributes:
        ranks: rank names, highest first.
        lineages: distinct cleaned lineages, in order of appearance.
        records: how many records carry each.
        lines: line of the first record with each.
    """

    ranks: tuple[str, ...]
    lineages: list[Lineage] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    _by_names: dict[tuple[str, ...], int] = field(default_factory=dict)
    _by_lineage: dict[Lineage, int] = field(default_factory=dict)

    def add(self, names: tuple[str, ...], line: int) -> int:
        """Count a record with these raw names and return the position of its lineage."""
        position = self._by_names.get(names)
        if position is None:
            position = self._by_names[names] = self._position(clean_lineage(self.ranks, names), line)
        self.records[position] += 1
        return position

    def _position(self, lineage: Lineage, line: int) -> int:
        position = self._by_lineage.setdefault(lineage, len(self.lineages))
        if position == len(self.lineages):
            self.lineages.append(lineage)
            self.records.append(0)
            self.lines.append(line)
        return position


@dataclass(frozen=True, slots=True)
class TreeConflict:
    """A taxon with two parents.

    Attributes:
        rank: the taxon's rank.
        name: the taxon's name.
        kept: path above it that most records have.
        other: the path that contradicts it.
        records: records with the other path.
        line: line of the first of them.
        action: ``parents unknown`` (the contested names above were dropped) or ``name unknown`` (a homonym: the name
            and everything below it was dropped).
    """

    rank: str
    name: str
    kept: str
    other: str
    records: int
    line: int
    action: str


def resolve_conflicts(
    book: LineageBook, *, policy: ConflictPolicy = "majority"
) -> tuple[list[Lineage], list[TreeConflict]]:
    """Give every taxon one parent.

    The path that most records have wins (ties: the one with more known names, then by alphabet, so that the order of
    records does not matter). In records with another path the contested names between the lowest agreed rank and the
    taxon become unknown. Where the paths part in the two highest ranks and more than two ranks above the taxon they are
    different organisms with one name: there the name and what lies below it become unknown in the minority instead,
    since the string alone could never tell the two apart.

    Returns:
        The lineages, position by position as in ``book``, and what was changed.

    Raises:
        ReferenceFormatError: the policy is ``error`` and a taxon has two parents; lists the first five with lines.
    """
    lineages = [list(lineage) for lineage in book.lineages]
    conflicts: list[TreeConflict] = []
    for rank in range(1, len(book.ranks)):
        carriers: dict[str, list[int]] = defaultdict(list)
        for position, lineage in enumerate(lineages):
            name = lineage[rank]
            if name is not None:
                carriers[name].append(position)
        for name in sorted(carriers):
            conflicts.extend(_resolve_taxon(book, lineages, rank, carriers[name]))
    if conflicts and policy == "error":
        raise ReferenceFormatError(_describe(conflicts))
    return [tuple(lineage) for lineage in lineages], conflicts


def _resolve_taxon(
    book: LineageBook, lineages: list[list[str | None]], rank: int, positions: list[int]
) -> list[TreeConflict]:
    paths: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for position in positions:
        paths[tuple(lineages[position][:rank])].append(position)
    if len(paths) == 1:
        return []
    ordered = sorted(paths, key=lambda path: _precedence(path, sum(book.records[p] for p in paths[path])))
    accepted = list(ordered[0])
    conflicts = []
    for path in ordered[1:]:
        contested = [
            above for above in range(rank) if path[above] and accepted[above] and path[above] != accepted[above]
        ]
        homonym = bool(contested) and contested[0] <= 1 and rank - contested[0] > 2
        if contested:
            conflicts.append(_conflict(book, lineages, rank, paths[path], accepted, homonym=homonym))
        for position in paths[path]:
            _repair(lineages[position], rank, contested, homonym=homonym)
        if not homonym:
            accepted = [mine or theirs for mine, theirs in zip(accepted, path, strict=True)]
    return conflicts


def _precedence(path: tuple[str | None, ...], records: int) -> tuple[int, int, tuple[str, ...]]:
    return -records, -sum(name is not None for name in path), tuple(name or "" for name in path)


def _repair(lineage: list[str | None], rank: int, contested: list[int], *, homonym: bool) -> None:
    if homonym:
        lineage[rank:] = [None] * (len(lineage) - rank)
    else:
        for above in contested:
            lineage[above] = None


def _conflict(
    book: LineageBook,
    lineages: list[list[str | None]],
    rank: int,
    positions: list[int],
    accepted: list[str | None],
    *,
    homonym: bool,
) -> TreeConflict:
    first = min(positions, key=lambda position: book.lines[position])
    return TreeConflict(
        rank=book.ranks[rank],
        name=str(lineages[first][rank]),
        kept=_path(accepted),
        other=_path(lineages[first][:rank]),
        records=sum(book.records[position] for position in positions),
        line=book.lines[first],
        action="name unknown" if homonym else "parents unknown",
    )


def _path(names: list[str | None]) -> str:
    return ";".join(name or "" for name in names)


def _describe(conflicts: list[TreeConflict]) -> str:
    shown = "\n".join(
        f"  - line {conflict.line}: {conflict.rank} {conflict.name} stands below {conflict.other}, "
        f"elsewhere below {conflict.kept} ({conflict.records} record(s))"
        for conflict in conflicts[:5]
    )
    return (
        f"{len(conflicts)} taxa have two parents; correct the lineages, or let the majority decide "
        f"(--conflicts majority):\n{shown}"
    )

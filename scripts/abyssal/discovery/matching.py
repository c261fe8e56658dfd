"""Ids of putative taxa that survive re-runs and added samples.

A new taxon is named ``PT`` and the first ten hex digits of the MD5 of its most abundant member. When an earlier run is
given, an earlier taxon's id goes to the new taxon that holds the largest part of its ASVs (of equal parts the one with
more reads, then by the name of its first member); where several ids come to one new taxon, it takes that of the earlier
taxon it shares most ASVs with (then the one that sorts first). An earlier taxon's id never names any other; a taxon
whose own id is taken is named by its next member, and by a number behind a whole digest where all are taken. ASVs that
exist in one run only do not count.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from abyssal.discovery.records import StoredTaxon

ID_PREFIX = "PT"
_DIGITS = 10

Fate = Literal["kept", "split", "merged", "gone", "new"]


@dataclass(frozen=True)
class Change:
    """What became of one taxon.

    Attributes:
        taxon: id of the earlier taxon, or of the new one when it is new.
        fate: kept (one successor, which has no other parent), split (several successors), merged (its successor has
            other parents), gone (no member in any taxon now: not found again, or explained), new (no parent).
        successors: ids of the new taxa that hold its members, most shared members first.
    """

    taxon: str
    fate: Fate
    successors: tuple[str, ...]


def match_previous(
    records: Sequence[Sequence[str]], previous: Sequence[StoredTaxon], *, reads: Mapping[str, int]
) -> tuple[list[str], list[Change]]:
    """Return the id of every new group and what became of every earlier taxon.

    Args:
        records: members (ASV ids) of each new group, most abundant first.
        previous: taxa of the earlier run; empty for a first run.
        reads: reads of each ASV in the new run, to break ties.
    """
    weight = [sum(reads.get(member, 0) for member in members) for members in records]
    shared = _overlaps(records, previous)
    ids = _inherited(records, shared, weight, previous)
    taken = {taxon.id for taxon in previous}
    for number, members in enumerate(records):
        if not ids[number]:
            ids[number] = _fresh_id(members, taken)
            taken.add(ids[number])
    return ids, _changes(ids, shared, previous)


def _overlaps(records: Sequence[Sequence[str]], previous: Sequence[StoredTaxon]) -> dict[tuple[int, int], int]:
    """Return {(new, earlier): ASVs in both} for pairs that share any."""
    home = {member: number for number, taxon in enumerate(previous) for member in taxon.members}
    shared: dict[tuple[int, int], int] = {}
    for new, members in enumerate(records):
        for member in members:
            if member in home:
                shared[new, home[member]] = shared.get((new, home[member]), 0) + 1
    return shared


def _inherited(
    records: Sequence[Sequence[str]],
    shared: Mapping[tuple[int, int], int],
    weight: Sequence[int],
    previous: Sequence[StoredTaxon],
) -> list[str]:
    heir: dict[int, tuple[int, int, str, int]] = {}
    for (new, old), count in shared.items():
        heir[old] = max(heir.get(old, (0, 0, "", 0)), (count, weight[new], records[new][0], new))
    best: dict[int, tuple[int, str]] = {}
    for old, (count, _, _, new) in heir.items():
        best[new] = min(best.get(new, (0, "")), (-count, previous[old].id))
    return [best[new][1] if new in best else "" for new in range(len(records))]


def _fresh_id(members: Sequence[str], taken: set[str]) -> str:
    short = (ID_PREFIX + member[:_DIGITS] for member in members)
    # A whole digest can be taken too: the earlier taxon of that name may have lost the ASV it was named by.
    whole = ID_PREFIX + members[0]
    numbered = (f"{whole}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain(short, [whole], numbered) if name not in taken)


def _changes(
    ids: Sequence[str], shared: Mapping[tuple[int, int], int], previous: Sequence[StoredTaxon]
) -> list[Change]:
    parents: dict[int, int] = {}
    found: dict[int, list[tuple[int, str, int]]] = {}
    for (new, old), count in shared.items():
        parents[new] = parents.get(new, 0) + 1
        found.setdefault(old, []).append((-count, ids[new], new))
    changes = []
    for old, taxon in enumerate(previous):
        heirs = sorted(found.get(old, ()))
        fate: Fate = "gone"
        if len(heirs) > 1:
            fate = "split"
        elif heirs:
            fate = "merged" if parents[heirs[0][2]] > 1 else "kept"
        changes.append(Change(taxon.id, fate, tuple(name for _, name, _ in heirs)))
    changes += [Change(name, "new", (name,)) for new, name in enumerate(ids) if new not in parents]
    return sorted(changes, key=lambda change: (change.taxon, change.fate))

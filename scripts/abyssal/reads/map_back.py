"""Give every filtered read to the variant it came from, also the rare ones that denoising set aside.

Chimeras stand among the variants as decoys, so that the reads of a chimera do not go to its parents. A read equal to a
variant belongs to it. Any other goes to its most similar variant; of several equally similar ones to a variant rather
than a chimera, then to the most abundant, then to the first by name, and such reads are counted as ties.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.errors import DataError
from abyssal.files import open_atomic
from abyssal.reads.filtering import read_sized
from abyssal.reads.nearest import NOTHING, Nearest, VariantIndex

ASV, CHIMERA, UNMATCHED = "asv", "chimera", "unmatched"
_COLUMNS = ("unique", "kind", "target", "identity", "equally_near")
_BLOCK = 50_000


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where the reads of one unique sequence went.

    Args:
        unique: name of the unique sequence (MD5).
        kind: ``asv``, ``chimera`` or ``unmatched``.
        target: name of the variant, empty when unmatched.
        identity: one minus the edits over the longer length (share), 0 when unmatched or placed by a clusterer.
        equally_near: how many variants are as near as the target, itself included.
    """

    unique: str
    kind: str
    target: str = ""
    identity: float = 0.0
    equally_near: int = 0


@dataclass(frozen=True, slots=True)
class _Variant:
    kind: str
    size: int


def map_back(
    uniques: Path,
    asvs: Path,
    chimeras: Path,
    *,
    identity: float,
    members: Mapping[str, str] | None = None,
    poor: Sequence[Path] = (),
) -> Iterator[Assignment]:
    """Yield where every unique sequence of a pool goes; the order is that of ``uniques``, then of ``poor``.

    Args:
        uniques: FASTA with sizes.
        asvs: FASTA with sizes of the variants kept.
        chimeras: FASTA with sizes of the decoys.
        identity: least similarity: one minus the edits over the longer length (share).
        members: variants of unique sequences that the clusterer named; they are not looked for.
        poor: FASTA with sizes of sequences that made no variants but are to be counted, one file a library.
    """
    variants: dict[str, _Variant] = {}
    texts: list[str] = []
    for kind, source in ((ASV, asvs), (CHIMERA, chimeras)):
        for name, text, size in read_sized(source):
            if name not in variants:
                variants[name] = _Variant(kind, size)
                texts.append(text)
    names, index = list(variants), VariantIndex(texts)
    placed = {name: variant for name, variant in (members or {}).items() if variant in variants}
    for block in _blocks((uniques, *poor)):
        sought = {name: text for name, text in block.items() if name not in variants and name not in placed}
        nearest = dict(zip(sought, index.nearest(list(sought.values()), identity=identity), strict=True))
        for name in block:
            yield _assign(name, nearest.get(name, NOTHING), names, variants, placed.get(name))


def _blocks(sources: Iterable[Path]) -> Iterator[dict[str, str]]:
    """Yield unique sequences by name, each once, so many at a time that memory stays small."""
    seen: set[str] = set()
    block: dict[str, str] = {}
    for name, text, _ in itertools.chain.from_iterable(map(read_sized, sources)):
        if name in seen:
            continue
        seen.add(name)
        block[name] = text
        if len(block) == _BLOCK:
            yield block
            block = {}
    yield block


def _assign(
    unique: str, nearest: Nearest, names: Sequence[str], variants: Mapping[str, _Variant], placed: str | None
) -> Assignment:
    if unique in variants:
        return Assignment(unique, variants[unique].kind, unique, 1.0, 1)
    if placed is not None:
        return Assignment(unique, variants[placed].kind, placed, 0.0, 1)
    if not nearest.places:
        return Assignment(unique, UNMATCHED)
    near = [names[place] for place in nearest.places]
    target = min(near, key=lambda name: (variants[name].kind != ASV, -variants[name].size, name))
    return Assignment(unique, variants[target].kind, target, round(nearest.identity, 4), len(near))


def write_assignments(target: Path, assignments: Iterable[Assignment]) -> None:
    """Write assignments as TSV."""
    with open_atomic(target) as out:
        out.write("\t".join(_COLUMNS) + "\n")
        for row in assignments:
            out.write(f"{row.unique}\t{row.kind}\t{row.target}\t{row.identity:.4f}\t{row.equally_near}\n")


def read_assignments(source: Path) -> dict[str, Assignment]:
    """Read what ``write_assignments`` wrote, by unique sequence.

    Raises:
        DataError: the table has other columns.
    """
    with source.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t")
        if tuple(next(rows, ())) != _COLUMNS:
            message = f"{source}: expected the columns {', '.join(_COLUMNS)}"
            raise DataError(message)
        return {row[0]: Assignment(row[0], row[1], row[2], float(row[3]), int(row[4])) for row in rows}

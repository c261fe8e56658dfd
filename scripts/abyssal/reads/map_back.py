"""Give every filtered read to the variant it came from, also the rare ones that denoising set aside.

Chimeras stand in the database as decoys, so that the reads of a chimera do not go to its parents. A read equal to a
variant belongs to it. Any other goes to its most similar variant; of several equally similar ones to a variant rather
than a chimera, then to the most abundant, then to the first by name, and such reads are counted as ties.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.errors import DataError
from abyssal.files import open_atomic
from abyssal.reads.filtering import read_sized
from abyssal.sequences.records import write_fasta
from abyssal.tools import run_tool

ASV, CHIMERA, UNMATCHED = "asv", "chimera", "unmatched"
_COLUMNS = ("unique", "kind", "target", "identity", "equally_near")
# On 17,000 unique COI reads four accepts give the same best identities as sixteen, in a third of the time.
_ACCEPTS, _REJECTS = "4", "32"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where the reads of one unique sequence went.

    Args:
        unique: name of the unique sequence (MD5).
        kind: ``asv``, ``chimera`` or ``unmatched``.
        target: name of the variant, empty when unmatched.
        identity: equal columns of the alignment over all columns (share), 0 when unmatched or placed by a clusterer.
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
    threads: int = 1,
    log: Path | None = None,
) -> list[Assignment]:
    """Assign every unique sequence of a pool; the order is that of ``uniques``, then of ``poor``.

    Args:
        uniques: FASTA with sizes.
        asvs: FASTA with sizes of the variants kept.
        chimeras: FASTA with sizes of the decoys.
        identity: least similarity (share of alignment columns, end gaps included).
        members: variants of unique sequences that the clusterer named; they are not looked for.
        poor: FASTA with sizes of sequences that made no variants but are to be counted, one file a library.
        threads: vsearch threads.
        log: file that receives vsearch's messages.
    """
    variants = {name: _Variant(CHIMERA, size) for name, _, size in read_sized(chimeras)}
    variants |= {name: _Variant(ASV, size) for name, _, size in read_sized(asvs)}
    placed = {name: variant for name, variant in (members or {}).items() if variant in variants}
    found = {name: sequence for source in (uniques, *poor) for name, sequence, _ in read_sized(source)}
    unplaced = {name: sequence for name, sequence in found.items() if name not in variants and name not in placed}
    with tempfile.TemporaryDirectory(dir=asvs.parent) as folder:
        database, queries, hits = (Path(folder) / name for name in ("variants.fasta", "queries.fasta", "hits.tsv"))
        write_fasta(database, ((name, text) for source in (asvs, chimeras) for name, text, _ in read_sized(source)))
        write_fasta(queries, unplaced.items())
        _search(queries, database, hits, identity=identity, threads=threads, log=log)
        nearest = _read_hits(hits)
    return [_assign(name, nearest.get(name, []), variants, placed.get(name)) for name in found]


def _search(queries: Path, database: Path, hits: Path, *, identity: float, threads: int, log: Path | None) -> None:
    run_tool(
        [
            *("vsearch", "--usearch_global", queries, "--db", database, "--id", str(identity), "--iddef", "1"),
            *("--userout", hits, "--userfields", "query+target+id", "--top_hits_only", "--strand", "plus"),
            *("--maxaccepts", _ACCEPTS, "--maxrejects", _REJECTS, "--minseqlength", "1", "--threads", str(threads)),
            *("--qmask", "none", "--dbmask", "none"),
        ],
        log=log,
    )


def _read_hits(source: Path) -> dict[str, list[tuple[str, float]]]:
    """Return (target, identity) of the top hits of each query; the order in the file depends on threads."""
    found: dict[str, list[tuple[str, float]]] = {}
    with source.open(encoding="ascii") as lines:
        for line in lines:
            query, target, percent = line.rstrip("\n").split("\t")
            found.setdefault(query, []).append((target, round(float(percent) / 100, 4)))
    return found


def _assign(
    unique: str, hits: list[tuple[str, float]], variants: dict[str, _Variant], placed: str | None
) -> Assignment:
    if unique in variants:
        return Assignment(unique, variants[unique].kind, unique, 1.0, 1)
    if placed is not None:
        return Assignment(unique, variants[placed].kind, placed, 0.0, 1)
    if not hits:
        return Assignment(unique, UNMATCHED)
    target, identity = min(hits, key=lambda hit: (variants[hit[0]].kind != ASV, -variants[hit[0]].size, hit[0]))
    return Assignment(unique, variants[target].kind, target, identity, len(hits))


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

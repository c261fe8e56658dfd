"""Cross-validation by identity (TAXXI; Edgar 2018, doi:10.7717/peerj.4652): how near the nearest reference may be.

For a top identity below 1 every reference nearer to a query than that is taken out, and only queries stay that then
have a nearest reference within ``WINDOW`` below it. At 1 the query's own record is taken out where its sequence has
another one; a sequence with a single record stays, as most reads of a known amplicon meet it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from abyssal.benchmark.cases import Case
from abyssal.evaluation.split import HeldOutQuery
from abyssal.references.model import AmpliconReference
from abyssal.sequences.records import write_fasta
from abyssal.tools import run_tool

IDENTITIES = (100, 99, 97, 95, 90)
"""Per cent, as TAXXI reports."""

WINDOW = 0.02
MOST_NEIGHBOURS = 500
"""Most hits of a query that are looked at; vsearch orders them by shared words."""

_MORE_CANDIDATES = 3

Hits = dict[int, list[tuple[int, float]]]


def identity_case(reference: AmpliconReference, percent: int, number: int, most: int, *, threads: int = 1) -> Case:
    """Return random split ``number`` at a top identity of ``percent``, with at most ``most`` queries."""
    rng = np.random.default_rng([2018, percent, number])
    order = rng.permutation(len(reference)).tolist()
    if percent == 100:
        return _with_copies(reference, order[:most], rng)
    candidates = order[: _MORE_CANDIDATES * most]
    top = percent / 100.0
    hits = _neighbours(reference, candidates, top - WINDOW, threads)
    asked, removed = choose_queries(candidates, hits, top, most)
    gone = removed | set(asked)
    fitted = reference.subset([place for place in range(len(reference)) if place not in gone])
    return Case.plain(fitted, [_query(reference, place, 0) for place in asked])


def choose_queries(candidates: Sequence[int], hits: Hits, top: float, most: int) -> tuple[list[int], set[int]]:
    """Return queries that keep a reference within the window, and the references that are too near to one of them."""
    asked: list[int] = []
    removed: set[int] = set()
    needed: set[int] = set()
    for place in candidates:
        if len(asked) >= most:
            break
        if place in removed or place in needed:
            continue
        near = {other for other, identity in hits.get(place, ()) if identity > top + 1e-9}
        kept = [other for other, identity in hits.get(place, ()) if identity <= top + 1e-9 and other not in removed]
        free = [other for other in kept if other not in asked]
        if not free or near & needed:
            continue
        # One kept neighbour may not become a query or be removed later, so that the window holds at the end.
        needed.add(free[0])
        removed |= near
        asked.append(place)
    return asked, removed - set(asked)


def _neighbours(reference: AmpliconReference, places: Sequence[int], least: float, threads: int) -> Hits:
    """Return for each place the other amplicons at least ``least`` identical, best first."""
    hits: Hits = {}
    with TemporaryDirectory(prefix="abyssal-identity-") as folder:
        queries, database, found = (Path(folder) / name for name in ("queries.fasta", "all.fasta", "hits.tsv"))
        write_fasta(database, ((str(place), sequence) for place, sequence in enumerate(reference.sequences)))
        write_fasta(queries, ((str(place), reference.sequences[place]) for place in places))
        run_tool(
            ["vsearch", "--usearch_global", queries, "--db", database, "--id", f"{least:g}", "--self", "--maxaccepts",
             str(MOST_NEIGHBOURS), "--maxrejects", "64", "--userout", found, "--userfields", "query+target+id",
             "--minseqlength", "1", "--qmask", "none", "--dbmask", "none", "--threads", str(threads), "--quiet"]
        )  # fmt: skip
        for line in found.read_text(encoding="utf-8").splitlines():
            query, target, identity = line.split("\t")
            hits.setdefault(int(query), []).append((int(target), float(identity) / 100.0))
    return {place: sorted(found, key=lambda hit: -hit[1]) for place, found in hits.items()}


def _with_copies(reference: AmpliconReference, places: Sequence[int], rng: np.random.Generator) -> Case:
    members = list(reference.members)
    queries = []
    for place in places:
        pair = int(rng.integers(len(members[place])))
        queries.append(_query(reference, place, pair))
        if len(members[place]) > 1:
            members[place] = tuple(found for row, found in enumerate(members[place]) if row != pair)
    fitted = AmpliconReference(reference.ranks, reference.ids, reference.sequences, tuple(members))
    return Case.plain(fitted, queries)


def _query(reference: AmpliconReference, place: int, pair: int) -> HeldOutQuery:
    return HeldOutQuery(reference.ids[place], reference.sequences[place], reference.members[place][pair][1])

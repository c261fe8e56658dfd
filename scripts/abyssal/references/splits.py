"""Splits of a reference that nothing crosses: no sequence, no identifier, no taxon that was to be held out.

Whether a taxon may train an encoder is decided by the hash of its name (``abyssal.splits``); this module applies that,
and the splits of evaluation, to whole references. The unit is the amplicon with all its lineages, so an equivalence set
is never divided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from abyssal.errors import UsageError
from abyssal.references.model import AmpliconReference
from abyssal.sequences.records import write_fasta
from abyssal.splits import Part, genus_part, species_part
from abyssal.tools import run_tool

IDENTITIES = (1.0, 0.99, 0.97, 0.95, 0.90)
"""Largest identities between training and test that evaluation reports (TAXXI, Edgar 2018)."""


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of amplicons, ascending; disjoint, and together at most the whole reference."""

    train: tuple[int, ...]
    test: tuple[int, ...]


def hash_parts(reference: AmpliconReference) -> tuple[Part, ...]:
    """Return each amplicon's part by the hash of its species and genus names.

    An amplicon of several taxa is in ``train`` only if all of them are, so that no sequence of a held-out taxon is ever
    trained on; among held-out parts ``report`` outweighs ``calibrate``. Amplicons without a name at either rank train.
    """
    return tuple(_part(reference, position) for position in range(len(reference)))


def _part(reference: AmpliconReference, position: int) -> Part:
    parts: set[Part] = set()
    for rank, decide in (("genus", genus_part), ("species", species_part)):
        parts |= {decide(name) for name in _names(reference, position, rank)}
    if "report" in parts:
        return "report"
    return "calibrate" if "calibrate" in parts else "train"


def _names(reference: AmpliconReference, position: int, rank: str) -> set[str]:
    if rank not in reference.ranks:
        return set()
    level = reference.ranks.index(rank)
    return {name for _, lineage in reference.members[position] if (name := lineage[level]) is not None}


def split_by_hash(reference: AmpliconReference, *, part: Part = "report") -> Split:
    """Train on all amplicons of the ``train`` part, test on those of ``part``; the third part is in neither."""
    parts = hash_parts(reference)
    return Split(
        tuple(position for position, found in enumerate(parts) if found == "train"),
        tuple(position for position, found in enumerate(parts) if found == part and part != "train"),
    )


def leave_taxa_out(
    reference: AmpliconReference, *, rank: str, share: float, rng: np.random.Generator, parent: str | None = None
) -> Split:
    """Hold whole taxa of a rank out: every amplicon that carries one of them is a test amplicon, and only those.

    Args:
        reference: what is split.
        rank: rank of the taxa that are left out (``genus``: new genera).
        share: share of the rank's taxa to leave out, 0 to 1.
        rng: source of randomness; taxa are drawn in alphabetical order, so the order of records does not matter.
        parent: a rank whose taxa must stay known: a taxon is only left out while its parent keeps another one.

    Raises:
        UsageError: no such rank, or a share outside 0 to 1.
    """
    _require_rank(reference, rank)
    if not 0.0 <= share <= 1.0:
        message = f"share is {share}; expected a number between 0 and 1"
        raise UsageError(message)
    carriers = [_names(reference, position, rank) for position in range(len(reference))]
    taxa = sorted(set().union(*carriers))
    drawn = [taxa[position] for position in rng.permutation(len(taxa))[: round(share * len(taxa))]]
    if parent is not None:
        drawn = _keeping_parents(reference, rank, parent, drawn)
    left_out = set(drawn)
    test = [position for position, names in enumerate(carriers) if names & left_out]
    return Split(tuple(sorted(set(range(len(reference))) - set(test))), tuple(test))


def _keeping_parents(reference: AmpliconReference, rank: str, parent: str, drawn: list[str]) -> list[str]:
    _require_rank(reference, parent)
    child_level, parent_level = reference.ranks.index(rank), reference.ranks.index(parent)
    children: dict[str, set[str]] = {}
    parents: dict[str, str] = {}
    for pairs in reference.members:
        for _, lineage in pairs:
            child, above = lineage[child_level], lineage[parent_level]
            if child is not None and above is not None:
                children.setdefault(above, set()).add(child)
                parents[child] = above
    kept = []
    for taxon in drawn:
        siblings = children.get(parents.get(taxon, ""), set())
        if len(siblings) > 1:
            siblings.discard(taxon)
            kept.append(taxon)
    return kept


def _require_rank(reference: AmpliconReference, rank: str) -> None:
    if rank not in reference.ranks:
        message = f"no rank {rank!r} in this reference; expected one of {', '.join(reference.ranks)}"
        raise UsageError(message)


def split_by_identity(
    reference: AmpliconReference,
    *,
    identity: float,
    share: float,
    rng: np.random.Generator,
    threads: int = 1,
) -> Split:
    """Cross-validate so that no test amplicon is more than ``identity`` alike to any training amplicon.

    All pairs above the identity are linked (vsearch --allpairs_global) and whole connected components go to one side,
    drawn at random until the test side holds ``share`` of the amplicons. With identity 1.0 only equal sequences would
    be linked, and a reference has none.

    Raises:
        UsageError: identity outside 0.5 to 1, or share outside 0 to 1.
    """
    if not 0.5 <= identity <= 1.0 or not 0.0 <= share <= 1.0:
        message = f"identity {identity} and share {share}: expected 0.5 to 1 and 0 to 1"
        raise UsageError(message)
    labels = identity_components(reference.sequences, identity=identity, threads=threads)
    wanted = share * len(reference)
    sizes = np.bincount(labels) if labels.size else np.zeros(0, dtype=np.int64)
    chosen: set[int] = set()
    held = 0
    for component in rng.permutation(sizes.size).tolist():
        if held + sizes[component] <= wanted:
            chosen.add(component)
            held += int(sizes[component])
    is_test = np.isin(labels, sorted(chosen))
    return Split(tuple(np.flatnonzero(~is_test).tolist()), tuple(np.flatnonzero(is_test).tolist()))


def identity_components(sequences: tuple[str, ...], *, identity: float, threads: int = 1) -> NDArray[np.int64]:
    """Return the component of each sequence when all pairs more than ``identity`` alike are linked.

    Identity is vsearch's default (matches over alignment columns without terminal gaps). int64, numbered from 0.
    """
    count = len(sequences)
    if identity >= 1.0 or count < 2:
        return np.arange(count, dtype=np.int64)
    with TemporaryDirectory(prefix="abyssal-split-") as folder:
        source, pairs = Path(folder) / "amplicons.fasta", Path(folder) / "pairs.tsv"
        write_fasta(source, ((str(number), sequence) for number, sequence in enumerate(sequences)))
        run_tool(
            ["vsearch", "--allpairs_global", source, "--id", str(identity), "--userout", pairs, "--userfields",
             "query+target", "--minseqlength", "1", "--qmask", "none", "--threads", str(threads), "--quiet"]
        )  # fmt: skip
        linked = np.loadtxt(pairs, dtype=np.int64, ndmin=2) if pairs.stat().st_size else np.empty((0, 2), np.int64)
    graph = coo_array((np.ones(len(linked)), (linked[:, 0], linked[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def cross_validate(
    reference: AmpliconReference, *, folds: int, rng: np.random.Generator, group: Callable[[int], str] | None = None
) -> list[Split]:
    """Return ``folds`` splits whose test sides are disjoint and together the whole reference.

    Args:
        reference: what is split.
        folds: number of splits, at least 2.
        rng: source of randomness.
        group: amplicons for which this gives the same text stay together; each is its own group by default.
    """
    if folds < 2:
        message = f"{folds} fold(s); expected at least 2"
        raise UsageError(message)
    names = [group(position) if group else reference.ids[position] for position in range(len(reference))]
    order = sorted(set(names))
    fold_of = {order[place]: number % folds for number, place in enumerate(rng.permutation(len(order)).tolist())}
    folded = np.array([fold_of[name] for name in names], dtype=np.int64)
    return [
        Split(tuple(np.flatnonzero(folded != fold).tolist()), tuple(np.flatnonzero(folded == fold).tolist()))
        for fold in range(folds)
    ]

"""Sequences from reads so full of errors that no two are equal: the majority of a cluster's reads at every position.

Reads are clustered around the best of them, every cluster's draft is replaced by the majority of its aligned reads,
drafts that have become nearly the same are one, reads move to the draft they are nearest to, and the consensus is made
again. A minority of wrong letters, insertions and deletions is voted out; what most reads share, be it a systematic
error of the sequencer, stays. Variants closer than 1 % are not told apart.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import edlib

from abyssal.reads.clusters import identity_clusters, write_variants
from abyssal.reads.filtering import read_sized
from abyssal.sequences.alphabet import sequence_id
from abyssal.sequences.records import write_fasta
from abyssal.tools import run_tool

_ROUNDS = 3
_FEWEST = 2
_SAME = 0.01
_MOST_READS = 200
_STEP = re.compile(r"(\d+)([=XID])")


@dataclass(frozen=True, slots=True)
class _Read:
    name: str
    sequence: str
    size: int
    error_rate: float


def consensus_variants(
    uniques: Path, target: Path, *, identity: float, min_size: int, threads: int = 1, log: Path | None = None
) -> dict[str, str]:
    """Write the consensus of every cluster of at least ``min_size`` reads and return the variant of each member.

    Args:
        uniques: FASTA with sizes and, when known, expected errors (``;ee=``): the best reads make the first drafts.
        target: FASTA of variants with sizes.
        identity: least identity of a read to the read that starts a cluster (share). Reads then move to the nearest
            consensus when they are at most twice as far from it.
        min_size: fewest reads of a variant.
        threads: vsearch threads.
        log: file that receives vsearch's messages.
    """
    reads = _best_first(uniques)
    by_name = {read.name: read for read in reads}
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        sorted_reads = Path(folder) / "sorted.fasta"
        write_variants_in_order(sorted_reads, reads)
        member_of = identity_clusters(sorted_reads, identity=identity, in_order=True, threads=threads, log=log)
        drafts: dict[str, str] = {}
        for _ in range(_ROUNDS):
            drafts, member_of = _polished(member_of, by_name, drafts, min(_FEWEST, min_size))
            drafts, member_of = _joined(drafts, member_of)
            near = max(0.0, 2 * identity - 1)
            member_of = _nearest(sorted_reads, drafts, Path(folder), identity=near, threads=threads, log=log)
        drafts, member_of = _joined(*_polished(member_of, by_name, drafts, min_size))
    sizes: Counter[str] = Counter()
    for name, variant in member_of.items():
        sizes[variant] += by_name[name].size
    write_variants(target, ((variant, drafts[variant], size) for variant, size in sizes.items()))
    return member_of


def write_variants_in_order(target: Path, reads: Sequence[_Read]) -> None:
    """Write reads as FASTA with sizes in their order."""
    write_fasta(target, ((f"{read.name};size={read.size}", read.sequence) for read in reads))


def _best_first(uniques: Path) -> list[_Read]:
    """Return the reads, those with the fewest expected errors per base first, equal ones by abundance and name."""
    errors = _expected_errors(uniques)
    reads = [
        _Read(name, sequence, size, errors.get(name, 0.0) / len(sequence))
        for name, sequence, size in read_sized(uniques)
    ]
    return sorted(reads, key=lambda read: (read.error_rate, -read.size, read.name))


def _expected_errors(uniques: Path) -> dict[str, float]:
    with uniques.open(encoding="ascii") as lines:
        headers = [line[1:].rstrip() for line in lines if line.startswith(">")]
    parts = (header.split(";") for header in headers)
    return {
        name: float(field.removeprefix("ee=")) for name, *rest in parts for field in rest if field.startswith("ee=")
    }


def _polished(
    member_of: Mapping[str, str], reads: Mapping[str, _Read], drafts: Mapping[str, str], min_size: int
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the consensus of each large enough cluster, named by its MD5, and the members' new names."""
    clusters: dict[str, list[_Read]] = {}
    for name, centre in member_of.items():
        clusters.setdefault(centre, []).append(reads[name])
    found: dict[str, str] = {}
    moved: dict[str, str] = {}
    for centre, members in clusters.items():
        if sum(read.size for read in members) < min_size:
            continue
        best = sorted(members, key=lambda read: (read.error_rate, -read.size, read.name))
        sequence = majority(
            drafts.get(centre, best[0].sequence), [(read.sequence, read.size) for read in best[:_MOST_READS]]
        )
        found[sequence_id(sequence)] = sequence
        moved.update({read.name: sequence_id(sequence) for read in members})
    return found, moved


def _joined(drafts: Mapping[str, str], member_of: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Join drafts that are nearly the same to the one with most members."""
    members = Counter(member_of.values())
    kept: dict[str, str] = {}
    joined: dict[str, str] = {}
    for name in sorted(drafts, key=lambda name: (-members[name], name)):
        most = round(_SAME * len(drafts[name]))
        same = (
            other
            for other, sequence in kept.items()
            if edlib.align(drafts[name], sequence, mode="NW", k=most)["editDistance"] >= 0
        )
        joined[name] = next(same, name)
        if joined[name] == name:
            kept[name] = drafts[name]
    return kept, {name: joined[draft] for name, draft in member_of.items()}


def majority(draft: str, reads: Sequence[tuple[str, int]]) -> str:
    """Return the draft with every position replaced by what most reads have there.

    Args:
        draft: DNA.
        reads: (DNA, weight); aligned to the draft from end to end (edlib, Sosic and Sikic 2017).
    """
    total = sum(weight for _, weight in reads)
    letters: list[Counter[str]] = [Counter() for _ in draft]
    inserted: list[Counter[str]] = [Counter() for _ in range(len(draft) + 1)]
    for read, weight in reads:
        for position, letter, before in _columns(read, draft):
            if before:
                inserted[position][before] += weight
            if position < len(draft):
                letters[position][letter] += weight
    parts = []
    for position in range(len(draft) + 1):
        insertion, votes = max(inserted[position].items(), key=lambda item: (item[1], item[0]), default=("", 0))
        parts.append(insertion if 2 * votes > total else "")
        if position < len(draft):
            parts.append(
                max(letters[position].items(), key=lambda item: (item[1], item[0] == draft[position], item[0]))[0]
            )
    return "".join(parts)


def _columns(read: str, draft: str) -> Iterator[tuple[int, str, str]]:
    """Yield (position of the draft, the read's letter or "", letters inserted before it), and the end's insertion."""
    path = edlib.align(read, draft, mode="NW", task="path")["cigar"]
    here = there = 0
    waiting = ""
    for count, kind in _STEP.findall(path):
        length = int(count)
        if kind == "I":
            waiting = read[here : here + length]
            here += length
            continue
        for offset in range(length):
            yield there, "" if kind == "D" else read[here + offset], waiting
            waiting = ""
            there += 1
        here += 0 if kind == "D" else length
    yield there, "", waiting


def _nearest(
    reads: Path, drafts: Mapping[str, str], folder: Path, *, identity: float, threads: int, log: Path | None
) -> dict[str, str]:
    """Return the nearest draft of each read that has one."""
    database, hits = folder / "drafts.fasta", folder / "hits.tsv"
    write_fasta(database, sorted(drafts.items()))
    run_tool(
        [
            *("vsearch", "--usearch_global", reads, "--db", database, "--id", str(identity), "--strand", "plus"),
            *("--userout", hits, "--userfields", "query+target+id", "--maxaccepts", "4", "--maxrejects", "16"),
            *("--qmask", "none", "--dbmask", "none", "--minseqlength", "1", "--threads", str(threads)),
        ],
        log=log,
    )
    best: dict[str, tuple[float, str]] = {}
    for line in hits.read_text(encoding="ascii").splitlines():
        query, target, percent = line.split("\t")
        name = query.partition(";size=")[0]
        best[name] = min(best.get(name, (0.0, "~")), (-float(percent), target))
    return {name: target for name, (_, target) in best.items()}

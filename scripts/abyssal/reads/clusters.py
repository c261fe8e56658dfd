"""Unique sequences to clusters: swarm (d = 1, fastidious) and identity clusters (vsearch), with their members.

swarm: Mahe and others 2021, doi:10.1093/bioinformatics/btab493. Identity clusters are made in the order of abundance,
the most abundant sequence of a cluster being its centre.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from abyssal.files import open_atomic
from abyssal.reads.filtering import read_sized
from abyssal.tools import run_tool

_BASES = frozenset("ACGT")


def swarm_clusters(uniques: Path, *, threads: int = 1, log: Path | None = None) -> dict[str, str]:
    """Return the seed of each unique sequence's swarm; sequences with other letters than ACGT are in none."""
    with tempfile.TemporaryDirectory(dir=uniques.parent) as folder:
        clean, swarms = Path(folder) / "clean.fasta", Path(folder) / "swarms.txt"
        with clean.open("w", encoding="ascii") as out:
            records = (record for record in read_sized(uniques) if _BASES.issuperset(record[1]))
            out.writelines(f">{name};size={size}\n{sequence}\n" for name, sequence, size in records)
        if not clean.stat().st_size:
            return {}
        command = ["swarm", "--differences", "1", "--fastidious", "--usearch-abundance", "--threads", str(threads)]
        run_tool([*command, "--output-file", swarms, clean], log=log)
        seeds = {}
        for line in swarms.read_text(encoding="ascii").splitlines():
            names = [label.partition(";size=")[0] for label in line.split()]
            seeds.update(dict.fromkeys(names, names[0]))
    return seeds


def identity_clusters(
    uniques: Path, *, identity: float, in_order: bool = False, threads: int = 1, log: Path | None = None
) -> dict[str, str]:
    """Return the centre of each unique sequence's cluster.

    Args:
        uniques: FASTA with sizes.
        identity: least identity to the centre (share of alignment columns without end gaps).
        in_order: centres are chosen in the order of the file, not of abundance.
        threads: vsearch threads.
        log: file that receives vsearch's messages.
    """
    with tempfile.TemporaryDirectory(dir=uniques.parent) as folder:
        clusters = Path(folder) / "clusters.uc"
        how: list[str | Path] = (
            ["--cluster_smallmem", uniques, "--usersort"] if in_order else ["--cluster_size", uniques]
        )
        run_tool(
            [
                *("vsearch", *how, "--id", str(identity), "--uc", clusters, "--sizein", "--minseqlength", "1"),
                *("--qmask", "none", "--strand", "plus", "--threads", str(threads)),
                # Drafts are only a start, and long reads take long to align.
                *(("--maxaccepts", "1", "--maxrejects", "8") if in_order else ("--maxaccepts", "4")),
            ],
            log=log,
        )
        centres = {}
        for line in clusters.read_text(encoding="ascii").splitlines():
            kind, *_, query, target = line.split("\t")
            if kind in "SH":
                name = query.partition(";size=")[0]
                centres[name] = name if kind == "S" else target.partition(";size=")[0]
    return centres


def write_clusters(target: Path, uniques: Path, centre_of: Mapping[str, str], *, min_size: int) -> dict[str, str]:
    """Write the centres of clusters that are large enough, most reads first, and return the members of those alone."""
    sequences: dict[str, str] = {}
    reads: dict[str, int] = {}
    for name, sequence, size in read_sized(uniques):
        centre = centre_of.get(name)
        if centre is not None:
            reads[centre] = reads.get(centre, 0) + size
        if centre == name:
            sequences[name] = sequence
    kept = {centre for centre, size in reads.items() if size >= min_size}
    write_variants(target, ((centre, sequences[centre], reads[centre]) for centre in kept))
    return {name: centre for name, centre in centre_of.items() if centre in kept}


def write_variants(target: Path, variants: Iterable[tuple[str, str, int]]) -> None:
    """Write (name, sequence, reads) as FASTA with sizes, most reads first, equal ones by name."""
    with open_atomic(target) as out:
        for name, sequence, size in sorted(variants, key=lambda variant: (-variant[2], variant[0])):
            out.write(f">{name};size={size}\n{sequence}\n")

"""From the unique sequences of a pool to its variants, by the method that the configuration names.

Methods that say which sequence belongs to which variant write it down (``members.tsv``: unique, variant); reads of
other sequences are given to their nearest variant later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from abyssal.files import open_atomic
from abyssal.reads.clusters import identity_clusters, swarm_clusters, write_clusters
from abyssal.reads.consensus import consensus_variants
from abyssal.reads.dada2 import dada2_variants
from abyssal.reads.denoise import denoise

Method = Literal["unoise", "swarm", "otu", "dada2", "consensus"]


@dataclass(frozen=True)
class VariantSettings:
    """How variants are found.

    Args:
        method: see the configuration.
        min_size: fewest reads of a variant.
        alpha: UNOISE skew parameter.
        identity: identity of the reads of a cluster (share), for otu and consensus.
    """

    method: Method = "unoise"
    min_size: int = 2
    alpha: float = 2.0
    identity: float = 0.97


def make_variants(
    uniques: Path,
    variants: Path,
    members: Path,
    settings: VariantSettings,
    *,
    passed: Sequence[Path] = (),
    threads: int = 1,
    log: Path | None = None,
) -> None:
    """Write the variants of a pool and the members that the method names.

    Args:
        uniques: FASTA that ``pool_uniques`` wrote.
        variants: FASTA with sizes, most abundant first, each named by its MD5.
        members: TSV; empty for UNOISE, whose reads are mapped back.
        settings: method and limits.
        passed: FASTQ of the reads of each library, for dada2.
        threads: threads of the program.
        log: file that receives its messages.
    """
    found: Mapping[str, str] = {}
    match settings.method:
        case "unoise":
            denoise(uniques, variants, min_size=settings.min_size, alpha=settings.alpha, threads=threads, log=log)
        case "swarm":
            seeds = swarm_clusters(uniques, threads=threads, log=log)
            found = write_clusters(variants, uniques, seeds, min_size=settings.min_size)
        case "otu":
            centres = identity_clusters(uniques, identity=settings.identity, threads=threads, log=log)
            found = write_clusters(variants, uniques, centres, min_size=settings.min_size)
        case "dada2":
            found = dada2_variants(uniques, passed, variants, min_size=settings.min_size, threads=threads, log=log)
        case "consensus":
            found = consensus_variants(
                uniques, variants, identity=settings.identity, min_size=settings.min_size, threads=threads, log=log
            )
    with open_atomic(members) as out:
        out.writelines(f"{name}\t{variant}\n" for name, variant in sorted(found.items()))


def read_members(source: Path) -> dict[str, str]:
    """Return the variant of each unique sequence that the method named."""
    return dict(line.split("\t") for line in source.read_text(encoding="ascii").splitlines())

"""Putative-taxon records and the files they live in.

``putative_taxa.tsv`` has one row a taxon, by falling reads; ``members.tsv`` one row a member; ``exemplars.fasta`` and
``consensus.fasta`` one sequence a taxon, its id being the taxon's. Numbers are rounded to six digits; an empty cell is
*not known*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.files import open_atomic

SAMPLE_PREFIX = "sample:"
COLUMNS = (
    "putative_taxon", "size", "reads", "prevalence", "exemplar", "radius", "nearest_id", "nearest_lineage",
    "nearest_identity", "nearest_similarity", "novel_rank", "cohesion", "separation", "stability", "consensus",
    "sentence",
)  # fmt: skip
MEMBER_COLUMNS = ("asv", "putative_taxon", "role", "distance")


@dataclass(frozen=True)
class PutativeTaxon:
    """A group of amplicons that the reference does not explain.

    Attributes:
        id: stable id; see ``abyssal.discovery.matching`` for how it survives re-runs.
        members: ids of its ASVs, most abundant first, error satellites included.
        satellites: those of the members that are errors of another member.
        sample_reads: reads in each sample, in the order of ``PutativeTaxa.samples``.
        exemplar: id of the member nearest to all others, weighted by reads.
        sequence: the exemplar's sequence.
        consensus: the exemplar with every position replaced by what most of the members' reads have there.
        radius: cosine distance from the exemplar within which a new read belongs to the taxon, 0..2.
        nearest_id: id of the nearest reference amplicon; "" without a reference, as are the next four None or "".
        nearest_lineage: its lineage, names joined by ``; ``.
        nearest_identity: identity of exemplar and nearest reference, 0..1.
        nearest_similarity: their cosine in the encoder's space, -1..1.
        novel_rank: highest rank at which it seems new, "" when at none.
        cohesion: mean cosine of members to the exemplar, -1..1; 1 for a single member.
        separation: cosine distance to the nearest exemplar of another taxon, 0..2; None for the only taxon.
        stability: mean Jaccard index with its best match in subsamples, 0..1; None when not measured.
        distances: cosine distance of each member to the exemplar, in the order of ``members``.
    """

    id: str
    members: tuple[str, ...]
    satellites: frozenset[str]
    sample_reads: tuple[int, ...]
    exemplar: str
    sequence: str
    consensus: str
    radius: float
    nearest_id: str
    nearest_lineage: str
    nearest_identity: float | None
    nearest_similarity: float | None
    novel_rank: str
    cohesion: float
    separation: float | None
    stability: float | None
    distances: tuple[float, ...]

    @property
    def reads(self) -> int:
        """Reads of all members in all samples."""
        return sum(self.sample_reads)

    @property
    def prevalence(self) -> int:
        """Samples with at least one read."""
        return sum(reads > 0 for reads in self.sample_reads)

    @property
    def sentence(self) -> str:
        """The record in plain words."""
        size = len(self.members)
        parts = [
            f"{size} ASV{'s' if size > 1 else ''} with {self.reads:,} read{'' if self.reads == 1 else 's'} "
            f"in {self.prevalence} of {len(self.sample_reads)} sample{'' if len(self.sample_reads) == 1 else 's'}"
        ]
        if self.nearest_identity is not None:
            name = self.nearest_lineage.rpartition("; ")[2] or self.nearest_id
            parts.append(f"nearest named relative {name} at {100 * self.nearest_identity:.1f} % identity")
            parts.append(f"seems new at rank {self.novel_rank}" if self.novel_rank else "may be of a named taxon")
        if self.stability is not None:
            found = "found again" if size > 1 else "found again alone"
            parts.append(f"{found} in subsamples ({100 * self.stability:.0f} % overlap on average)")
        return "; ".join(parts) + "."


@dataclass(frozen=True)
class StoredTaxon:
    """What an earlier run left of a putative taxon: its id and its members."""

    id: str
    members: frozenset[str]


def write_records(
    taxa: Sequence[PutativeTaxon],
    samples: Sequence[str],
    *,
    records: Path,
    members: Path,
    exemplars: Path,
    consensus: Path,
) -> None:
    """Write the four files of a set of putative taxa; header-only and empty files when there is none."""
    with open_atomic(records) as out:
        out.write("\t".join((*COLUMNS, *(SAMPLE_PREFIX + sample for sample in samples))) + "\n")
        out.writelines("\t".join(_cells(taxon)) + "\n" for taxon in taxa)
    with open_atomic(members) as out:
        out.write("\t".join(MEMBER_COLUMNS) + "\n")
        for taxon in taxa:
            for member, distance in zip(taxon.members, taxon.distances, strict=True):
                out.write("\t".join((member, taxon.id, _role(taxon, member), f"{distance:.6f}")) + "\n")
    with open_atomic(exemplars) as out:
        out.writelines(f">{taxon.id} exemplar={taxon.exemplar}\n{taxon.sequence}\n" for taxon in taxa)
    with open_atomic(consensus) as out:
        out.writelines(f">{taxon.id} size={len(taxon.members)}\n{taxon.consensus}\n" for taxon in taxa)


def _role(taxon: PutativeTaxon, member: str) -> str:
    if member == taxon.exemplar:
        return "exemplar"
    return "satellite" if member in taxon.satellites else "member"


def _cells(taxon: PutativeTaxon) -> list[str]:
    return [
        taxon.id, str(len(taxon.members)), str(taxon.reads), str(taxon.prevalence), taxon.exemplar,
        _number(taxon.radius), taxon.nearest_id, taxon.nearest_lineage, _number(taxon.nearest_identity),
        _number(taxon.nearest_similarity), taxon.novel_rank, _number(taxon.cohesion), _number(taxon.separation),
        _number(taxon.stability), taxon.consensus, taxon.sentence, *map(str, taxon.sample_reads),
    ]  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"

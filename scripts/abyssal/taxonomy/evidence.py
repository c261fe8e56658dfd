"""Evidence per rank: which name the neighbours vote for, and everything that says how far to believe it.

Names are chosen from the top down. At each rank a neighbour votes with the weight of its similarity, split evenly over
the lineages it carries; a lineage votes if it equals what was chosen at every rank above, so an answer is always the
lineage of some reference. Where a lineage has a gap (no name, but names below it) it votes for the gap, which gives no
name and lets the ranks below go on; its unknown end neither votes nor counts as opposition.

The encoder's own similarities are no evidence. They choose the short list, but a trained encoder places taxa it was
trained on better than new ones, so calibration on the reference would overrate them. k-mers and alignments know no
labels: every reference amplicon may calibrate. (Leaving the similarities out changed AUROC by less than 0.002 on V4.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abyssal.encoder.kmers import profile_size
from abyssal.taxonomy.evidence_characters import gather_characters
from abyssal.taxonomy.evidence_kernel import gather_rows
from abyssal.taxonomy.index import UNKNOWN, TaxonTable
from abyssal.taxonomy.profiles import SparseProfiles

FEATURES = (
    "best_kmer", "other_kmer", "kmer_margin", "best_identity", "other_identity", "identity_margin",
    "vote_share", "purity_1", "purity_5", "purity_15", "log_size",
    "tenth_kmer", "unknown_share", "sibling_kmer", "children_near", "local_other", "local_same",
    "relative_distance", "share_other_nearer", "share_same_further", "log_children", "log_siblings",
    "length_difference",
    "lead", "names_near", "name_entropy", "others_listed", "unknown_near",
    "nearest_other", "nearest_same", "least_other", "most_same", "relative_same", "relative_other",
    "shared_any", "shared_most", "foreign_any", "foreign_most", "private", "lacked_all", "lacked_own", "lacked_any",
    "carriers", "others", "balance",
)  # fmt: skip
"""Names of the evidence, in the order of the last axis. New ones go to the end: older models know the first ones."""

RISING = frozenset({"best_kmer", "kmer_margin", "best_identity", "identity_margin",
                    "vote_share", "purity_1", "purity_5", "purity_15"})  # fmt: skip
"""Evidence that can only raise the probability that the name is right and its taxon present."""

FALLING = frozenset({"relative_distance"})
"""Evidence that can only lower it."""

LOCAL = 10
"""Nearest neighbours whose surroundings in the reference are looked at."""

TEMPERATURE = 0.02
"""Similarity by which a neighbour's vote falls to 1/e of the nearest one's."""


@dataclass(frozen=True)
class Neighbours:
    """What a batch of q queries was compared with; places are ordered by ``score``, best first.

    Attributes:
        places: (q, k) int64 positions in the index, -1 when empty.
        score: (q, k) float32, what votes are weighted by.
        kmer: (q, k) float32 k-mer cosine.
        identity: (q, k) float32 alignment identity, NaN where not aligned.
        local: (q, LOCAL, R, 2) float32 surroundings of the first places (``neighbourhood``).
        lengths: (q,) float32 lengths of the queries (bases).
        target_lengths: (q,) float32 lengths of the nearest amplicons (bases).
        reads: k-mer profiles of the queries.
        reference: k-mer profiles of all amplicons.
    """

    places: NDArray[np.int64]
    score: NDArray[np.float32]
    kmer: NDArray[np.float32]
    identity: NDArray[np.float32]
    local: NDArray[np.float32]
    lengths: NDArray[np.float32]
    target_lengths: NDArray[np.float32]
    reads: SparseProfiles
    reference: SparseProfiles


@dataclass(frozen=True)
class Banned:
    """What each of q calibration queries may not see.

    Attributes:
        own: (q,) int64 the query's own amplicon, -1 for none.
        rank: (q,) int64 rank of the banned taxon, -1 for none.
        code: (q,) int64 its code.
        gone: (q,) int64 highest rank at which the query's taxon is absent now; R when all are present.
        removed: (q,) int64 number of amplicons that are banned.
        lineage: (q, R) int32 the query's own codes, -1 for unknown.
    """

    own: NDArray[np.int64]
    rank: NDArray[np.int64]
    code: NDArray[np.int64]
    gone: NDArray[np.int64]
    removed: NDArray[np.int64]
    lineage: NDArray[np.int32]


def nothing_banned(count: int, ranks: int) -> Banned:
    """Return the ban of ordinary reads: nothing."""
    none = np.full(count, UNKNOWN, dtype=np.int64)
    zero = np.zeros(count, dtype=np.int64)
    return Banned(none, none, none, zero + ranks, zero, np.full((count, ranks), UNKNOWN, dtype=np.int32))


def gather(taxa: TaxonTable, neighbours: Neighbours, banned: Banned) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the chosen code (q, R) int32, -1 for none, and the evidence (q, R, F) float64, NaN where unknown."""
    sizes, facts, starts = taxa.facts
    chosen, evidence = gather_rows(
        taxa.pair_offsets, taxa.pair_codes, sizes, facts, starts,
        neighbours.places, neighbours.score, neighbours.kmer, neighbours.identity,
        neighbours.local, neighbours.lengths, neighbours.target_lengths,
        banned.own, banned.rank, banned.code, banned.gone, banned.removed, banned.lineage,
        len(FEATURES), TEMPERATURE,
    )  # fmt: skip
    reads, reference = neighbours.reads, neighbours.reference
    gather_characters(
        taxa.pair_offsets, taxa.pair_codes, neighbours.places, banned.rank, banned.code, chosen,
        reads.offsets, reads.kmers, reference.offsets, reference.kmers, profile_size(reference.k),
        evidence, FEATURES.index("shared_any"),
    )  # fmt: skip
    return chosen, evidence

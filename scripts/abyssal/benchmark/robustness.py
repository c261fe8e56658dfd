"""What is done to queries and references to see how much a method depends on them being perfect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from abyssal.benchmark.cases import Case
from abyssal.evaluation.groups import substituted
from abyssal.evaluation.split import HeldOutQuery
from abyssal.references.model import AmpliconReference, Lineage
from abyssal.sequences.alphabet import reverse_complement

NOISE = (1, 5, 10)
"""Per cent of the reference's records with another record's lineage."""
DROPOUT = (25, 50)
"""Per cent of the reference's amplicons taken out."""
QUERY_VARIANTS = ("plain", "half length", "errors 0.5 %", "errors 1 %", "errors 2 %", "reversed")
REFERENCE_VARIANTS = (
    "queries", *(f"noise-{percent}" for percent in NOISE), *(f"dropout-{percent}" for percent in DROPOUT)
)  # fmt: skip


def robustness_case(case: Case, variant: str) -> Case:
    """Return a variant of a case: ``queries`` asks every query in six ways, the others change the reference."""
    rng = np.random.default_rng([7, *variant.encode()])
    if variant == "queries":
        return _queries_changed(case, rng)
    kind, percent = variant.split("-")
    change = with_wrong_labels if kind == "noise" else with_fewer_amplicons
    return replace(case, fitted=change(case.fitted, int(percent) / 100.0, rng), groups=(variant,) * len(case.queries))


def _queries_changed(case: Case, rng: np.random.Generator) -> Case:
    queries: list[HeldOutQuery] = []
    groups: list[str] = []
    for variant in QUERY_VARIANTS:
        for query in case.queries:
            queries.append(replace(query, sequence=changed(query.sequence, variant, rng)))
            groups.append(variant)
    return Case(case.fitted, tuple(queries), tuple(groups))


def changed(sequence: str, variant: str, rng: np.random.Generator) -> str:
    """Return a sequence with what the variant's name says."""
    if variant == "half length":
        return sequence[: len(sequence) // 2]
    if variant == "reversed":
        return reverse_complement(sequence)
    if variant.startswith("errors"):
        return substituted(sequence, float(variant.split()[1]) / 100.0, rng)
    return sequence


def with_wrong_labels(reference: AmpliconReference, share: float, rng: np.random.Generator) -> AmpliconReference:
    """Give a share of the records the lineage of another record, drawn at random."""
    pairs = [pair for members in reference.members for pair in members]
    wrong = set(rng.choice(len(pairs), size=round(share * len(pairs)), replace=False).tolist())
    members = []
    row = 0
    for found in reference.members:
        changed_pairs: dict[Lineage, str] = {}
        for accession, lineage in found:
            other = pairs[int(rng.integers(len(pairs)))][1] if row in wrong else lineage
            changed_pairs.setdefault(other, accession)
            row += 1
        members.append(tuple((accession, lineage) for lineage, accession in changed_pairs.items()))
    return AmpliconReference(reference.ranks, reference.ids, reference.sequences, tuple(members))


def with_fewer_amplicons(reference: AmpliconReference, share: float, rng: np.random.Generator) -> AmpliconReference:
    """Take a share of the amplicons out, drawn at random."""
    keep = rng.choice(len(reference), size=len(reference) - round(share * len(reference)), replace=False)
    return reference.subset(np.sort(keep).tolist())

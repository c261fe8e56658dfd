"""Do putative taxa keep their ids? A study with fewer reads or samples, and the share of ids that stay."""

from __future__ import annotations

import numpy as np

from abyssal.config.models import ClusterConfig
from abyssal.discovery.describe import EmbeddedReference, StudyAmplicons
from abyssal.discovery.records import PutativeTaxon, StoredTaxon
from abyssal.discovery.stage import discover

FEWEST_MEMBERS = 5


def with_counts(study: StudyAmplicons, counts: np.ndarray) -> StudyAmplicons:
    """The study with other counts; ASVs and samples without reads are gone."""
    rows, columns = np.flatnonzero(counts.sum(axis=1)), np.flatnonzero(counts.sum(axis=0))
    return StudyAmplicons(
        tuple(study.ids[i] for i in rows), tuple(study.sequences[i] for i in rows), study.vectors[rows],
        tuple(study.samples[i] for i in columns), counts[np.ix_(rows, columns)],
    )  # fmt: skip


def fewer_reads(study: StudyAmplicons, *, share: float = 0.8, seed: int = 7) -> StudyAmplicons:
    """The study with each read kept by this chance."""
    return with_counts(study, np.random.default_rng(seed).binomial(study.counts, share))


def fewer_samples(study: StudyAmplicons, *, seed: int = 7) -> StudyAmplicons:
    """The study before a fifth more samples came: five sixths of them."""
    counts = study.counts.copy()
    samples = len(study.samples)
    counts[:, np.random.default_rng(seed).permutation(samples)[: round(samples / 6)]] = 0
    return with_counts(study, counts)


def taxa_of(
    study: StudyAmplicons, named: EmbeddedReference | None, settings: ClusterConfig, previous: list[PutativeTaxon]
) -> list[PutativeTaxon]:
    """The putative taxa of a study that was run before."""
    stored = [StoredTaxon(taxon.id, frozenset(taxon.members)) for taxon in previous]
    return discover(study, named, settings.model_copy(update={"resamples": 0}), seed=1, previous=stored).taxa


def ids_kept(before: list[PutativeTaxon], after: list[PutativeTaxon]) -> np.ndarray:
    """For taxa of five ASVs or more that are left: is their id that of the taxon with most of their ASVs afterwards?"""
    home = {member: taxon.id for taxon in after for member in taxon.members}
    kept = []
    for taxon in before:
        homes = [home[member] for member in taxon.members if member in home]
        if len(taxon.members) >= FEWEST_MEMBERS and homes:
            kept.append(max(sorted(set(homes)), key=homes.count) == taxon.id)
    return np.array(kept)

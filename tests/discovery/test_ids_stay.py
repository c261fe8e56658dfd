"""Ids stay put when reads are lost and when a study grows: measured on a study with families of every size."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from abyssal.config.models import ClusterConfig
from abyssal.discovery.describe import StudyAmplicons
from abyssal.discovery.records import PutativeTaxon, StoredTaxon
from abyssal.discovery.stage import discover
from abyssal.encoder.kmers import kmer_profiles
from abyssal.sequences.alphabet import sequence_id

SAMPLES = tuple(f"S{number}" for number in range(10))
FAMILIES = 24


def make_study(seed: int = 5) -> tuple[StudyAmplicons, np.ndarray]:
    """Families of 5 to 12 ASVs, 3 % to 7 % wide, half of them near another one; abundances span four magnitudes."""
    random = np.random.default_rng(seed)
    sequences: list[str] = []
    truth: list[int] = []
    for family in range(FAMILIES):
        if family % 2 == 0:
            root = random.choice(list("ACGT"), size=220)
        ancestor = substituted(random, root, 30)
        for _ in range(int(random.integers(5, 13))):
            sequences.append("".join(substituted(random, ancestor, int(random.integers(3, 8)))))
            truth.append(family)
    reads = (10 ** random.uniform(0.7, 4.0, size=len(sequences))).astype(np.int64)
    shares = random.dirichlet(np.full(len(SAMPLES), 0.3), size=len(sequences))
    counts = np.array([random.multinomial(total, share) for total, share in zip(reads, shares, strict=True)])
    ids = tuple(sequence_id(sequence) for sequence in sequences)
    return StudyAmplicons(ids, tuple(sequences), kmer_profiles(sequences), SAMPLES, counts), np.array(truth)


def substituted(random: np.random.Generator, letters: np.ndarray, count: int) -> np.ndarray:
    changed = letters.copy()
    for place in random.choice(letters.size, size=count, replace=False):
        changed[place] = random.choice([base for base in "ACGT" if base != changed[place]])
    return changed


def with_counts(study: StudyAmplicons, counts: np.ndarray) -> StudyAmplicons:
    """The study with other counts; ASVs and samples without reads are gone."""
    rows, columns = np.flatnonzero(counts.sum(axis=1)), np.flatnonzero(counts.sum(axis=0))
    return StudyAmplicons(
        tuple(study.ids[i] for i in rows), tuple(study.sequences[i] for i in rows), study.vectors[rows],
        tuple(study.samples[i] for i in columns), counts[np.ix_(rows, columns)],
    )  # fmt: skip


def taxa_of(study: StudyAmplicons, method: str, previous: list[PutativeTaxon]) -> list[PutativeTaxon]:
    stored = [StoredTaxon(taxon.id, frozenset(taxon.members)) for taxon in previous]
    settings = ClusterConfig(method=method, distance=0.5, resamples=0)
    return discover(study, None, settings, seed=1, previous=stored).taxa


def share_kept(before: list[PutativeTaxon], after: list[PutativeTaxon]) -> float:
    """The share of taxa of at least five ASVs whose id is that of the taxon with most of their ASVs afterwards."""
    home = {member: taxon.id for taxon in after for member in taxon.members}
    kept = []
    for taxon in before:
        homes = [home[member] for member in taxon.members if member in home]
        if len(taxon.members) >= 5 and homes:
            kept.append(max(sorted(set(homes)), key=homes.count) == taxon.id)
    assert len(kept) >= FAMILIES // 2
    return float(np.mean(kept))


METHODS = ["average-linkage", "hdbscan", pytest.param("umap-hdbscan", marks=pytest.mark.slow)]


@pytest.mark.parametrize("method", METHODS)
def test_ids_survive_the_loss_of_a_fifth_of_the_reads(method: str) -> None:
    study, truth = make_study()
    before = taxa_of(study, method, [])
    number = {taxon.id: place for place, taxon in enumerate(before)}
    home = {member: number[taxon.id] for taxon in before for member in taxon.members}
    assert adjusted_rand_score(truth, [home[asv] for asv in study.ids]) > 0.8
    thinned = np.random.default_rng(7).binomial(study.counts, 0.8)
    assert share_kept(before, taxa_of(with_counts(study, thinned), method, before)) >= 0.95


@pytest.mark.parametrize("method", METHODS)
def test_ids_survive_a_quarter_more_samples(method: str) -> None:
    study, _ = make_study()
    fewer = study.counts.copy()
    fewer[:, 8:] = 0
    before = taxa_of(with_counts(study, fewer), method, [])
    assert share_kept(before, taxa_of(study, method, before)) >= 0.95

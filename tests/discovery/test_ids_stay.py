"""Ids stay put when reads are lost and when a study grows: measured on a study with families of every size."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from support.amplicons import random_sequence, substitute
from support.ids import fewer_reads, fewer_samples, ids_kept, taxa_of

from abyssal.config.models import ClusterConfig
from abyssal.discovery.describe import EmbeddedReference, StudyAmplicons
from abyssal.discovery.records import PutativeTaxon
from abyssal.encoder.kmers import kmer_profiles
from abyssal.references.model import AmpliconReference
from abyssal.sequences.alphabet import sequence_id

SAMPLES = tuple(f"S{number}" for number in range(10))
FAMILIES = 24
MARKER = random_sequence(np.random.default_rng(1), 220)


def make_study(seed: int = 5) -> tuple[StudyAmplicons, np.ndarray]:
    """Families of 5 to 12 ASVs, 3 % to 7 % wide, half of them near another one; abundances span four magnitudes."""
    random = np.random.default_rng(seed)
    sequences: list[str] = []
    truth: list[int] = []
    for family in range(FAMILIES):
        if family % 2 == 0:
            root = substitute(random, MARKER, 8)
        ancestor = substitute(random, root, 14)
        for _ in range(int(random.integers(5, 13))):
            sequences.append(substitute(random, ancestor, int(random.integers(3, 8))))
            truth.append(family)
    reads = (10 ** random.uniform(0.7, 4.0, size=len(sequences))).astype(np.int64)
    shares = random.dirichlet(np.full(len(SAMPLES), 0.3), size=len(sequences))
    counts = np.array([random.multinomial(total, share) for total, share in zip(reads, shares, strict=True)])
    ids = tuple(sequence_id(sequence) for sequence in sequences)
    return StudyAmplicons(ids, tuple(sequences), kmer_profiles(sequences), SAMPLES, counts), np.array(truth)


@pytest.fixture(scope="module")
def named() -> EmbeddedReference:
    """Families of another seed, each a species with a name: what the default clusterer learns from."""
    study, truth = make_study(seed=6)
    members = tuple(((name, (f"species{number}",)),) for name, number in zip(study.ids, truth, strict=True))
    reference = AmpliconReference(("species",), study.ids, study.sequences, members)
    return EmbeddedReference(reference, study.vectors, 0.05, 6)


def settings_of(method: str) -> ClusterConfig:
    return ClusterConfig() if method == "automatic" else ClusterConfig(method=method, distance=0.5)  # type: ignore[arg-type]


def share_kept(before: list[PutativeTaxon], after: list[PutativeTaxon]) -> float:
    kept = ids_kept(before, after)
    assert kept.size >= FAMILIES // 2
    return float(kept.mean())


METHODS = ["automatic", "average-linkage", "hdbscan", pytest.param("umap-hdbscan", marks=pytest.mark.slow)]


@pytest.mark.parametrize("method", METHODS)
def test_ids_survive_the_loss_of_a_fifth_of_the_reads(method: str, named: EmbeddedReference) -> None:
    study, truth = make_study()
    reference = named if method == "automatic" else None
    before = taxa_of(study, reference, settings_of(method), [])
    number = {taxon.id: place for place, taxon in enumerate(before)}
    home = {member: number[taxon.id] for taxon in before for member in taxon.members}
    assert adjusted_rand_score(truth, [home[asv] for asv in study.ids]) > 0.8
    assert share_kept(before, taxa_of(fewer_reads(study), reference, settings_of(method), before)) >= 0.95


@pytest.mark.parametrize("method", METHODS)
def test_ids_survive_a_fifth_more_samples(method: str, named: EmbeddedReference) -> None:
    study, _ = make_study()
    reference = named if method == "automatic" else None
    before = taxa_of(fewer_samples(study), reference, settings_of(method), [])
    assert share_kept(before, taxa_of(study, reference, settings_of(method), before)) >= 0.95

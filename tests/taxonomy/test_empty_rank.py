"""A reference may have a rank, even its lowest, at which nothing has a name, or but one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.evolved_taxa import evolved_reference

from abyssal.config.models import TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.extend import extend_model, extend_reference
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.putative import no_putative_taxa

from .conftest import MARKER


def test_a_model_is_fitted_without_a_single_species_name() -> None:
    whole = evolved_reference().subset(list(range(80)))
    nameless = replace(
        whole, members=tuple(tuple((name, (*lineage[:-1], None)) for name, lineage in pairs) for pairs in whole.members)
    )
    encoder = load_encoder("kmers")
    settings = TrainConfig(neighbours=10, calibration_queries=100)
    model = fit_model(nameless, encoder.embed(list(nameless.sequences)), encoder, settings=settings, seed=1)
    assert len(model.index.taxa.names[-1]) == 0
    assert len(model.index.taxa.names[-2]) > 0


def test_taxa_are_added_to_a_model_with_a_nameless_rank() -> None:
    whole = evolved_reference()
    nameless = replace(
        whole,
        members=tuple(
            tuple((name, (*lineage[:2], None, *lineage[3:])) for name, lineage in pairs) for pairs in whole.members
        ),
    )
    old, new = nameless.subset(list(range(80))), nameless.subset(list(range(80, 90)))
    encoder = load_encoder("kmers")
    settings = TrainConfig(neighbours=10, calibration_queries=100)
    model = fit_model(old, encoder.embed(list(old.sequences)), encoder, settings=settings, seed=1)
    larger = extend_model(model, extend_reference(old, new, source="new.tsv"), encoder.embed)
    answers = Classifier(larger, encoder, MARKER, no_putative_taxa()).classify(new.sequences)
    assert {row[2] for row in answers.labels} == {None}
    assert np.mean([row[4] == pairs[0][1][4] for row, pairs in zip(answers.labels, new.members, strict=True)]) > 0.5


def test_a_reference_of_one_taxon_is_named_as_surely_as_the_stated_mix_allows() -> None:
    whole = evolved_reference().subset(list(range(60)))
    lineage = whole.members[0][0][1]
    alone = replace(whole, members=tuple(((pairs[0][0], lineage),) for pairs in whole.members))
    encoder = load_encoder("kmers")
    settings = TrainConfig(neighbours=10, calibration_queries=200)
    model = fit_model(alone, encoder.embed(list(alone.sequences)), encoder, settings=settings, seed=1)
    answers = Classifier(model, encoder, MARKER, no_putative_taxa()).classify(alone.sequences[:5])
    # Nothing tells known from new here, so what is stated holds: .15 of reads are of new genera, .40 of new species.
    assert answers.confidence[:, 3] == pytest.approx(0.85, abs=0.02)
    assert answers.confidence[:, 4] == pytest.approx(0.60, abs=0.02)
    assert (answers.accepted == 4).all()

"""A reference may have a rank, even its lowest, at which nothing has a name."""

from __future__ import annotations

from dataclasses import replace

from support.evolved_taxa import evolved_reference

from abyssal.config.models import TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.taxonomy.fit import fit_model


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

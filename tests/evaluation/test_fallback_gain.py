"""The gain of the alignment search on held-out queries is measured where it is asked for."""

from __future__ import annotations

import shutil

import pytest
from support.evolved_taxa import evolved_reference

from abyssal.config.fallback import FallbackConfig
from abyssal.config.models import TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.evaluation.answers import judge
from abyssal.evaluation.fallback import grade_fallback
from abyssal.evaluation.split import split_reference
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.model import MarkerSpec
from abyssal.taxonomy.putative import no_putative_taxa


def test_figures_with_and_without_are_given_per_rank() -> None:
    if shutil.which("vsearch") is None:
        pytest.skip("vsearch is not installed")
    split = split_reference(evolved_reference(), 60, 1)
    encoder = load_encoder("kmers")
    settings = TrainConfig(neighbours=20, calibration_queries=300)
    model = fit_model(split.fitted, encoder.embed(list(split.fitted.sequences)), encoder, settings=settings, seed=3)
    classifier = Classifier(model, encoder, MarkerSpec("test", "", "", 200, 300), no_putative_taxa())
    truth = judge([query.lineage for query in split.queries], split.fitted)
    assert grade_fallback(classifier, split.queries, truth, FallbackConfig()) == {}
    asked = FallbackConfig(method="vsearch", rank="species", max_share=0.5)
    found = grade_fallback(classifier, split.queries, truth, asked)["fallback"]
    assert 0 < found["gain"]["searched"] <= 0.5 * len(split.queries)
    assert set(found["with"]) == set(truth.ranks)
    assert found["with"]["order"]["top_name"] >= found["without"]["order"]["top_name"] - 0.05
    assert 0.0 <= found["with"]["species"]["over_classified"] <= 1.0

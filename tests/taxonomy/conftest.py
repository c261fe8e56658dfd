"""A model fitted once on an evolved reference, without the taxa that tests call new."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from support.evolved_taxa import evolved_reference

from abyssal.config.models import TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.model import MarkerSpec, Model, save_model

NEW_GENUS = "ko0f0g0"
NEW_SPECIES = "ko1f1g1s1"
MARKER = MarkerSpec("test", "ACGTACGTACGT", "TTTTGGGGCCCC", 200, 300)


@dataclass(frozen=True)
class Trained:
    """A saved model with what it was not shown."""

    reference: AmpliconReference
    model: Model
    directory: Path
    classifier: Classifier
    new_genus: tuple[str, ...]
    new_species: tuple[str, ...]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    whole = evolved_reference()
    names = [pairs[0][1] for pairs in whole.members]
    kept = [place for place, name in enumerate(names) if name[3] != NEW_GENUS and name[4] != NEW_SPECIES]
    reference = whole.subset(kept)
    encoder = load_encoder("kmers")
    settings = TrainConfig(neighbours=20, calibration_queries=900)
    model = fit_model(reference, encoder.embed(list(reference.sequences)), encoder, settings=settings, seed=3)
    directory = tmp_path_factory.mktemp("trained") / "model"
    save_model(model, directory, encoder=None, marker=MARKER, batch_size=64)
    return Trained(
        reference,
        model,
        directory,
        Classifier.load(directory),
        tuple(s for s, name in zip(whole.sequences, names, strict=True) if name[3] == NEW_GENUS),
        tuple(s for s, name in zip(whole.sequences, names, strict=True) if name[4] == NEW_SPECIES),
    )

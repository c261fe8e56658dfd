"""A bundle answered by the fastest engine that gives its golden answers: the choice of ``abyssal.encoder.engines``.

Workflow results never come from here: they are always the reference engine's.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace

from abyssal.bundle.golden import ENGINE_TOLERANCE, self_test
from abyssal.bundle.read import Bundle
from abyssal.encoder.cache import cache_folder
from abyssal.encoder.engines.choose import DEFAULT_FOLDER, VARIABLE, prepare, ready
from abyssal.encoder.interface import Encoder
from abyssal.errors import BundleError, DataError
from abyssal.taxonomy.classifier import Classifier

logger = logging.getLogger(__name__)


def with_ready_engine(classifier: Classifier, bundle: Bundle, *, device: str = "cpu") -> Classifier | None:
    """Return the classifier with the engine chosen before, maybe its own; None while none has been chosen."""
    folder = cache_folder(os.environ, VARIABLE, DEFAULT_FOLDER)
    found = classifier.encoder if folder is None else ready(classifier.encoder, folder, device=device)
    return None if found is None else _confirmed(classifier, found, bundle)


def with_prepared_engine(classifier: Classifier, bundle: Bundle, *, device: str = "cpu") -> Classifier:
    """Convert the encoder, try the engines and return the classifier with the chosen one; takes a minute or so."""
    folder = cache_folder(os.environ, VARIABLE, DEFAULT_FOLDER)
    if folder is None:
        return classifier
    try:
        found = prepare(classifier.encoder, classifier.model.index.reference.sequences, folder, device=device)
    except (DataError, OSError) as error:
        logger.warning("no faster engine: %s", error)
        return classifier
    return _confirmed(classifier, found, bundle)


def _confirmed(classifier: Classifier, encoder: Encoder, bundle: Bundle) -> Classifier:
    """Return the classifier with this encoder when it gives the golden answers, else as it was."""
    if encoder is classifier.encoder:
        return classifier
    faster = replace(classifier, encoder=encoder)
    try:
        passed = self_test(faster, bundle, tolerance=ENGINE_TOLERANCE)
    except (BundleError, OSError) as error:
        logger.warning("%s stays: %s does not give the golden answers: %s", classifier.engine, encoder.engine, error)
        return classifier
    logger.info(
        "%s answers: %d golden sequences with the same labels, largest difference of a confidence %.1e",
        encoder.engine, passed.sequences, passed.largest_difference,
    )  # fmt: skip
    return faster

"""Bundles from wherever they are: opened and verified first, then loaded and tested."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from abyssal.errors import BundleError, UsageError
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1.common_pb2 import Model
from abyssal_server.models.loaded import LoadedModel

if TYPE_CHECKING:
    from abyssal.bundle.read import Bundle
    from abyssal.taxonomy.classifier import Classifier

logger = logging.getLogger(__name__)

_AUTO = "auto"
_CPU = "cpu"
_GPU = "cuda"
_CARD = "MODEL_CARD.md"
_TAXONOMY = "taxonomy.tsv"


class ModelStore(Protocol):
    """Where models come from; both methods block and are called in a thread."""

    def open(self, location: str) -> Any:
        """Return the verified bundle at a location; it has a ``digest``."""

    def load(self, opened: Any) -> LoadedModel:
        """Return the model of an opened bundle, warmed up and with its golden answers confirmed."""


class BundleStore:
    """Directories, registries and S3.

    Args:
        cache: directory that bundles are fetched into from S3.
        device: what the encoder computes on: ``cpu``, ``cuda``, or ``auto`` for a GPU that passes the golden check.
        engine: ``auto`` takes the fastest engine that gives the golden answers, ``reference`` keeps PyTorch fp32.
    """

    def __init__(self, cache: Path, device: str = "auto", engine: str = "auto") -> None:
        self._cache = cache
        self._device = device
        self._engine = engine

    def open(self, location: str) -> Bundle:
        """Return the verified bundle at a location.

        Raises:
            UsageError: there is nothing of this name, or it cannot be looked at.
            BundleError: the bundle is incomplete, altered or not signed as it must be.
        """
        from abyssal.bundle.registry import open_location

        try:
            return open_location(location, cache=self._cache)
        except OSError as error:
            message = f"{location}: {error.strerror}; may the service read there?"
            raise UsageError(message) from error

    def load(self, opened: Bundle) -> LoadedModel:
        """Load a bundle, which warms it up, and score its golden sequences.

        Raises:
            BundleError: the bundle answers differently than when it was written, or cannot answer.
        """
        # torch and the model code take seconds to import; the port is open and health answers before that.
        from abyssal.bundle.golden import self_test
        from abyssal.taxonomy.classifier import Classifier

        for device in _devices(self._device):
            try:
                classifier = Classifier.load(opened.directory, device=device)
                passed = self_test(classifier, opened)
                break
            except BundleError as error:
                if device == _CPU or self._device != _AUTO:
                    raise
                logger.warning("%s does not reproduce the model, so the CPU answers: %s", device, error)
        logger.info(
            "model %s %s (%s): %d golden sequences answered, largest difference of a confidence %.1e",
            opened.name, opened.version, opened.digest[:12], passed.sequences, passed.largest_difference,
        )  # fmt: skip
        if self._engine == _AUTO:
            return _with_best_engine(opened, classifier, device)
        return _loaded(opened, classifier)


def _with_best_engine(bundle: Bundle, classifier: Classifier, device: str) -> LoadedModel:
    """Return the model with the engine that was chosen before; with the reference's while none has been."""
    from abyssal.bundle.engines import with_prepared_engine, with_ready_engine

    found = with_ready_engine(classifier, bundle, device=device)
    if found is not None:
        return _loaded(bundle, found)

    model = _loaded(bundle, classifier)

    def faster() -> LoadedModel | None:
        best = with_prepared_engine(classifier, bundle, device=device)
        return None if best is classifier else _answered_by(model, best)

    return replace(model, faster=faster)


def _answered_by(model: LoadedModel, classifier: Classifier) -> LoadedModel:
    """Return the model with another engine; nothing is read again, as nobody has verified what lies there by now."""
    from abyssal.inference.vectors import embed_reads

    identity = Model()
    identity.CopyFrom(model.identity)
    identity.engine = classifier.engine
    return replace(model, identity=identity, classifier=classifier, embed=partial(embed_reads, classifier))


def _devices(wanted: str) -> list[str]:
    """Return what to try, in this order.

    Raises:
        UsageError: a GPU is asked for and PyTorch finds none.
    """
    import torch

    if wanted == _CPU:
        return [_CPU]
    if torch.cuda.is_available():
        return [_GPU] if wanted == _GPU else [_GPU, _CPU]
    if wanted == _GPU:
        message = "PyTorch finds no GPU here; use --device cpu or auto"
        raise UsageError(message)
    return [_CPU]


def _loaded(bundle: Bundle, classifier: Classifier) -> LoadedModel:
    from abyssal.inference.vectors import embed_reads

    taxa = NumberedTaxa.from_file(bundle.directory / _TAXONOMY, bundle.ranks)
    identity = Model(
        name=bundle.name,
        version=bundle.version,
        digest=bundle.digest,
        marker=bundle.marker,
        ranks=bundle.ranks,
        engine=classifier.engine,
        taxonomy_digest=taxa.digest,
    )
    card = (bundle.directory / _CARD).read_text(encoding="utf-8")
    embed = partial(embed_reads, classifier)
    return LoadedModel(identity, classifier, embed, taxa, card, bundle.directory)

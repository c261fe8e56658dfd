"""The models that are loaded: verified, warmed up and tested before anybody is answered from them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.config.models import NoveltyConfig
from abyssal.inference.batches import ReadClassifier
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1.common_pb2 import Model
from abyssal.taxonomy.classifications import ReadError
from abyssal_server.errors import NotFound, NotReady
from abyssal_server.window import Question

logger = logging.getLogger(__name__)

_CARD = "MODEL_CARD.md"
_TAXONOMY = "taxonomy.tsv"


Embedded = tuple[NDArray[np.float32], Sequence[ReadError | None]]
Embed = Callable[[Sequence[str]], Embedded]


@dataclass(frozen=True)
class LoadedModel:
    """A model that answers.

    Attributes:
        identity: what it is called in answers.
        classifier: what computes; used by the engine's worker thread only.
        embed: gives the vectors behind the answers; in the same thread only.
        taxa: the taxa that answers point into.
        card: the model card in Markdown, empty when the bundle has none.
    """

    identity: Model
    classifier: ReadClassifier
    embed: Embed
    taxa: NumberedTaxa
    card: str

    def question(self, novelty: NoveltyConfig | None) -> Question:
        """Return what the engine is asked for reads of this model."""
        return Question(self.identity.digest, novelty, self.classifier)


class LoadedModels:
    """The models of this process; one for now, found by digest."""

    def __init__(self) -> None:
        self._current: LoadedModel | None = None

    def put(self, model: LoadedModel) -> None:
        """Make a model the current one."""
        self._current = model

    def all(self) -> list[LoadedModel]:
        """Return every loaded model, the current one first."""
        return [] if self._current is None else [self._current]

    def get(self, digest: str) -> LoadedModel:
        """Return the model of a digest, the current one for an empty digest.

        Raises:
            NotReady: nothing is loaded yet.
            NotFound: no such model is loaded.
        """
        if self._current is None:
            message = "the model is still being loaded"
            raise NotReady(message, retry_after=1.0)
        if digest and digest != self._current.identity.digest:
            raise NotFound(kind="model", name=digest)
        return self._current

    def taxonomy(self, digest: str) -> NumberedTaxa:
        """Return the taxa of a taxonomy digest.

        Raises:
            NotReady: nothing is loaded yet.
            NotFound: no loaded model has such a taxonomy.
        """
        model = self.get("")
        if digest != model.identity.taxonomy_digest:
            raise NotFound(kind="taxonomy", name=digest)
        return model.taxa


def load_model(directory: Path) -> LoadedModel:
    """Verify a bundle, load it and score its golden sequences.

    Raises:
        UsageError: there is no such directory.
        BundleError: the bundle is incomplete, altered, or answers differently than when it was written.
    """
    # torch and the model code take seconds to import; the port is open and health answers before that.
    from abyssal.bundle.golden import self_test
    from abyssal.bundle.read import open_bundle
    from abyssal.inference.vectors import embed_reads
    from abyssal.taxonomy.classifier import Classifier

    bundle = open_bundle(directory)
    classifier = Classifier.load(bundle.directory)
    passed = self_test(classifier, bundle)
    logger.info(
        "model %s %s (%s): %d golden sequences answered, largest difference of a confidence %.1e",
        bundle.name, bundle.version, bundle.digest[:12], passed.sequences, passed.largest_difference,
    )  # fmt: skip
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
    return LoadedModel(identity, classifier, partial(embed_reads, classifier), taxa, card)

"""A model that answers: verified, warmed up and tested before anybody is answered from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.config.models import NoveltyConfig
from abyssal.inference.batches import ReadClassifier
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1.common_pb2 import Model
from abyssal.taxonomy.classifications import ReadError
from abyssal_server.question import Question

Embedded = tuple[NDArray[np.float32], Sequence[ReadError | None]]
Embed = Callable[[Sequence[str]], Embedded]


@dataclass(frozen=True)
class LoadedModel:
    """A model that answers.

    Attributes:
        identity: what it is called in answers, without labels.
        classifier: what computes; used by the engine's worker thread only.
        embed: gives the vectors behind the answers; in the same thread only.
        taxa: the taxa that answers point into.
        card: the model card in Markdown, empty when the bundle has none.
        directory: the bundle's directory, None for a model without files.
        faster: looks for a faster engine, which takes a minute, and returns the model with it, None for none; None when
            there is nothing to look for.
    """

    identity: Model
    classifier: ReadClassifier
    embed: Embed
    taxa: NumberedTaxa
    card: str
    directory: Path | None = None
    faster: Callable[[], LoadedModel | None] | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the bundle's manifest."""
        return str(self.identity.digest)

    def question(self, novelty: NoveltyConfig | None, others: Sequence[LoadedModel] = ()) -> Question:
        """Return what the engine is asked for reads of this model; ``others`` may know the reads that it rejects."""
        elsewhere = tuple(other.question(None) for other in others)
        return Question(
            self.digest, novelty, self.classifier, self.taxa, self.identity.marker, elsewhere, self.identity.engine
        )

"""What the engine is asked, and the chunks that wait for its answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from abyssal.config.models import NoveltyConfig
from abyssal.inference.batches import ReadClassifier
from abyssal.inference.taxa import NumberedTaxa
from abyssal.taxonomy.classifications import Classifications
from abyssal_server.fairness import padded_sum


@dataclass(frozen=True)
class Question:
    """What is asked about reads: of which model and engine, and under which novelty mix (None for the model's own).

    Attributes:
        classifier: what computes the answers, in the worker thread only.
        taxa: the taxa that the answers name.
        marker: the model's marker.
        elsewhere: what the models of other markers are asked about reads that this one rejects.
        engine: what computes the vectors; another one's answers are not remembered for it.
    """

    model_digest: str
    novelty: NoveltyConfig | None
    classifier: ReadClassifier = field(compare=False)
    taxa: NumberedTaxa = field(compare=False)
    marker: str = field(default="", compare=False)
    elsewhere: tuple[Question, ...] = field(default=(), compare=False)
    engine: str = ""

    def answer(self, sequences: Sequence[str]) -> Classifications:
        """Compute reads."""
        return self.classifier.classify(sequences, novelty=self.novelty)


@dataclass(frozen=True)
class Answered:
    """The answers to one chunk, and how long it waited and computed (nanoseconds)."""

    answers: Classifications
    queue_nanoseconds: int
    engine_nanoseconds: int


@dataclass(eq=False)
class Work:
    """One chunk that waits or is computed; cancelling ``answer`` drops it wherever it is.

    Attributes:
        deadline: on the monotonic clock, None for never.
        accepted_at: on the monotonic clock.
        started_at: when its first read was computed, on the monotonic clock.
    """

    question: Question
    sequences: Sequence[str]
    deadline: float | None
    answer: asyncio.Future[Answered]
    accepted_at: float
    started_at: float = 0.0

    @cached_property
    def cost(self) -> int:
        """Padded letters of all its reads."""
        return padded_sum(self.sequences)

    @property
    def expired(self) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits for it."""
        return not self.answer.done() and not self.expired

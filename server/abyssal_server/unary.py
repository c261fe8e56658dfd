"""A small number of reads answered in one message, whichever protocol they came by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abyssal.inference.v1.classification_pb2 import ClassifyConfig
from abyssal.inference.v1.common_pb2 import Timing
from abyssal.taxonomy.classifications import Classifications
from abyssal_server.access import CALLER
from abyssal_server.fairness import Lane
from abyssal_server.models import LoadedModel
from abyssal_server.observability.calls import SPAN
from abyssal_server.parts import ServiceParts
from abyssal_server.requests import novelty_of, sequences_of, timing_of


@dataclass(frozen=True)
class UnaryAnswer:
    """The answers, and what gave them."""

    model: LoadedModel
    answers: Classifications
    timing: Timing


async def answer_now(
    parts: ServiceParts, method: str, config: ClassifyConfig, reads: Sequence[bytes], deadline: float | None
) -> UnaryAnswer:
    """Answer reads between the steps of bulk work.

    Raises:
        Overloaded: there is no room.
        AbyssalError: the request cannot be answered.
    """
    client = CALLER.get().id
    with (
        parts.models.lease(config.model, config.model_digest) as model,
        parts.usage.call(method, model, client) as usage,
    ):
        novelty = novelty_of(config, field="config")
        search = parts.search.of(model, config.fallback, novelty)
        sequences = sequences_of(reads, limit=parts.settings.reads_per_chunk, field="sequences")
        question = model.question(novelty, parts.models.others(model))
        lane = Lane(client, interactive=True)
        answered = await parts.engine.submit_now(lane, question, sequences, deadline=deadline)
        timing, answers = timing_of(answered), answered.answers
        if search is not None and search.wanted(answers):
            searched = await search.run(sequences, answers, deadline)
            timing.search_nanoseconds, answers = searched.nanoseconds, searched.answers
        parts.count(usage, sequences, answers)
        span = SPAN.get()
        span.note(reads=len(sequences), model_digest=model.digest)
        span.part("queue", timing.queue_nanoseconds)
        span.part("engine", timing.engine_nanoseconds)
        return UnaryAnswer(model, answers, timing)

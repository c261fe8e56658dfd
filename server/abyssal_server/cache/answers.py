"""The cache as the engine sees it: this process's memory first, then what the replicas share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from abyssal.inference.batches import concatenate
from abyssal.taxonomy.classifications import Classifications
from abyssal_server.cache.memory import Memory
from abyssal_server.question import Question
from abyssal_server.settings import ServerSettings

if TYPE_CHECKING:
    from abyssal_server.cache.shared import SharedAnswers


class AnswerCache:
    """Finds and keeps the answers to distinct reads; used from the worker thread."""

    def __init__(self, memory: Memory, shared: SharedAnswers | None = None) -> None:
        self.memory = memory
        self.shared = shared
        self.hits = 0
        self.misses = 0

    @classmethod
    def of(cls, settings: ServerSettings) -> AnswerCache:
        """Return the cache that the settings ask for."""
        memory = Memory(reads=settings.remembered_reads, letters=settings.remembered_letters)
        url = settings.redis_url.get_secret_value()
        if not url:
            return cls(memory)
        # Importing redis takes a tenth of the time to the first answer; most services start without it.
        from abyssal_server.cache.shared import SharedAnswers

        shared = SharedAnswers(url, seconds=settings.redis_seconds, keep_seconds=settings.redis_keep_seconds)
        return cls(memory, shared)

    def find(self, question: Question, sequences: Sequence[str]) -> tuple[list[str], Classifications | None]:
        """Return those of the distinct reads that are known, and their answers."""
        known, answers = self.memory.find(question, sequences)
        if self.shared is not None and len(known) < len(sequences):
            there = set(known)
            fetched, more = self.shared.find(question, [one for one in sequences if one not in there])
            if more is not None:
                self.memory.add(question, fetched, more)
                known, answers = known + fetched, more if answers is None else concatenate([answers, more])
        self.hits += len(known)
        self.misses += len(sequences) - len(known)
        return known, answers

    def add(self, question: Question, sequences: Sequence[str], answers: Classifications) -> None:
        """Keep the answers to reads that were not known."""
        self.memory.add(question, sequences, answers)
        if self.shared is not None:
            self.shared.add(question, sequences, answers)

    def close(self) -> None:
        """Let go of Redis."""
        if self.shared is not None:
            self.shared.close()

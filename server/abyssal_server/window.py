"""Chunks that are computed together, each distinct read once, and the answers that are remembered between windows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from abyssal.config.models import NoveltyConfig
from abyssal.inference.batches import ReadClassifier, concatenate, select
from abyssal.taxonomy.classifications import Classifications


@dataclass(frozen=True)
class Question:
    """What is asked about reads: of which model, and under which novelty mix (None for the model's own)."""

    model_digest: str
    novelty: NoveltyConfig | None
    classifier: ReadClassifier = field(compare=False)

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
    """One chunk that waits or is computed; cancelling ``answer`` drops it wherever it is."""

    question: Question
    sequences: Sequence[str]
    deadline: float | None
    answer: asyncio.Future[Answered]
    accepted_at: float

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits for it."""
        return not self.answer.done() and (self.deadline is None or time.monotonic() < self.deadline)


class RecentReads:
    """Answers to the latest distinct reads of one question, so that a library's duplicates are computed once.

    Bounded in reads and letters: when full it starts anew, with the reads of the window at hand.
    """

    def __init__(self, question: Question, *, reads: int, letters: int) -> None:
        self._question = question
        self._most_reads = reads
        self._most_letters = letters
        self._letters = 0
        self.position: dict[str, int] = {}
        self.answers = question.answer([])

    def answer(self, owners: dict[str, list[Work]], batch_reads: int) -> None:
        """Compute and remember the reads that are not known yet, shortest first, but for those nobody wants."""
        new = sorted((s for s in owners if s not in self.position), key=lambda sequence: (len(sequence), sequence))
        if not new:
            return
        computed: list[str] = []
        parts: list[Classifications] = []
        for start in range(0, len(new), batch_reads):
            batch = _still_wanted(new[start : start + batch_reads], owners)
            if batch:
                parts.append(self._question.answer(batch))
                computed += batch
        self._letters += sum(map(len, computed))
        if len(self.position) + len(computed) > self._most_reads or self._letters > self._most_letters:
            known = [sequence for sequence in owners if sequence in self.position]
            rows = np.array([self.position[sequence] for sequence in known], dtype=np.int64)
            self.answers = select(self.answers, rows)
            self.position = {sequence: row for row, sequence in enumerate(known)}
            self._letters = sum(map(len, known)) + sum(map(len, computed))
        self.position.update(zip(computed, range(len(self.position), len(self.position) + len(computed)), strict=True))
        self.answers = concatenate([self.answers, *parts])


def _still_wanted(batch: list[str], owners: dict[str, list[Work]]) -> list[str]:
    wanted = {work for sequence in batch for work in owners[sequence]}
    wanted = {work for work in wanted if work.wanted}
    return [sequence for sequence in batch if not wanted.isdisjoint(owners[sequence])]


@dataclass(eq=False)
class Window:
    """Chunks that are computed together."""

    works: list[Work] = field(default_factory=list)
    owners: dict[Question, dict[str, list[Work]]] = field(default_factory=dict)
    reads: int = 0
    letters: int = 0

    def add(self, work: Work) -> None:
        """Add a chunk."""
        self.works.append(work)
        self.reads += len(work.sequences)
        owners_of = self.owners.setdefault(work.question, {})
        for sequence in dict.fromkeys(work.sequences):
            owners = owners_of.setdefault(sequence, [])
            if not owners:
                self.letters += len(sequence)
            owners.append(work)


class Worker:
    """What runs in the worker thread: the only user of the classifiers."""

    def __init__(self, *, batch_reads: int, remembered_reads: int, remembered_letters: int) -> None:
        self._batch_reads = batch_reads
        self._remembered_reads = remembered_reads
        self._remembered_letters = remembered_letters
        self._recent: dict[Question, RecentReads] = {}

    def compute(self, window: Window) -> list[Classifications | None]:
        """Return the answers of each chunk, None for one that nobody wants any more."""
        for question, owners in window.owners.items():
            self._memory_of(question).answer(owners, self._batch_reads)
        answers: list[Classifications | None] = []
        for work in window.works:
            recent = self._recent[work.question]
            rows = [recent.position.get(sequence, -1) for sequence in work.sequences]
            answers.append(None if -1 in rows else select(recent.answers, np.array(rows, dtype=np.int64)))
        # Callers may state any novelty mix: only the questions of this window are remembered.
        self._recent = {question: self._recent[question] for question in window.owners}
        return answers

    def _memory_of(self, question: Question) -> RecentReads:
        recent = self._recent.get(question)
        if recent is None:
            recent = RecentReads(question, reads=self._remembered_reads, letters=self._remembered_letters)
            self._recent[question] = recent
        return recent

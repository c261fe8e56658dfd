"""Chunks that are computed together: each distinct read once, in the order of length, in steps of a stated size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import NamedTuple

import numpy as np

from abyssal.inference.batches import concatenate, select
from abyssal.taxonomy.classifications import Classifications, ReadError, ReadErrorCode, Source
from abyssal_server.cache import AnswerCache
from abyssal_server.fairness import padded_letters, padded_sum
from abyssal_server.question import Question, Work


class Step(NamedTuple):
    """What one step has computed: distinct reads, their letters, the same padded; and whether reads are left."""

    reads: int = 0
    letters: int = 0
    padded: int = 0
    more: bool = False


@dataclass(eq=False)
class _Asked:
    """The reads of one question in a window.

    Attributes:
        works: the chunks.
        reads: their distinct reads.
        owners: the chunks that each read to compute belongs to.
        todo: reads that are still to be computed, longest first, so that the next ones are at the end.
        position: row of each answered read in the parts, one after the other.
        parts: answers as they came.
    """

    works: list[Work] = field(default_factory=list)
    reads: dict[str, None] = field(default_factory=dict)
    owners: dict[str, list[Work]] = field(default_factory=dict)
    todo: list[str] = field(default_factory=list)
    position: dict[str, int] = field(default_factory=dict)
    parts: list[Classifications] = field(default_factory=list)

    def add(self, sequences: Sequence[str], answers: Classifications) -> None:
        """Keep answers."""
        start = len(self.position)
        self.position.update(zip(sequences, range(start, start + len(sequences)), strict=True))
        self.parts.append(answers)

    def prepare(self) -> None:
        """Note what is still to be computed, and for whom."""
        unknown = self.reads.keys() - self.position.keys()
        if not unknown:
            return
        self.todo = sorted(unknown, key=lambda sequence: (-len(sequence), sequence))
        self.owners = {sequence: [] for sequence in unknown}
        for work in self.works:
            for sequence in unknown.intersection(work.sequences):
                self.owners[sequence].append(work)

    def next_reads(self, most_cost: float, most_reads: int) -> list[str]:
        """Take the next reads that somebody still wants; at least one when there is one."""
        wanted: dict[Work, bool] = {}
        chosen: list[str] = []
        cost = 0
        while self.todo and len(chosen) < most_reads and (not chosen or cost < most_cost):
            sequence = self.todo.pop()
            owners = self.owners[sequence]
            if any(wanted[work] if work in wanted else wanted.setdefault(work, work.wanted) for work in owners):
                chosen.append(sequence)
                cost += padded_letters(len(sequence))
        return chosen


class Window:
    """Chunks that are computed together."""

    def __init__(self) -> None:
        self.works: list[Work] = []
        self.reads = 0
        self.cost = 0
        self._asked: dict[Question, _Asked] = {}
        self._prepared = False

    def add(self, work: Work) -> None:
        """Add a chunk."""
        self.works.append(work)
        self.reads += len(work.sequences)
        asked = self._asked.setdefault(work.question, _Asked())
        asked.works.append(work)
        before = len(asked.reads)
        asked.reads.update(dict.fromkeys(work.sequences))
        # What is new costs what the reads of the chunk cost on average.
        self.cost += work.cost * (len(asked.reads) - before) // max(len(work.sequences), 1)

    def step(self, cache: AnswerCache, *, most_cost: float, most_reads: int) -> Step:
        """Compute the next reads; in the worker thread."""
        if not self._prepared:
            self._prepared = True
            for question, asked in self._asked.items():
                known, answers = cache.find(question, list(asked.reads))
                if answers is not None:
                    asked.add(known, _from_cache(answers))
                asked.prepare()
        done = Step()
        for question, asked in self._asked.items():
            reads = asked.next_reads(most_cost, most_reads)
            if reads:
                answers = question.answer(reads)
                cache.add(question, reads, answers)
                asked.add(reads, answers)
                done = Step(len(reads), sum(map(len, reads)), padded_sum(reads))
                break
        return done._replace(more=any(asked.todo for asked in self._asked.values()))

    def finish(self, cache: AnswerCache) -> list[Classifications | None]:
        """Return the answers of each chunk, None for one that nobody wants any more; in the worker thread."""
        whole = {q: _with_markers(q, asked, cache) for q, asked in self._asked.items() if asked.parts}
        answers: list[Classifications | None] = []
        for work in self.works:
            position = self._asked[work.question].position
            rows = list(map(position.get, work.sequences, repeat(-1)))
            if not rows:
                answers.append(work.question.answer([]))
            elif -1 in rows:
                answers.append(None)
            else:
                answers.append(select(whole[work.question], np.array(rows, dtype=np.int64)))
        return answers


def _from_cache(answers: Classifications) -> Classifications:
    """Return answers marked as cached; those without a name stay rejected."""
    source = np.where(answers.source == Source.MODEL, Source.CACHE, answers.source).astype(np.int8)
    return replace(answers, source=source)


def _with_markers(question: Question, asked: _Asked, cache: AnswerCache) -> Classifications:
    """Return the answers, with the marker of another resident model where that knows a rejected read."""
    answers = concatenate(asked.parts)
    rejected = np.flatnonzero(answers.source == Source.REJECTED).tolist()
    reads = list(asked.position)
    rejected = [row for row in rejected if answers.errors[row] is None]
    if not rejected or not question.elsewhere:
        return answers
    errors = list(answers.errors)
    for row, marker in zip(rejected, _better_markers(question, [reads[row] for row in rejected], cache), strict=True):
        if marker:
            message = f"not a read of {question.marker or 'this marker'}: the resident model of {marker} knows it"
            errors[row] = ReadError(ReadErrorCode.WRONG_MARKER, message, marker)
    return replace(answers, errors=errors)


def _better_markers(question: Question, reads: list[str], cache: AnswerCache) -> list[str]:
    """Return the marker of the model that knows each read best, by identity to its reference; "" for none."""
    best = np.full(len(reads), -1.0)
    markers = [""] * len(reads)
    for other in question.elsewhere:
        answers = _answers_to(other, reads, cache)
        identity = np.nan_to_num(answers.nearest_identity, nan=0.0)
        for row in np.flatnonzero((answers.source != Source.REJECTED) & (identity > best)).tolist():
            best[row] = identity[row]
            markers[row] = other.marker
    return markers


def _answers_to(question: Question, reads: list[str], cache: AnswerCache) -> Classifications:
    known, found = cache.find(question, reads)
    position = {read: row for row, read in enumerate(known)}
    unknown = [read for read in reads if read not in position]
    parts = [] if found is None else [found]
    if unknown:
        parts.append(question.answer(unknown))
        cache.add(question, unknown, parts[-1])
        position.update(zip(unknown, range(len(known), len(reads)), strict=True))
    return select(concatenate(parts), np.array([position[read] for read in reads], dtype=np.int64))

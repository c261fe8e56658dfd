"""Answers to recent distinct reads, in this process, bounded in reads and letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from abyssal.inference.batches import concatenate, select
from abyssal.taxonomy.classifications import Classifications
from abyssal_server.question import Question

_MOST_PARTS = 32
_ROW_BITS = 40
_ROW_MASK = (1 << _ROW_BITS) - 1


class _Rows:
    """Answers to one question in parts as they came, with the place of each read: part number and row."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self._parts: list[Classifications] = []

    def add(self, sequences: Sequence[str], answers: Classifications) -> None:
        if len(self._parts) == _MOST_PARTS:
            self._merge()
        start = len(self._parts) << _ROW_BITS
        self.places.update(zip(sequences, range(start, start + len(sequences)), strict=True))
        self._parts.append(answers)

    def answers(self, sequences: Sequence[str]) -> Classifications:
        places = np.array([self.places[sequence] for sequence in sequences], dtype=np.int64)
        numbers, rows = places >> _ROW_BITS, places & _ROW_MASK
        used = np.unique(numbers).tolist()
        if len(used) == 1:
            return select(self._parts[used[0]], rows)
        order = np.argsort(numbers, kind="stable")
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        return select(concatenate([select(self._parts[n], rows[numbers == n]) for n in used]), back)

    def _merge(self) -> None:
        """Make one part of all, so that an answer is not gathered from ever more of them."""
        starts = np.cumsum([0, *map(len, self._parts)]).tolist()
        self.places = {read: starts[at >> _ROW_BITS] + (at & _ROW_MASK) for read, at in self.places.items()}
        self._parts = [concatenate(self._parts)]


@dataclass
class _Generation:
    """What was used since some moment."""

    of: dict[Question, _Rows] = field(default_factory=dict)
    reads: int = 0
    letters: int = 0


class Memory:
    """Answers to the latest distinct reads of all questions; used from the worker thread.

    Two generations stand in for a list by last use, which would cost every read a move: what is used again moves to
    the young one, and when that is full the old one is forgotten.

    Args:
        reads: most reads.
        letters: most letters of them.
    """

    def __init__(self, *, reads: int, letters: int) -> None:
        self._most_reads = reads // 2
        self._most_letters = letters // 2
        self._young = _Generation()
        self._old = _Generation()

    def __len__(self) -> int:
        return self._young.reads + self._old.reads

    @property
    def letters(self) -> int:
        """Letters of the reads that are kept."""
        return self._young.letters + self._old.letters

    def find(self, question: Question, sequences: Sequence[str]) -> tuple[list[str], Classifications | None]:
        """Return those of the distinct reads that are known, and their answers."""
        young, old = (generation.of.get(question, _NOTHING) for generation in (self._young, self._old))
        in_young = [sequence for sequence in sequences if sequence in young.places]
        in_old = [s for s in sequences if s in old.places and s not in young.places] if old.places else []
        parts = [rows.answers(found) for found, rows in ((in_young, young), (in_old, old)) if found]
        if in_old:
            self.add(question, in_old, parts[-1])
        return in_young + in_old, concatenate(parts) if parts else None

    def add(self, question: Question, sequences: Sequence[str], answers: Classifications) -> None:
        """Remember distinct reads that ``find`` did not know; more than there is room for are not."""
        letters = sum(map(len, sequences))
        if len(sequences) > self._most_reads or letters > self._most_letters:
            return
        young = self._young
        if young.reads + len(sequences) > self._most_reads or young.letters + letters > self._most_letters:
            self._old, self._young = young, _Generation()
            young = self._young
        young.of.setdefault(question, _Rows()).add(sequences, answers)
        young.reads += len(sequences)
        young.letters += letters


_NOTHING = _Rows()

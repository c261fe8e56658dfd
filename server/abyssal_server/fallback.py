"""Searches open reads with ``abyssal.taxonomy.fallback``; one database a model, made when it is first asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal

import numpy as np

from abyssal.inference.batches import concatenate, select
from abyssal.taxonomy.classifications import Classifications
from abyssal_server.search import SearchTask

if TYPE_CHECKING:
    from abyssal.taxonomy.fallback import Fallback

_MOST_DATABASES = 4
_SLICE = 64
"""Reads between two looks for a cancelled call or a passed deadline."""


class FallbackSearch:
    """What the search pool calls.

    Args:
        method: the program.
    """

    def __init__(self, method: Literal["vsearch", "blast"]) -> None:
        self._method: Literal["vsearch", "blast"] = method
        self._lock = threading.Lock()
        self._databases: OrderedDict[str, Fallback] = OrderedDict()

    def __call__(self, task: SearchTask) -> Classifications:
        """Return an answer a read; reads for which there is no time keep the model's.

        Raises:
            ToolError: the program is not installed or failed.
        """
        from abyssal.taxonomy.fallback import Budget

        fallback = self._database(task)
        parts = []
        for start in range(0, len(task.sequences), _SLICE):
            reads = task.sequences[start : start + _SLICE]
            answers = select(task.answers, np.arange(start, start + len(reads)))
            left = task.seconds_left
            if left > 0.0 and not task.cancelled.is_set():
                answers, _ = fallback.revise(reads, answers, Budget(share=1.0, seconds=left), novelty=task.novelty)
            parts.append(answers)
        return concatenate(parts)

    def close(self) -> None:
        """Delete the databases."""
        with self._lock:
            while self._databases:
                self._databases.popitem()[1].__exit__(None, None, None)

    def _database(self, task: SearchTask) -> Fallback:
        from abyssal.taxonomy.classifier import Classifier
        from abyssal.taxonomy.fallback import Fallback

        with self._lock:
            fallback = self._databases.get(task.model.digest)
            if fallback is None:
                classifier = task.model.classifier
                assert isinstance(classifier, Classifier)
                fallback = self._databases[task.model.digest] = Fallback(classifier, self._method)
            self._databases.move_to_end(task.model.digest)
            while len(self._databases) > _MOST_DATABASES:
                # A search that still uses it keeps it; its files go with the last reference.
                self._databases.popitem(last=False)
        return fallback

"""A circuit breaker: after an outage a store is left alone for a while, a little longer each time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_FIRST_REST_SECONDS = 0.5
_LONGEST_REST_SECONDS = 15.0


class Breaker:
    """Says whether to try; used from any thread.

    Args:
        name: what is tried, for the log.
        clock: seconds that never go back.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rest_until = 0.0
        self.problem = ""

    @property
    def closed(self) -> bool:
        """Whether all is well."""
        return not self.problem

    def may_try(self) -> bool:
        """Return whether to try now; while it rests only one caller may, at the end of the rest."""
        with self._lock:
            if not self._failures:
                return True
            now = self._clock()
            if now < self._rest_until:
                return False
            self._rest_until = now + self._rest()
            return True

    def succeeded(self) -> None:
        """Say that a try went well."""
        with self._lock:
            if self._failures:
                logger.warning("%s is back", self._name)
            self._failures = 0
            self.problem = ""

    def failed(self, problem: str) -> None:
        """Say that a try went wrong."""
        with self._lock:
            if not self._failures:
                logger.warning("%s is out of order and done without: %s", self._name, problem)
            self._failures += 1
            self._rest_until = self._clock() + self._rest()
            self.problem = problem

    def _rest(self) -> float:
        return float(min(_FIRST_REST_SECONDS * 2 ** min(self._failures, 10), _LONGEST_REST_SECONDS))

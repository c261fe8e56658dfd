"""What processes tell each other: that there is work, and how often somebody has called. Redis, or this process alone.

Nothing here is the truth: without a wake-up workers find their jobs a second later, and without the shared count each
gateway counts for itself.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict

from abyssal_server.places import PlaceSettings

logger = logging.getLogger(__name__)

_WINDOW_SECONDS = 60
_PREFIX = "abyssal:"
_REDIS_SECONDS = 1.0
_ABSENT_SECONDS = 5.0
_MOST_CALLERS = 10_000


class Coordination(ABC):
    """Wake-ups and call counts; safe to use from several threads, never raises because something is out of order."""

    @abstractmethod
    def announce(self, kind: str) -> None:
        """Wake one worker that waits for jobs of a kind."""

    @abstractmethod
    def wait(self, kind: str, seconds: float) -> bool:
        """Wait until there may be work of a kind, or for so many seconds; returns whether it was announced."""

    @abstractmethod
    def count(self, caller: str, amount: int) -> int:
        """Add to what a caller has used in this minute and return the sum."""

    @abstractmethod
    def close(self) -> None:
        """Close connections."""


def seconds_left(now: float | None = None) -> float:
    """Return the seconds to the end of the minute that ``count`` counts in."""
    return _WINDOW_SECONDS - (time.time() if now is None else now) % _WINDOW_SECONDS


class LocalCoordination(Coordination):
    """Among the threads of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._announced: dict[str, int] = defaultdict(int)
        self._window = 0
        self._used: dict[str, int] = defaultdict(int)

    def announce(self, kind: str) -> None:
        """Wake one thread."""
        with self._changed:
            self._announced[kind] += 1
            self._changed.notify_all()

    def wait(self, kind: str, seconds: float) -> bool:
        """Wait for an announcement."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._announced[kind] > 0, seconds)
            if found:
                self._announced[kind] -= 1
            return found

    def count(self, caller: str, amount: int) -> int:
        """Count in this process."""
        window = int(time.time()) // _WINDOW_SECONDS
        with self._changed:
            if window != self._window or len(self._used) > _MOST_CALLERS:
                self._window = window
                self._used.clear()
            self._used[caller] += amount
            return self._used[caller]

    def close(self) -> None:
        """Nothing is open."""


class RedisCoordination(Coordination):
    """Among all processes that use a Redis; without it as ``LocalCoordination``."""

    def __init__(self, url: str) -> None:
        import redis

        self._error = redis.RedisError
        self._client = redis.Redis.from_url(
            url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS, health_check_interval=10
        )
        self._local = LocalCoordination()
        self._absent_until = 0.0

    def announce(self, kind: str) -> None:
        """Push a token; old ones nobody waited for are dropped."""
        try:
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.lpush(f"{_PREFIX}wake:{kind}", 1)
                pipeline.ltrim(f"{_PREFIX}wake:{kind}", 0, 63)
                pipeline.execute()
        except self._error as error:
            logger.warning("Redis did not take a wake-up (%s); workers look by themselves", type(error).__name__)

    def wait(self, kind: str, seconds: float) -> bool:
        """Pop a token."""
        end = time.monotonic() + seconds
        try:
            # Shorter than the socket's own time-out, which would count as an outage.
            found = self._client.blpop([f"{_PREFIX}wake:{kind}"], timeout=min(seconds, _REDIS_SECONDS / 2))
        except self._error:
            time.sleep(max(0.0, end - time.monotonic()))
            return False
        return found is not None

    def count(self, caller: str, amount: int) -> int:
        """Count in Redis; one that does not answer is not asked again for some seconds."""
        if time.monotonic() < self._absent_until:
            return self._local.count(caller, amount)
        window = int(time.time()) // _WINDOW_SECONDS
        key = f"{_PREFIX}calls:{window}:{caller}"
        try:
            with self._client.pipeline(transaction=True) as pipeline:
                pipeline.incrby(key, amount)
                pipeline.expire(key, 2 * _WINDOW_SECONDS)
                return int(pipeline.execute()[0])
        except self._error:
            self._absent_until = time.monotonic() + _ABSENT_SECONDS
            return self._local.count(caller, amount)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def open_coordination(settings: PlaceSettings) -> Coordination:
    """Return what the settings ask for."""
    url = settings.redis_url.get_secret_value()
    return RedisCoordination(url) if url else LocalCoordination()

"""The calls in progress: counted, limited, and told when the service drains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from abyssal_server.errors import Draining, Overloaded

_RETRY_SECONDS = 1.0


def draining() -> Draining:
    """Return the error that a call gets while the service shuts down."""
    return Draining(
        "the service is shutting down; connect again, another replica may answer", retry_after=_RETRY_SECONDS
    )


class Calls:
    """Calls in progress of one server."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._active = 0
        self._draining = False
        self._listeners: set[Callable[[], None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def active(self) -> int:
        """Number of calls in progress."""
        return self._active

    @property
    def draining(self) -> bool:
        """Whether new calls are refused."""
        return self._draining

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Count one call.

        Raises:
            Draining: the service shuts down.
            Overloaded: the limit is reached.
        """
        if self._draining:
            raise draining()
        if self._active >= self._limit:
            message = f"{self._limit} calls are in progress already (Limits.concurrent_calls)"
            raise Overloaded(message, retry_after=_RETRY_SECONDS)
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    @contextmanager
    def told_of_drain(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call ``listener`` when the service starts to drain."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def drain(self, seconds: float) -> bool:
        """Refuse new calls, tell the streams, and wait until all are done; False when time ran out."""
        self._draining = True
        for listener in tuple(self._listeners):
            listener()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

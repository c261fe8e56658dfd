"""Keeps a claim alive while its holder works, and notices when it must stop."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Self

from abyssal.errors import StoreError
from abyssal_server.jobs.queue import Claim, JobQueue, LeaseLost

logger = logging.getLogger(__name__)

_RENEWALS = 3


class Lease:
    """Renews a claim from a thread, three times a lease.

    Attributes:
        lost: set when somebody else may work on the job: it was claimed anew, or no renewal got through in time.
        cancelled: set when somebody wants the job's end.
    """

    def __init__(self, queue: JobQueue, claim: Claim) -> None:
        self._queue = queue
        self._claim = claim
        self._stop = threading.Event()
        self._held_until = time.monotonic() + queue.lease_seconds
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.lost = threading.Event()
        self.cancelled = threading.Event()
        if claim.job["cancel"]:
            self.cancelled.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise LeaseLost when the claim may not hold any more."""
        if self.lost.is_set() or time.monotonic() > self._held_until:
            message = f"job {self._claim.id}: the lease was lost"
            raise LeaseLost(message)

    def _keep(self) -> None:
        while not self._stop.wait(self._queue.lease_seconds / _RENEWALS):
            begun = time.monotonic()
            try:
                job = self._queue.renew(self._claim)
            except LeaseLost:
                self.lost.set()
                return
            except StoreError as error:
                logger.warning("job %s: the lease was not renewed (%s)", self._claim.id, error)
                if time.monotonic() > self._held_until:
                    self.lost.set()
                    return
                continue
            self._held_until = begun + self._queue.lease_seconds
            if job["cancel"]:
                self.cancelled.set()

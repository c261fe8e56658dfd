"""The worker: takes jobs one after the other, gives back what it cannot end, and cleans up after workers that died."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from pathlib import Path

from abyssal.errors import AbyssalError, StoreError
from abyssal.files import write_text
from abyssal_server.jobs.coordination import open_coordination
from abyssal_server.jobs.processes import kill_marked
from abyssal_server.jobs.queue import MOST_LOSSES, TRAIN, Claim, JobQueue, LeaseLost, State
from abyssal_server.jobs.settings import WorkerSettings
from abyssal_server.jobs.training import Interrupted, Training
from abyssal_server.places import Places

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 5.0


class Worker:
    """Works on training jobs until it is told to stop."""

    def __init__(self, settings: WorkerSettings, places: Places) -> None:
        self._settings = settings
        self._queue = JobQueue(places.documents, lease_seconds=settings.lease_seconds)
        self._training = Training(settings, places, self._queue)
        self._coordination = open_coordination(settings)
        self._stop = threading.Event()
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._swept = 0.0

    def stop(self) -> None:
        """Give the job at hand back and end."""
        self._stop.set()

    def run(self) -> None:
        """Work until ``stop``; a store that is out of order is waited for."""
        while not self._stop.is_set():
            try:
                self._sweep()
                claim = self._queue.claim(TRAIN, self._name)
                if claim is not None:
                    self._work(claim)
                    continue
            except StoreError as error:
                logger.warning("%s; trying again", error)
                self._stop.wait(1.0)
                continue
            self._coordination.wait(TRAIN, self._settings.poll_seconds)
        self._coordination.close()

    def _work(self, claim: Claim) -> None:
        logger.info("job %s: attempt %d", claim.id, claim.job["attempt"])
        if claim.job["cancel"]:
            self._queue.finish(claim, State.CANCELLED)
            return
        if claim.job["lost"] > MOST_LOSSES:
            detail = f"{claim.job['lost']} workers died over it; look at its log before it is tried again"
            self._queue.finish(claim, State.FAILED, {"error": {"detail": detail, "rule": None}})
            return
        try:
            self._training.run(claim, self._stop.is_set)
        except LeaseLost as error:
            logger.warning("%s; another worker goes on with it", error)
        except (StoreError, Interrupted) as error:
            logger.warning("job %s is given back (%s)", claim.id, error or "the worker stops")
            self._give_back(claim)
        except (AbyssalError, OSError) as error:
            logger.exception("job %s failed", claim.id)
            self._fail(claim, str(error))

    def _give_back(self, claim: Claim) -> None:
        try:
            self._queue.release(claim)
        except AbyssalError as error:
            logger.warning("job %s waits for its lease to end (%s)", claim.id, error)

    def _fail(self, claim: Claim, detail: str) -> None:
        try:
            self._queue.finish(claim, State.FAILED, {"error": {"detail": detail, "rule": None}})
        except LeaseLost as error:
            logger.warning("%s", error)

    def _sweep(self) -> None:
        """Kill what jobs left on this host whose claim does not hold any more."""
        if time.monotonic() < self._swept + _SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        kill_marked(self._is_stale)

    def _is_stale(self, mark: str) -> bool:
        job, _, fence = mark.partition(":")
        return fence.isdigit() and self._queue.holds(job, int(fence)) is False


def run_worker(settings: WorkerSettings, *, ready_file: Path | None = None) -> None:
    """Work until SIGTERM or SIGINT; ``ready_file`` is written once the stores are open."""
    logger.info("settings: %s", settings.model_dump_json())
    places = _opened(settings)
    worker = Worker(settings, places)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if ready_file is not None:
        write_text(ready_file, f"{os.getpid()}\n")
    try:
        worker.run()
    finally:
        places.close()


def _opened(settings: WorkerSettings) -> Places:
    """Open the stores; those that do not answer yet are waited for."""
    while True:
        try:
            return Places(settings)
        except StoreError as error:
            logger.warning("%s; trying again", error)
            time.sleep(1.0)

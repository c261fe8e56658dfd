"""Jobs as documents: submitted once, claimed by one worker at a time, finished by who holds the newest claim.

The document is the truth. A claim holds for a lease that its worker renews; when nobody renews it, the next claim
counts ``fence`` up, and every change made with an older fence is refused. Clocks of hosts may differ by
less than a lease.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from abyssal.errors import AbyssalError
from abyssal.stores.collections import JOBS
from abyssal.stores.documents import ID, Document, DocumentStore, OneOf, Span, Where
from abyssal_server.errors import Conflict, Missing, NotPossible

MOST_LOSSES = 20
"""Workers that may die over a job before it is given up."""


class State(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    PUBLISHING = "publishing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


CLAIMED = (State.RUNNING, State.PUBLISHING)
ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
TRAIN, CLASSIFY = "train", "classify"


class LeaseLost(AbyssalError):
    """Somebody else works on the job now, or it was ended; whoever gets this must stop at once."""


@dataclass(frozen=True)
class Claim:
    """The right to work on a job: valid while the job has this fence."""

    job: Document

    @property
    def id(self) -> str:
        """Of the job."""
        return str(self.job[ID])

    @property
    def fence(self) -> int:
        """Number of the claim."""
        return int(self.job["fence"])


class JobQueue:
    """The jobs of a metadata store.

    Args:
        store: where they are.
        lease_seconds: how long a claim holds without a sign of life.
        clock: seconds since 1970.
    """

    def __init__(
        self, store: DocumentStore, *, lease_seconds: float = 15.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self.lease_seconds = lease_seconds
        self._clock = clock

    def submit(self, kind: str, owner: str, request: Mapping[str, Any], *, key: str = "") -> tuple[Document, bool]:
        """Store a job; returns it and whether it is new. The same owner's same ``key`` is the same job.

        Raises:
            Conflict: the key was used for another request.
        """
        identity = secrets.token_hex(16)
        job: Document = {
            ID: identity, "kind": kind, "state": State.QUEUED.value, "created": self._clock(), "lease_until": 0.0,
            "fence": 0, "key": f"{owner}:{key}" if key else f"job:{identity}", "owner": owner, "worker": "",
            "attempt": 0, "lost": 0, "cancel": 0, "request": dict(request), "progress": {}, "error": None, "models": [],
            "started": None, "finished": None,
        }  # fmt: skip
        if self._store.put(JOBS, job):
            return self.get(identity), True
        found = self._store.find(JOBS, {"key": job["key"]}, limit=1)
        if not found or found[0]["kind"] != kind or found[0]["request"] != job["request"]:
            message = "this Idempotency-Key was used for another request; use a new one"
            raise Conflict(message)
        return found[0], False

    def find_key(self, kind: str, owner: str, key: str) -> Document | None:
        """Return the job that an owner submitted with a key, None when there is none."""
        found = self._store.find(JOBS, {"kind": kind, "key": f"{owner}:{key}"}, limit=1)
        return found[0] if found else None

    def get(self, identity: str) -> Document:
        """Return a job.

        Raises:
            Missing: there is none.
        """
        found = self._store.get(JOBS, identity)
        if found is None:
            raise Missing(kind="job", name=identity)
        return found

    def jobs(self, where: Where, *, limit: int = 50, after: Mapping[str, Any] | None = None) -> list[Document]:
        """Return jobs, newest first."""
        return self._store.find(JOBS, where, order="created", descending=True, limit=limit, after=after)

    def count(self, kind: str, state: State) -> int:
        """Return how many jobs of a kind are in a state."""
        return self._store.count(JOBS, {"kind": kind, "state": state.value})

    def claim(self, kind: str, worker: str) -> Claim | None:
        """Take the oldest job that waits or whose worker gave no sign of life; None when there is none."""
        now = self._clock()
        values = {"state": State.RUNNING.value, "worker": worker, "lease_until": now + self.lease_seconds}
        counts = {"fence": 1, "attempt": 1}
        waiting: Where = {"kind": kind, "state": State.QUEUED.value}
        job = self._store.change_one(
            JOBS, waiting, values={**values, "started": now, "error": None}, increase=counts, order="created"
        )
        if job is None:
            states = OneOf(tuple(state.value for state in CLAIMED))
            abandoned: Where = {"kind": kind, "state": states, "lease_until": Span(below=now)}
            job = self._store.change_one(
                JOBS, abandoned, values=values, increase={**counts, "lost": 1}, order="created"
            )
        return None if job is None else Claim(job)

    def renew(self, claim: Claim) -> Document:
        """Say that the work goes on; returns the job as it is, with ``cancel`` set when somebody wants its end.

        Raises:
            LeaseLost: the claim does not hold any more.
        """
        return self._change(claim, {"lease_until": self._clock() + self.lease_seconds})

    def update(self, claim: Claim, values: Mapping[str, Any]) -> Document:
        """Change a claimed job; raises LeaseLost."""
        return self._change(claim, {**values, "lease_until": self._clock() + self.lease_seconds})

    def publish(self, claim: Claim, bundles: list[dict[str, Any]]) -> Document:
        """Note what will be published, before it is: from here on the job is not cancelled.

        Raises:
            LeaseLost: the claim does not hold any more; nothing may be published.
        """
        return self.update(claim, {"state": State.PUBLISHING.value, "bundles": bundles})

    def finish(self, claim: Claim, state: State, values: Mapping[str, Any] | None = None) -> Document:
        """End a claimed job; raises LeaseLost."""
        ended = {"state": state.value, "finished": self._clock(), "lease_until": 0.0, **(values or {})}
        return self._change(claim, ended)

    def release(self, claim: Claim, *, lost: bool = False) -> None:
        """Give a job back so that it is claimed again at once; raises LeaseLost.

        Args:
            claim: what is given back.
            lost: whether the attempt counts like one whose worker died.
        """
        values = {"state": State.QUEUED.value, "lease_until": 0.0, "worker": ""}
        self._change(claim, values, increase={"lost": int(lost)})

    def cancel(self, identity: str) -> Document:
        """End a waiting job, or ask the worker of a running one to end it.

        Raises:
            Missing: there is no such job.
            NotPossible: it has ended or is being published.
        """
        for where, values in (
            ({"state": State.QUEUED.value}, {"state": State.CANCELLED.value, "finished": self._clock(), "cancel": 1}),
            ({"state": State.RUNNING.value}, {"cancel": 1}),
        ):
            changed = self._store.change_one(JOBS, {ID: identity, **where}, values=values)
            if changed is not None:
                return changed
        job = self.get(identity)
        message = f"the job is {job['state']}; only queued and running jobs can be cancelled"
        raise NotPossible(message)

    def retry(self, identity: str) -> Document:
        """Queue a job again that failed or was cancelled; it goes on with what is there.

        Raises:
            Missing: there is no such job.
            NotPossible: it has not ended, or it succeeded.
        """
        values = {
            "state": State.QUEUED.value, "cancel": 0, "error": None, "lost": 0, "finished": None, "lease_until": 0.0,
        }  # fmt: skip
        states = OneOf((State.FAILED.value, State.CANCELLED.value))
        changed = self._store.change_one(JOBS, {ID: identity, "state": states}, values=values)
        if changed is not None:
            return changed
        job = self.get(identity)
        message = f"the job is {job['state']}; only failed and cancelled jobs can be retried"
        raise NotPossible(message)

    def delete(self, identity: str) -> None:
        """Forget a job that has ended.

        Raises:
            Missing: there is no such job.
            NotPossible: it has not ended.
        """
        states = OneOf(tuple(state.value for state in ENDED))
        if not self._store.delete(JOBS, {ID: identity, "state": states}):
            job = self.get(identity)
            message = f"the job is {job['state']}; cancel it before it is deleted"
            raise NotPossible(message)

    def holds(self, identity: str, fence: int) -> bool | None:
        """Return whether a claim still holds; None for a job that this store does not know."""
        job = self._store.get(JOBS, identity)
        if job is None:
            return None
        return int(job["fence"]) == fence and job["state"] in CLAIMED

    def _change(self, claim: Claim, values: Mapping[str, Any], increase: Mapping[str, int] | None = None) -> Document:
        states = OneOf(tuple(state.value for state in CLAIMED))
        where: Where = {ID: claim.id, "fence": claim.fence, "state": states}
        changed = self._store.change_one(JOBS, where, values=values, increase=increase)
        if changed is None:
            message = f"job {claim.id}: claim {claim.fence} does not hold any more"
            raise LeaseLost(message)
        return changed

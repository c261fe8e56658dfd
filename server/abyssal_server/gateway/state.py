"""What all requests of one gateway share, and who makes a request."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from prometheus_client import CollectorRegistry

from abyssal.client.asynchronous import AsyncClient
from abyssal.stores.collections import AUDIT
from abyssal.stores.documents import ID, Document
from abyssal_server.access import Caller, Gate, Role, bearer_token, gate_of
from abyssal_server.datasets.archives import UnpackLimits
from abyssal_server.datasets.uploads import UploadLimits, Uploads
from abyssal_server.errors import Forbidden, Missing, NotPossible, Overloaded, Unauthenticated
from abyssal_server.gateway.metrics import GatewayMetrics
from abyssal_server.gateway.middleware import REQUEST_ID
from abyssal_server.gateway.published import PublishedModels
from abyssal_server.gateway.sessions import COOKIE, CSRF_HEADER, Session, Sessions
from abyssal_server.gateway.settings import GatewaySettings
from abyssal_server.jobs.coordination import open_coordination, seconds_left
from abyssal_server.jobs.queue import JobQueue, State
from abyssal_server.places import Places

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_MEMBERS = 20_000
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


class GatewayState:
    """Settings, stores, jobs and the client of the service; stores are opened when the gateway starts."""

    client: AsyncClient

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.room = asyncio.Semaphore(settings.concurrent_requests)
        self.gate: Gate = gate_of(settings)
        self.coordination = open_coordination(settings)
        self.metrics = GatewayMetrics(CollectorRegistry())
        self.unpack = UnpackLimits(_MOST_MEMBERS, settings.dataset_expanded_bytes, settings.expansion_ratio)

    @functools.cached_property
    def places(self) -> Places:
        """The stores."""
        return Places(self.settings)

    @functools.cached_property
    def queue(self) -> JobQueue:
        """The jobs."""
        return JobQueue(self.places.documents, lease_seconds=self.settings.lease_seconds)

    @functools.cached_property
    def sessions(self) -> Sessions:
        """The logins."""
        return Sessions(self.places.documents, self.gate, self.settings.session_hours)

    @functools.cached_property
    def published(self) -> PublishedModels:
        """The bundles of the registry."""
        return PublishedModels(self.places.registry())

    @functools.cached_property
    def uploads(self) -> Uploads:
        """Datasets while they come in."""
        return Uploads(self.places, UploadLimits(self.settings.dataset_files, self.settings.dataset_bytes))

    def audit(self, request: Request, caller: Caller, action: str, target: str, detail: str = "") -> None:
        """Write down what an admin did."""
        now = time.time()
        identity = f"{int(now * 1e6):017d}-{request.state.request_id[:64]}"
        self.places.documents.put(
            AUDIT,
            {ID: identity, "actor": caller.id, "action": action, "at": now, "target": target, "detail": detail,
             "request_id": request.state.request_id},
        )  # fmt: skip

    def job(self, kind: str, identity: str) -> Document:
        """Return a job of a kind; raises Missing."""
        job = self.queue.get(identity)
        if job["kind"] != kind:
            raise Missing(kind=f"{kind} job", name=identity)
        return job

    def finished_job(self, kind: str, identity: str) -> Document:
        """Return a job of a kind whose results are there.

        Raises:
            Missing: there is no such job.
            NotPossible: it has not succeeded.
        """
        job = self.job(kind, identity)
        if job["state"] != State.SUCCEEDED:
            message = f"the job is {job['state']}; its results are there when it has succeeded"
            raise NotPossible(message)
        return job

    def require_room(self, kind: str) -> None:
        """Refuse a new job while too many wait; raises Overloaded."""
        if self.queue.count(kind, State.QUEUED) >= self.settings.waiting_jobs:
            message = f"{self.settings.waiting_jobs} jobs are waiting already; try again later"
            raise Overloaded(message, retry_after=60.0)

    def limit(self, name: str, most: int) -> None:
        """Count a request of somebody; raises Overloaded beyond the most in this minute."""
        if self.coordination.count(name, 1) > most:
            message = f"more than {most} requests in a minute; try again later"
            raise Overloaded(message, retry_after=max(1.0, seconds_left()))


def state_of(request: Request) -> GatewayState:
    """Return the state of the gateway that serves a request."""
    state: GatewayState = request.app.state.gateway
    return state


def peer_of(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else "unknown"


def session_of(request: Request) -> Session | None:
    """Return the login that a request's cookie stands for."""
    cookie = request.cookies.get(COOKIE, "")
    return state_of(request).sessions.find(cookie, peer_of(request)) if cookie else None


def identify(request: Request) -> Caller:
    """Return who makes a request.

    Raises:
        Unauthenticated: a credential is needed, or is one that nobody gave out.
        Forbidden: a request with a cookie lacks its token.
        Overloaded: too many requests in this minute.
    """
    state = state_of(request)
    credential = bearer_token(request.headers.items())
    session = None if credential else session_of(request)
    if session is not None:
        if request.method not in _SAFE_METHODS and not session.fits(request.headers.get(CSRF_HEADER, "")):
            message = "a request with a cookie needs the header X-CSRF-Token; GET /session says which"
            raise Forbidden(message)
        caller = session.caller
    else:
        caller = state.gate.caller(credential, peer_of(request))
    state.limit(caller.id, state.settings.requests_per_minute)
    return caller


def _needs(role: Role) -> Callable[[Request], Caller]:
    def caller(request: Request) -> Caller:
        found = identify(request)
        found.require(role)
        return found

    return caller


Reader = Annotated[Caller, Depends(_needs(Role.READ))]
Inferrer = Annotated[Caller, Depends(_needs(Role.INFER))]
Admin = Annotated[Caller, Depends(_needs(Role.ADMIN))]


def metadata_of(request: Request) -> tuple[tuple[str, str], ...]:
    """Return what travels on to the service: the request's id and the caller's credential, where it brought one."""
    carried: tuple[tuple[str, str], ...] = ((REQUEST_ID, request.state.request_id),)
    credential = bearer_token(request.headers.items())
    return (*carried, ("authorization", f"Bearer {credential}")) if credential else carried


def require_owner(document: dict[str, Any], caller: Caller) -> None:
    """Let only who made something, and admins, change it; raises Forbidden or Unauthenticated."""
    if document["owner"] != caller.id and caller.role is not Role.ADMIN:
        if not caller.known:
            message = "only who made it and admins may do this"
            raise Unauthenticated(message)
        message = f"only {document['owner']} and admins may do this"
        raise Forbidden(message)

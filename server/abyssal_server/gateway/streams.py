"""A job's life as server-sent events: its state whenever it changes, its log as it grows, and its end.

An event's id says how far a browser is (revision of the job and number of the log's last piece), so that
``Last-Event-ID`` goes on exactly there; states in between are not told, since each tells everything.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from abyssal.errors import StoreError
from abyssal.stores.documents import ID, REVISION, Document
from abyssal_server.gateway.problems import gives
from abyssal_server.gateway.state import GatewayState
from abyssal_server.jobs.logs import JobLog
from abyssal_server.jobs.queue import ENDED

_LOOK_SECONDS = 0.5
_COMMENT_SECONDS = 15.0
_MOST_SECONDS = 300.0
"""Then the browser connects again by itself, and whether it still may look is decided anew."""
_POSITION = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})")
_EVENT_STREAM = "text/event-stream"
EVENTS = gives(_EVENT_STREAM)
LastEvent = Annotated[str, Header(max_length=64)]


class EventStream(StreamingResponse):
    """A response of server-sent events."""

    media_type = _EVENT_STREAM


def job_events(
    state: GatewayState, job: Document, last_event: str, output: Callable[[Document], BaseModel]
) -> EventStream:
    """Return the events of a job from where a browser stopped."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventStream(_events(state, str(job[ID]), last_event, output), headers=headers)


async def _events(
    state: GatewayState, identity: str, last_event: str, output: Callable[[Document], BaseModel]
) -> AsyncIterator[str]:
    found = _POSITION.fullmatch(last_event)
    revision, piece = (int(found[1]), int(found[2])) if found else (0, 0)
    log = JobLog(state.places.documents, identity)
    shown, told, end = "", time.monotonic(), time.monotonic() + _MOST_SECONDS
    yield "retry: 2000\n\n"
    while time.monotonic() < end:
        try:
            job = await asyncio.to_thread(state.queue.get, identity)
            text, piece = await asyncio.to_thread(log.after, piece)
        except StoreError:
            await asyncio.sleep(2.0)
            yield ": the store does not answer\n\n"
            continue
        now = json.dumps(output(job).model_dump(), sort_keys=True)
        position = f"{job[REVISION]}.{piece}"
        if text:
            yield _event("log", {"text": text}, position)
        if now != shown and (job[REVISION] != revision or shown):
            yield f"id: {position}\nevent: job\ndata: {now}\n\n"
            told = time.monotonic()
        shown = now
        if job["state"] in ENDED:
            yield _event("end", {"state": job["state"]}, position)
            return
        if time.monotonic() > told + _COMMENT_SECONDS:
            told = time.monotonic()
            yield ": alive\n\n"
        await asyncio.sleep(_LOOK_SECONDS)


def _event(name: str, data: dict[str, Any], position: str) -> str:
    return f"id: {position}\nevent: {name}\ndata: {json.dumps(data)}\n\n"

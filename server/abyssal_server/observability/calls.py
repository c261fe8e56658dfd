"""One call as operators see it: a counted request, a span and a log line."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import grpc

from abyssal_server.observability.logs import REQUEST
from abyssal_server.observability.metrics import Metrics
from abyssal_server.observability.traces import CallSpan, Metadata, NoTracer, Tracer

logger = logging.getLogger(__name__)


@dataclass
class ObservedCall:
    """A call in progress; who handles it says how it ends and who calls."""

    span: CallSpan
    code: grpc.StatusCode = grpc.StatusCode.OK
    client: str = ""


SPAN: ContextVar[CallSpan] = ContextVar("span", default=CallSpan())  # noqa: B039  it holds nothing
"""The span of the call at hand."""


class Observer:
    """Watches calls.

    Args:
        metrics: counts them.
        tracer: notes their spans; nothing by default.
    """

    def __init__(self, metrics: Metrics, tracer: Tracer | None = None) -> None:
        self.metrics = metrics
        self._tracer = tracer or NoTracer()

    @contextmanager
    def call(self, method: str, request_id: str, metadata: Metadata) -> Iterator[ObservedCall]:
        """Watch a call of ``/package.Service/Method``."""
        started = time.monotonic()
        name = method.removeprefix("/")
        REQUEST.set(request_id)
        with self._tracer.call(name, metadata) as span:
            SPAN.set(span)
            observed = ObservedCall(span)
            try:
                yield observed
            finally:
                seconds = time.monotonic() - started
                code = observed.code.name
                span.note(request_id=request_id, client=observed.client)
                span.end(code)
                self.metrics.count_request(name.rpartition("/")[2], code, seconds)
                fields = {"method": name, "code": code, "milliseconds": round(1000 * seconds, 1)}
                extra = {**fields, "client": observed.client, "trace_id": span.trace_id}
                logger.info("%s %s %.1f ms", name, code, 1000 * seconds, extra=extra)

    def close(self) -> None:
        """Send what waits."""
        self._tracer.close()

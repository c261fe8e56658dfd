"""OpenTelemetry spans of calls, sent by OTLP over HTTP; nothing is imported and nothing costs while that is off."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from abyssal import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

Metadata = Iterable[tuple[str, str | bytes]]


class Tracer(Protocol):
    """Notes what a call does."""

    def call(self, method: str, metadata: Metadata) -> Any:
        """Return a context manager that yields the call's ``CallSpan``."""

    def close(self) -> None:
        """Send what waits."""


class CallSpan:
    """One call; this base notes nothing."""

    trace_id = ""

    def note(self, **attributes: str | int) -> None:
        """Add what is known now, for example ``reads``."""

    def part(self, name: str, nanoseconds: int) -> None:
        """Add a part of the call that has just ended."""

    def end(self, code: str) -> None:
        """Say how the call ended: the name of its status code."""


class NoTracer:
    """Notes nothing."""

    @contextmanager
    def call(self, method: str, metadata: Metadata) -> Iterator[CallSpan]:
        """Yield a span that notes nothing."""
        yield _NOTHING

    def close(self) -> None:
        """Do nothing."""


_NOTHING = CallSpan()


class OpenTelemetryTracer:
    """Sends spans; continues the caller's trace when its metadata have a ``traceparent``.

    Args:
        exporter: where they go.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({"service.name": "abyssal", "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        # Bounded: spans that cannot be sent are dropped, calls never wait for them.
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("abyssal_server")

    @contextmanager
    def call(self, method: str, metadata: Metadata) -> Iterator[CallSpan]:
        """Yield the span of a call of ``package.Service/Method``."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {key: value for key, value in metadata if isinstance(value, str)}
        parent = TraceContextTextMapPropagator().extract(carrier)
        service, _, name = method.partition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        with self._tracer.start_as_current_span(
            method, parent, SpanKind.SERVER, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            yield _OpenTelemetrySpan(self._tracer, span)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


class _OpenTelemetrySpan(CallSpan):
    def __init__(self, tracer: Any, span: Any) -> None:
        self._tracer = tracer
        self._span = span
        self.trace_id = f"{span.get_span_context().trace_id:032x}"

    def note(self, **attributes: str | int) -> None:
        self._span.set_attributes({f"abyssal.{name}": value for name, value in attributes.items()})

    def part(self, name: str, nanoseconds: int) -> None:
        ended = time.time_ns()
        self._tracer.start_span(name, start_time=ended - nanoseconds).end(ended)

    def end(self, code: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("rpc.grpc.status_code", code)
        if code in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
            self._span.set_status(Status(StatusCode.ERROR, code))


def tracer_of(endpoint: str) -> Tracer:
    """Return what sends spans to ``endpoint``/v1/traces; what notes nothing when it is empty."""
    if not endpoint:
        return NoTracer()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OpenTelemetryTracer(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))

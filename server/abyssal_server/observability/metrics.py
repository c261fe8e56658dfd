"""Prometheus metrics of the service; ``server/deploy/grafana/abyssal.json`` shows them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from abyssal.inference.v1.common_pb2 import Model
from abyssal.taxonomy.classifications import Source

if TYPE_CHECKING:
    from abyssal_server.parts import ServiceParts

logger = logging.getLogger(__name__)

_REQUEST_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600, 3600)
_STEP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WINDOW_READS = (1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536)
_SOURCES = ("error", *(source.name.lower() for source in Source))


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        where = self.registry
        self._reads = Counter(
            "abyssal_reads", "Reads answered, by where the answer came from", ["source"], registry=where
        )
        self._requests = Counter("abyssal_requests", "Calls that ended", ["method", "code"], registry=where)
        self._request_seconds = Histogram(
            "abyssal_request_seconds", "Duration of a call", ["method"], buckets=_REQUEST_SECONDS, registry=where
        )
        self._window_reads = Histogram(
            "abyssal_window_reads", "Reads that were computed together", buckets=_WINDOW_READS, registry=where
        )
        self._letters = Counter("abyssal_letters", "Letters of the distinct reads computed", registry=where)
        self._padded = Counter("abyssal_padded_letters", "The same letters as the engine pads them", registry=where)
        self._engine_seconds = Histogram(
            "abyssal_engine_seconds", "Duration of a step of the engine", buckets=_STEP_SECONDS, registry=where
        )
        self._engine_reads = Counter("abyssal_engine_reads", "Distinct reads that were computed", registry=where)
        self._model_info = Gauge(
            "abyssal_model_info", "1 for each model that answers", ["name", "version", "digest"], registry=where
        )
        for source in _SOURCES:
            self._reads.labels(source)
        ProcessCollector(registry=self.registry)

    def count_reads(self, by_source: Iterable[int], errors: int) -> None:
        """Count answers: how many of each ``Source`` from 0 on; those with errors are among the rejected."""
        for source, number in zip(Source, list(by_source)[min(Source) :], strict=False):
            settled = number - errors if source is Source.REJECTED else number
            if settled > 0:
                self._reads.labels(source.name.lower()).inc(settled)
        if errors:
            self._reads.labels("error").inc(errors)

    def count_request(self, method: str, code: str, seconds: float) -> None:
        """Count a call that ended: its method's own name and the name of its status code."""
        self._requests.labels(method, code).inc()
        self._request_seconds.labels(method).observe(seconds)

    def count_window(self, reads: int) -> None:
        """Count a window."""
        self._window_reads.observe(reads)

    def count_step(self, *, reads: int, letters: int, padded: int, seconds: float) -> None:
        """Count what the engine has computed in one go."""
        self._engine_reads.inc(reads)
        self._letters.inc(letters)
        self._padded.inc(padded)
        self._engine_seconds.observe(seconds)

    def set_models(self, models: Iterable[Model]) -> None:
        """Say that exactly these models answer."""
        self._model_info.clear()
        for model in models:
            self._model_info.labels(model.name, model.version, model.digest).set(1)

    def watch(self, parts: ServiceParts) -> None:
        """Show the state of a service, looked at when somebody asks for the metrics."""
        self.registry.register(_State(parts))

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[None]:
        """Answer ``GET /metrics`` in a thread; not at all for port 0.

        A port that is taken leaves the service without metrics, not the callers without a service.
        """
        if not port:
            yield
            return
        try:
            server, thread = start_http_server(port, host, self.registry)
        except OSError as error:
            logger.warning("no metrics: cannot listen on %s:%d (%s); set ABYSSAL_METRICS_PORT", host, port, error)
            yield
            return
        logger.info("metrics on http://%s:%d/metrics", host, port)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _State(Collector):
    """What is the case at the moment; reads numbers only, so it may run in any thread."""

    def __init__(self, parts: ServiceParts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Return the state."""
        parts = self._parts
        yield GaugeMetricFamily("abyssal_queue_reads", "Reads that wait or are computed", parts.engine.queued_reads)
        yield GaugeMetricFamily("abyssal_calls", "Calls in progress", parts.calls.active)
        cache = parts.engine.cache
        lookups = CounterMetricFamily("abyssal_cache_lookups", "Distinct reads looked up", labels=["result"])
        lookups.add_metric(["hit"], cache.hits)
        lookups.add_metric(["miss"], cache.misses)
        yield lookups
        degraded = GaugeMetricFamily("abyssal_degraded", "1 for a part that is done without", labels=["part"])
        for component in parts.components():
            degraded.add_metric([component.name], float(not component.healthy))
        yield degraded
        yield CounterMetricFamily("abyssal_usage_dropped", "Usage records that were dropped", parts.usage.dropped)

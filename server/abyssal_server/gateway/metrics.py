"""Counts and times of the gateway, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class GatewayMetrics:
    """The metrics of one gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.requests = Counter(
            "abyssal_gateway_requests", "HTTP requests", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "abyssal_gateway_request_seconds", "Time to the end of an answer", ["route"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.sequences = Counter("abyssal_gateway_sequences", "Sequences that were classified", registry=registry)
        self.uploaded = Counter("abyssal_gateway_uploaded_bytes", "Bytes of datasets taken", registry=registry)
        self.jobs = Gauge("abyssal_jobs", "Jobs in the metadata store", ["kind", "state"], registry=registry)

    def text(self) -> bytes:
        """Return the exposition format."""
        return generate_latest(self._registry)

"""What a call needs, handed over as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abyssal.inference.v1.admin_pb2 import ComponentStatus
from abyssal.taxonomy.classifications import Classifications
from abyssal_server.calls import Calls
from abyssal_server.engine import Engine
from abyssal_server.models import ModelManager, Residents
from abyssal_server.observability import Metrics
from abyssal_server.search import SearchPool
from abyssal_server.settings import ServerSettings
from abyssal_server.usage import CallUsage, UsageLog


@dataclass(frozen=True)
class ServiceParts:
    """The parts of one running service."""

    settings: ServerSettings
    engine: Engine
    models: Residents
    manager: ModelManager
    calls: Calls
    search: SearchPool
    usage: UsageLog
    metrics: Metrics

    def count(self, usage: CallUsage, sequences: Sequence[str], answers: Classifications) -> None:
        """Count the answers to a chunk, for the caller's usage and for the metrics."""
        self.metrics.count_reads(*usage.count(sequences, answers))

    def components(self) -> list[ComponentStatus]:
        """Return how the parts are that inference can do without."""
        shared = self.engine.cache.shared
        cache = ComponentStatus(name="cache", healthy=True, detail="in memory")
        if shared is not None:
            cache = _component("cache", shared.breaker.problem, "in memory and Redis", shared.dropped)
        usage = ComponentStatus(name="usage", healthy=True, detail="off")
        if self.usage.on:
            usage = _component("usage", self.usage.problem, "written to the metadata store", self.usage.dropped)
        fallback = ComponentStatus(name="fallback", healthy=True, detail="off")
        if self.search.on:
            fallback = _component("fallback", self.search.breaker.problem, "searches open reads on request", 0)
        models = _component("models", self.manager.problem(), "as the registries have them", 0)
        return [cache, usage, fallback, models]


def _component(name: str, problem: str, detail: str, dropped: int) -> ComponentStatus:
    detail = f"{detail}; out of order: {problem}" if problem else detail
    return ComponentStatus(name=name, healthy=not problem, detail=detail, dropped=dropped)

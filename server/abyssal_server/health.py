"""Health v1: a state for the process, for each service and for each name that models answer to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

CLASSIFICATION = "abyssal.inference.v1.Classification"
MODELS = "abyssal.inference.v1.Models"
ADMIN = "abyssal.inference.v1.ModelAdmin"
SERVICES = ("", CLASSIFICATION, MODELS)

_Status = health_pb2.HealthCheckResponse


def health_name(model: str) -> str:
    """Return the name under which health answers for a model."""
    return f"model/{model}"


class Health(HealthServicer):  # type: ignore[misc,unused-ignore]
    """The standard service with ``List``, which grpcio-health-checking 1.85 lacks for asyncio."""

    def __init__(self) -> None:
        super().__init__()
        self._models: set[str] = set()
        # An unregistered state is NOT_SERVING from the first moment on, not SERVING as the base class has it.
        self._server_status.update(dict.fromkeys(SERVICES, _Status.NOT_SERVING))

    async def List(self, request: health_pb2.HealthListRequest, context: Any) -> health_pb2.HealthListResponse:
        """Return every state."""
        statuses = {name: _Status(status=status) for name, status in self._server_status.items()}
        return health_pb2.HealthListResponse(statuses=statuses)

    async def set_services(self, *, serving: bool, also: Iterable[str] = ()) -> None:
        """Set the state of the process and of every service."""
        for name in (*SERVICES, *also):
            await self.set(name, _Status.SERVING if serving else _Status.NOT_SERVING)

    async def set_models(self, names: Iterable[str]) -> None:
        """Say that exactly these models answer."""
        now = {health_name(name) for name in names}
        for gone in self._models - now:
            await self.set(gone, _Status.NOT_SERVING)
        for name in now:
            await self.set(name, _Status.SERVING)
        self._models |= now

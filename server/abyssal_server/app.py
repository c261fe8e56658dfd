"""One service: listen, load, serve, drain.

The port opens first and health says NOT_SERVING; it turns SERVING once the files, hashes and golden answers of all
bundles have been checked. ``refresh`` of the models resolves the bundles' labels anew. To drain, health turns
NOT_SERVING, new calls are refused, accepted chunks are finished, and streams end with UNAVAILABLE so that clients
resume elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from abyssal.errors import UsageError
from abyssal.inference.kserve import kserve_pb2_grpc
from abyssal.inference.v1 import admin_pb2_grpc, classification_pb2_grpc, models_pb2_grpc
from abyssal_server.access import gate_of
from abyssal_server.access.certificates import server_credentials
from abyssal_server.admin import ModelAdminService
from abyssal_server.calls import Calls
from abyssal_server.engine import Engine
from abyssal_server.health import ADMIN, SERVICES, Health
from abyssal_server.interceptors import CallGuard
from abyssal_server.kserve import SERVICE as KSERVE
from abyssal_server.kserve import KServeService
from abyssal_server.models import BundleStore, ModelManager, ModelStore, Residents
from abyssal_server.observability import Metrics, Observer
from abyssal_server.observability.traces import Tracer
from abyssal_server.parts import ServiceParts
from abyssal_server.search import Find, SearchPool
from abyssal_server.services import ClassificationService, ModelsService
from abyssal_server.settings import ServerSettings
from abyssal_server.usage import UsageLog

logger = logging.getLogger(__name__)


def channel_options(settings: ServerSettings) -> list[tuple[str, int]]:
    """Return the transport's options; the first three keep a stalled stream at 0.4 MB instead of 6.3 MB."""
    return [
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 256 << 10),
        ("grpc.experimental.tcp_max_read_chunk_size", 64 << 10),
        ("grpc.max_receive_message_length", settings.message_bytes),
        # Identity only: a compressed message could unpack to far more than its size on the wire.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        # Two servers on one port would share its calls without anybody noticing.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
        ("grpc.max_concurrent_streams", settings.concurrent_calls),
    ]


class InferenceServer:
    """One running service: ``start``, then ``drain``; used from one event loop.

    Args:
        settings: the settings.
        store: where models come from; bundles by default.
        find: what searches for open reads; None when this service cannot.
        usage: the usage log; none by default.
        tracer: notes the spans of calls; none by default.
        settle: called after every change of the models.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        store: ModelStore | None = None,
        find: Find | None = None,
        usage: UsageLog | None = None,
        tracer: Tracer | None = None,
        settle: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._settle = settle
        self.residents = Residents(settings.resident_models)
        self.calls = Calls(settings.concurrent_calls)
        self.metrics = Metrics()
        self.engine = Engine(settings, metrics=self.metrics)
        self.port = 0
        self._health = Health()
        store = store or BundleStore(settings.bundle_cache, settings.device, settings.engine)
        self.models = ModelManager(settings.locations, store, self.residents, self._models_changed)
        search = SearchPool(
            find, workers=settings.search_workers, room=settings.searches, seconds=settings.search_seconds
        )
        usage = usage or UsageLog(None)
        self.parts = ServiceParts(
            settings, self.engine, self.residents, self.models, self.calls, search, usage, self.metrics
        )
        self.metrics.watch(self.parts)
        self._observer = Observer(self.metrics, tracer)
        gate = gate_of(settings)
        self._admin = (ADMIN,) if gate.has_admin or not gate.open else ()
        self._server = grpc.aio.server(
            interceptors=[CallGuard(self.calls, gate, self._observer)], options=channel_options(settings)
        )

    async def start(self) -> None:
        """Listen, load the models, then say SERVING.

        Raises:
            UsageError: the address is taken or not ours; or no bundle is there.
            BundleError: a bundle does not pass its checks.
        """
        self._register()
        self._listen()
        await self._server.start()
        self.engine.start()
        try:
            await self.models.start()
        except BaseException:
            await self._stop(0.0)
            raise
        await self._health.set_services(serving=True, also=self._admin)

    async def drain(self) -> None:
        """Turn NOT_SERVING, refuse new calls, finish what was accepted, then stop."""
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_notice_seconds)
        finished = await self.calls.drain(self._settings.drain_seconds)
        if not finished:
            logger.warning("%d calls did not finish in %g s", self.calls.active, self._settings.drain_seconds)
        await self._stop(1.0)

    async def _stop(self, grace: float) -> None:
        self.parts.search.stop()
        await self.engine.stop()
        await self._server.stop(grace)
        await asyncio.to_thread(self.parts.usage.close)
        await asyncio.to_thread(self._observer.close)

    async def _models_changed(self) -> None:
        await self._health.set_models(self.residents.names)
        self.metrics.set_models(
            self.residents.resident(digest).model.identity for digest in self.residents.names.values()
        )
        if self._settle is not None:
            self._settle()

    def _register(self) -> None:
        server = self._server
        classification_pb2_grpc.add_ClassificationServicer_to_server(  # type: ignore[no-untyped-call]
            ClassificationService(self.parts), server
        )
        models = ModelsService(self.residents, self._settings)
        models_pb2_grpc.add_ModelsServicer_to_server(models, server)  # type: ignore[no-untyped-call]
        kserve_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(  # type: ignore[no-untyped-call]
            KServeService(self.parts), server
        )
        if self._admin:
            admin = ModelAdminService(self.parts)
            admin_pb2_grpc.add_ModelAdminServicer_to_server(admin, server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.reflection:
            names = (*SERVICES[1:], *self._admin, KSERVE, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)

    def _listen(self) -> None:
        address = f"{self._settings.host}:{self._settings.port}"
        identity = self._settings.identity
        credentials = None if identity is None else server_credentials(identity)
        try:
            if credentials is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            message = f"cannot listen on {address} ({error}); is the port taken? --port 0 takes a free one"
            raise UsageError(message) from error

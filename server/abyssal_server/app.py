"""The process: listen, load, serve, drain.

The port opens first and health says NOT_SERVING; it turns SERVING once the files, hashes and golden answers of all
bundles have been checked. SIGHUP resolves the bundles' labels anew. SIGTERM and SIGINT drain: health turns NOT_SERVING,
new calls are refused, accepted chunks are finished, streams end with UNAVAILABLE so that clients resume elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from abyssal.errors import UsageError
from abyssal.files import write_text
from abyssal.inference.v1 import admin_pb2_grpc, classification_pb2_grpc, models_pb2_grpc
from abyssal_server.access import gate_of
from abyssal_server.access.certificates import server_credentials
from abyssal_server.admin import ModelAdminService
from abyssal_server.calls import Calls
from abyssal_server.engine import Engine
from abyssal_server.fallback import FallbackSearch
from abyssal_server.health import ADMIN, SERVICES, Health
from abyssal_server.interceptors import CallGuard
from abyssal_server.models import BundleStore, ModelManager, ModelStore, Residents
from abyssal_server.parts import ServiceParts
from abyssal_server.search import Find, SearchPool
from abyssal_server.services import ClassificationService, ModelsService
from abyssal_server.settings import ServerSettings
from abyssal_server.usage import UsageLog

logger = logging.getLogger(__name__)


def channel_options(settings: ServerSettings) -> list[tuple[str, int]]:
    """Return the transport's options; the first two keep a stalled stream at 0.4 MB instead of 6.3 MB."""
    return [
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 256 << 10),
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
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        store: ModelStore | None = None,
        find: Find | None = None,
        usage: UsageLog | None = None,
    ) -> None:
        self._settings = settings
        self.residents = Residents(settings.resident_models)
        self.calls = Calls(settings.concurrent_calls)
        self.engine = Engine(settings)
        self.port = 0
        self._health = Health()
        store = store or BundleStore(settings.bundle_cache, settings.device)
        self.models = ModelManager(settings.locations, store, self.residents, self._models_changed)
        search = SearchPool(
            find, workers=settings.search_workers, room=settings.searches, seconds=settings.search_seconds
        )
        self.parts = ServiceParts(settings, self.engine, self.residents, self.calls, search, usage or UsageLog(None))
        gate = gate_of(settings)
        self._admin = (ADMIN,) if gate.has_admin or not gate.open else ()
        self._server = grpc.aio.server(interceptors=[CallGuard(self.calls, gate)], options=channel_options(settings))

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

    async def _models_changed(self) -> None:
        await self._health.set_models(self.residents.names)

    def _register(self) -> None:
        server = self._server
        classification_pb2_grpc.add_ClassificationServicer_to_server(  # type: ignore[no-untyped-call]
            ClassificationService(self.parts), server
        )
        models = ModelsService(self.residents, self._settings)
        models_pb2_grpc.add_ModelsServicer_to_server(models, server)  # type: ignore[no-untyped-call]
        if self._admin:
            admin = ModelAdminService(self.models, self.parts)
            admin_pb2_grpc.add_ModelAdminServicer_to_server(admin, server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.reflection:
            names = (*SERVICES[1:], *self._admin, health.SERVICE_NAME, reflection.SERVICE_NAME)
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


async def serve(settings: ServerSettings, *, port_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain; ``port_file`` receives HOST:PORT once the service answers."""
    logger.info("settings: %s", settings.model_dump_json())
    for problem in settings.exposed():
        logger.warning("%s", problem)
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    usage = UsageLog.from_environment(os.environ, room=settings.usage_records, keep_sequences=settings.usage_sequences)
    find = None if settings.fallback == "off" else FallbackSearch(settings.fallback)
    server = InferenceServer(settings, find=find, usage=usage)
    starting = asyncio.create_task(server.start())
    stopping = asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    await starting
    logger.info("serving on %s:%d", settings.host, server.port)
    refreshing: set[asyncio.Task[object]] = set()

    def refresh() -> None:
        task: asyncio.Task[object] = asyncio.create_task(server.models.refresh(), name="refresh")
        refreshing.add(task)
        task.add_done_callback(refreshing.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, refresh)
    if port_file is not None:
        write_text(port_file, f"{settings.host}:{server.port}\n")
    await stopping
    logger.info("draining")
    await server.drain()
    if find is not None:
        find.close()

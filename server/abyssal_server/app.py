"""The process: listen, load, serve, drain.

The port opens first and health says NOT_SERVING; it turns SERVING once the files, hashes and golden answers of the
bundle have been checked. SIGTERM and SIGINT drain: health turns NOT_SERVING, new calls are refused, accepted chunks are
finished, streams end with UNAVAILABLE so that clients resume elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from abyssal.errors import UsageError
from abyssal.files import write_text
from abyssal.inference.v1 import classification_pb2_grpc, models_pb2_grpc
from abyssal_server.calls import Calls
from abyssal_server.engine import Engine
from abyssal_server.interceptors import CallGuard
from abyssal_server.models import LoadedModel, LoadedModels, load_model
from abyssal_server.services import ClassificationService, ModelsService
from abyssal_server.settings import ServerSettings

logger = logging.getLogger(__name__)

CLASSIFICATION = "abyssal.inference.v1.Classification"
MODELS = "abyssal.inference.v1.Models"
HEALTH_NAMES = ("", CLASSIFICATION, MODELS)

Loader = Callable[[Path], LoadedModel]


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
    """One running service: ``start``, then ``drain``; used from one event loop."""

    def __init__(self, settings: ServerSettings, *, loader: Loader = load_model) -> None:
        self._settings = settings
        self._loader = loader
        self.models = LoadedModels()
        self.calls = Calls(settings.concurrent_calls)
        self.engine = Engine(settings)
        self.port = 0
        self._health = HealthServicer()
        self._server = grpc.aio.server(interceptors=[CallGuard(self.calls)], options=channel_options(settings))

    async def start(self) -> None:
        """Listen, load the model, then say SERVING.

        Raises:
            UsageError: the address is taken or not ours; or no bundle is there.
            BundleError: the bundle does not pass its checks.
        """
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._register()
        self._listen()
        await self._server.start()
        self.engine.start()
        try:
            model = await asyncio.to_thread(self._loader, Path(self._settings.model_path))
        except BaseException:
            await self._stop(0.0)
            raise
        self.models.put(model)
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Turn NOT_SERVING, refuse new calls, finish what was accepted, then stop."""
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_notice_seconds)
        finished = await self.calls.drain(self._settings.drain_seconds)
        if not finished:
            logger.warning("%d calls did not finish in %g s", self.calls.active, self._settings.drain_seconds)
        await self._stop(1.0)

    async def _stop(self, grace: float) -> None:
        await self.engine.stop()
        await self._server.stop(grace)

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in HEALTH_NAMES:
            await self._health.set(name, status)

    def _register(self) -> None:
        classification = ClassificationService(self.engine, self.models, self.calls, self._settings)
        classification_pb2_grpc.add_ClassificationServicer_to_server(  # type: ignore[no-untyped-call]
            classification, self._server
        )
        models = ModelsService(self.models, self._settings)
        models_pb2_grpc.add_ModelsServicer_to_server(models, self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self._settings.reflection:
            names = (*HEALTH_NAMES[1:], health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    def _listen(self) -> None:
        address = f"{self._settings.host}:{self._settings.port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            message = f"cannot listen on {address} ({error}); is the port taken? --port 0 takes a free one"
            raise UsageError(message) from error


async def serve(settings: ServerSettings, *, port_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain; ``port_file`` receives HOST:PORT once the service answers."""
    logger.info("settings: %s", settings.model_dump_json())
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    server = InferenceServer(settings)
    starting = asyncio.create_task(server.start())
    stopping = asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    await starting
    logger.info("serving on %s:%d", settings.host, server.port)
    if port_file is not None:
        write_text(port_file, f"{settings.host}:{server.port}\n")
    await stopping
    logger.info("draining")
    await server.drain()

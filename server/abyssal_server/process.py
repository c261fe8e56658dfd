"""The process of ``abyssal serve``: SIGHUP follows the bundles' labels, SIGTERM and SIGINT drain."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abyssal.files import write_text
from abyssal_server.app import InferenceServer
from abyssal_server.fallback import FallbackSearch
from abyssal_server.memory import give_back, settle, use_few_arenas
from abyssal_server.models.manager import threads_left
from abyssal_server.observability.logs import use_format
from abyssal_server.observability.traces import tracer_of
from abyssal_server.settings import ServerSettings
from abyssal_server.usage import UsageLog

logger = logging.getLogger(__name__)


async def serve(settings: ServerSettings, *, port_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain; ``port_file`` receives HOST:PORT once the service answers."""
    use_few_arenas()
    # Until the models are there next to nothing is garbage, and looking for it takes a tenth of the time to get there.
    gc.disable()
    use_format(settings.log_format)
    logger.info("settings: %s", settings.model_dump_json())
    for problem in settings.exposed():
        logger.warning("%s", problem)
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    with _server(settings) as server:
        starting = asyncio.create_task(server.start())
        stopping = asyncio.create_task(asked_to_stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        await starting
        logger.info("serving on %s:%d", settings.host, server.port)
        _follow_labels(server)
        if port_file is not None:
            write_text(port_file, f"{settings.host}:{server.port}\n")
        trimming = asyncio.create_task(give_back(), name="give back")
        await stopping
        trimming.cancel()
        logger.info("draining")
        await server.drain()


def end() -> None:
    """End the process here, with status 0, when a thread is left that no shutdown waits for.

    Python before 3.14 ends such a thread wherever it is, and inside of a converter's C++ that aborts the process.
    """
    if threads_left():
        logging.shutdown()
        os._exit(0)


@contextmanager
def _server(settings: ServerSettings) -> Iterator[InferenceServer]:
    """Yield a server with all that the settings put beside it."""
    usage = UsageLog.from_environment(os.environ, room=settings.usage_records, keep_sequences=settings.usage_sequences)
    find = None if settings.fallback == "off" else FallbackSearch(settings.fallback)
    server = InferenceServer(settings, find=find, usage=usage, tracer=tracer_of(settings.otlp_endpoint), settle=settle)
    with server.metrics.served(settings.metrics_host, settings.metrics_port):
        yield server
    if find is not None:
        find.close()


def _follow_labels(server: InferenceServer) -> None:
    refreshing: set[asyncio.Task[object]] = set()

    def refresh() -> None:
        task: asyncio.Task[object] = asyncio.create_task(server.models.refresh(), name="refresh")
        refreshing.add(task)
        task.add_done_callback(refreshing.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, refresh)

"""The gateway's process."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import uvicorn

from abyssal.errors import UsageError
from abyssal.files import write_text
from abyssal_server.gateway.app import create_app
from abyssal_server.gateway.settings import GatewaySettings

logger = logging.getLogger(__name__)


class _AnnouncedServer(uvicorn.Server):
    """Writes the address to a file once requests are accepted."""

    def __init__(self, config: uvicorn.Config, address: str, port_file: Path | None) -> None:
        super().__init__(config)
        self._address = address
        self._port_file = port_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        logger.info("gateway on http://%s", self._address)
        if self._port_file is not None:
            write_text(self._port_file, f"{self._address}\n")


def listen(settings: GatewaySettings) -> socket.socket:
    """Return a bound socket.

    Raises:
        UsageError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        message = f"cannot listen on {settings.host}:{settings.port} ({error}); --port 0 takes a free port"
        raise UsageError(message) from error
    return bound


def run_gateway(settings: GatewaySettings, *, port_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT; ``port_file`` receives HOST:PORT once requests are accepted."""
    logger.info("settings: %s", settings.model_dump_json())
    bound = listen(settings)
    address = f"{settings.host}:{bound.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(settings), log_config=None, access_log=False, server_header=False,
        proxy_headers=bool(settings.proxies), forwarded_allow_ips=settings.proxies,
    )  # fmt: skip
    _AnnouncedServer(config, address, port_file).run(sockets=[bound])

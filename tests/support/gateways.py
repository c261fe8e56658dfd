"""A real gateway over HTTP, with stores of its own."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from abyssal_server.gateway.app import create_app
from abyssal_server.gateway.process import listen
from abyssal_server.gateway.settings import GatewaySettings
from support.serving import RunningServer

ADMIN_TOKEN = "an-admin-token-for-tests-0123456789"
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


@contextmanager
def running_gateway(target: str, **values: object) -> Iterator[httpx.Client]:
    """Run a gateway in front of a service and yield a client of it."""
    with tempfile.TemporaryDirectory(prefix="gateway-") as data:
        settings = GatewaySettings.model_validate({"server": target, "port": 0, "data": Path(data), **values})
        bound = listen(settings)
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{bound.getsockname()[1]}", timeout=60) as client:
                end = time.monotonic() + 20
                while not server.started:
                    assert time.monotonic() < end
                    time.sleep(0.01)
                yield client
        finally:
            server.should_exit = True
            thread.join(20)
            bound.close()


@pytest.fixture
def gateway(server: RunningServer) -> Iterator[httpx.Client]:
    """A gateway with small limits."""
    with running_gateway(server.target, upload_bytes=200_000, sequences=50, admin_token=ADMIN_TOKEN) as client:
        yield client


def wait_for(client: httpx.Client, path: str, *states: str, seconds: float = 60.0) -> dict[str, object]:
    """Ask for a job until it is in one of some states."""
    end = time.monotonic() + seconds
    while True:
        found: dict[str, object] = client.get(path).json()
        if found["state"] in states:
            return found
        assert time.monotonic() < end, f"{path} is {found}"
        time.sleep(0.05)

"""A real server of MongoDB's wire protocol (nx-27017) on a free loopback port, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

_START_SECONDS = 60


@dataclass(frozen=True)
class MongoServer:
    """Where the server is, and its process."""

    port: int
    process: subprocess.Popen[bytes]

    def url(self, database: str) -> str:
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def kill(self) -> None:
        """End the server as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)


@contextmanager
def mongo_server(folder: Path) -> Iterator[MongoServer]:
    """Start the server with its data in ``folder``, wait until it answers, kill it at the end."""
    program = Path(sys.executable).with_name("nx-27017")
    if not program.is_file():
        pytest.skip("no server of MongoDB's wire protocol: pip install nx-27017==0.8.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [program, "--data-dir", folder / "data", "-p", str(port), "--pid-file", folder / "pid"]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command), "--log-file", str(folder / "log")], stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(port, process, folder / "server.log")
            yield MongoServer(port, process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=30)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with MongoClient[dict[str, object]](f"mongodb://127.0.0.1:{port}", serverSelectionTimeoutMS=500) as client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                time.sleep(0.2)
            else:
                return
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")

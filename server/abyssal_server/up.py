"""Everything on one machine in one command: service, gateway and worker as processes, on the embedded stores.

The three talk as they would on three machines; what ends is started again, and all end together.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from abyssal.bundle.read import open_bundle
from abyssal.errors import ToolError, UsageError
from abyssal_server.gateway.settings import GatewaySettings
from abyssal_server.jobs.artefacts import keep_study_of_bundle
from abyssal_server.places import Places

logger = logging.getLogger(__name__)

DEMO_BUNDLE = Path("results/demo/18S-V4-Zingone/bundle")
TOKEN_FILE = "admin-token"
_START_SECONDS = 120.0
_STOP_SECONDS = 40.0
_PAUSE_SECONDS = 1.0


@dataclass
class _Part:
    """One process that is kept running."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it; it dies with this process at the latest."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "abyssal.cli", *self.arguments], env={**os.environ, **self.environment},
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Ask it to end, then make it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def admin_token(data: Path) -> Path:
    """Return the file with the admin token, made at the first start, readable by its owner only."""
    path = data / TOKEN_FILE
    if not path.is_file():
        data.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
    return path


def served_locations(places: Places, bundle: Path | None) -> list[str]:
    """Return what the service serves: what is labelled current in the registry.

    A bundle is published there first, and the numbers of its study are kept for the web page.

    Raises:
        UsageError: there is no bundle at all.
        BundleError: the bundle does not verify.
    """
    registry = places.registry()
    if bundle is None and not registry.names() and DEMO_BUNDLE.is_dir():
        bundle = DEMO_BUNDLE
    first = ""
    if bundle is not None:
        published = registry.publish(bundle)
        registry.activate(published.name, published.version)
        keep_study_of_bundle(places, bundle, published.digest)
        first = published.name
    names = [name for name in registry.names() if registry.labels(name).current is not None]
    if not names:
        message = "there is no model to serve yet; run `make demo` first, or give --bundle DIR"
        raise UsageError(message)
    return [f"{registry.location}/{name}@current" for name in sorted(names, key=lambda name: (name != first, name))]


def run_up(data: Path, *, bundle: Path | None, host: str, port: int, cores: int | None) -> None:
    """Run everything until SIGTERM or SIGINT.

    Raises:
        UsageError: there is no bundle to serve, or a port is taken.
        ToolError: a part does not start.
    """
    data = data.resolve()
    token = admin_token(data)
    if bundle is not None:
        open_bundle(bundle)
    places = Places(GatewaySettings.read(os.environ, server="127.0.0.1:1", data=data))
    locations = served_locations(places, bundle)
    places.close()
    logs = data / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    stop = _Signals()
    environment = {"ABYSSAL_DATA": str(data), "ABYSSAL_ADMIN_TOKEN_FILE": str(token)}
    service_port, gateway_port = logs / "service.address", logs / "gateway.address"
    parts: list[_Part] = []
    try:
        flags = [flag for location in locations for flag in ("--bundle", location)]
        service = ["serve", *flags, "--port", "0", "--port-file", str(service_port)]
        address = _started(parts, _Part("service", service, environment, logs / "service.log"), service_port)
        parts[0].arguments = [*service[:-4], "--port", address.rpartition(":")[2], *service[-2:]]
        environment["ABYSSAL_SERVER"] = address
        gateway = ["gateway", "--host", host, "--port", str(port), "--port-file", str(gateway_port)]
        page = _started(parts, _Part("gateway", gateway, environment, logs / "gateway.log"), gateway_port)
        ready = logs / "worker.ready"
        worker = ["worker", "--ready-file", str(ready), *(["--cores", str(cores)] if cores else [])]
        _started(parts, _Part("worker", worker, environment, logs / "worker.log"), ready)
        sys.stdout.write(
            f"web page and REST: http://{page}/\ngRPC:              {address}\nadmin token:       {token}\n"
            f"data and logs:     {data}\nCtrl-C ends everything.\n"
        )
        sys.stdout.flush()
        _keep(parts, stop)
    finally:
        for part in reversed(parts):
            part.stop()


def _started(parts: list[_Part], part: _Part, ready: Path) -> str:
    """Start a part and return what it writes once it answers."""
    ready.unlink(missing_ok=True)
    part.start()
    parts.append(part)
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and part.runs:
        if ready.is_file() and (text := ready.read_text().strip()):
            return text
        time.sleep(0.05)
    tail = part.log.read_text(errors="replace")[-2000:]
    message = f"the {part.name} did not start; the end of {part.log}:\n{tail}"
    raise ToolError(message)


class _Signals:
    """Notices SIGTERM and SIGINT."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


def _keep(parts: list[_Part], stop: _Signals) -> None:
    """Start again what ends by itself."""
    while not stop.asked:
        for part in parts:
            if not part.runs and not stop.asked:
                logger.warning("the %s ended; starting it again (see %s)", part.name, part.log)
                part.start()
        time.sleep(_PAUSE_SECONDS)

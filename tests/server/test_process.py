"""The real process on a real bundle: SIGHUP, ends of every kind under a client, and a client in another language."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from support.serving import rows_of
from support.tiny_bundle import make_tiny_bundle, reads_like_users_send

from abyssal.bundle.registry import open_registry
from abyssal.client import Client
from abyssal.inference.v1 import admin_pb2, admin_pb2_grpc
from abyssal.taxonomy.classifier import Classifier

pytestmark = pytest.mark.timeout(280)
READS = reads_like_users_send(400)
SEQUENCES = [sequence for _, sequence in READS]
IDS = [name for name, _ in READS]
START_SECONDS = 120
TOKEN = "a token that is certainly longer than 32"


@dataclass
class Service:
    """One ``abyssal serve`` after another, on one port."""

    folder: Path
    arguments: Sequence[object]
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> float:
        """Start it and wait until it answers; returns the seconds that took."""
        file = self.folder / "port"
        file.unlink(missing_ok=True)
        begun = time.monotonic()
        program = Path(sys.executable).with_name("abyssal")
        command = [program, "serve", "--port", self.port, "--port-file", file, *self.arguments]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], stderr=log, env={**os.environ, **self.environment}
            )
        while not file.exists():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() - begun < START_SECONDS
            time.sleep(0.02)
        self.port = int(file.read_text().rpartition(":")[2])
        return time.monotonic() - begun

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End it and return its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def make(*arguments: object, **environment: str) -> Service:
        made.append(Service(tmp_path, arguments, environment))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.end()


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition; fails the test when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_labels_are_followed_on_sighup_and_a_bad_bundle_changes_nothing(
    service: Callable[..., Service], tmp_path: Path
) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    first, second = (make_tiny_bundle(tmp_path / version, version=version) for version in ("1", "2"))
    for bundle in (first, second):
        registry.publish(bundle)
    registry.activate("toy", "1")
    running = service("--bundle", f"{registry.location}/toy@current", ABYSSAL_ADMIN_TOKEN=TOKEN)
    running.start()
    with Client(running.target) as client, grpc.insecure_channel(running.target) as channel:
        answers = client.classify_stream(SEQUENCES[start : start + 10] for start in range(0, 400, 10))
        parts = [next(answers)]
        registry.activate("toy", "2")
        running.send(signal.SIGHUP)
        wait_for(lambda: client.current_model().version == "2")
        parts += list(answers)
        expected = rows_of(IDS, Classifier.load(first).classify(SEQUENCES))
        start = 0
        for part in parts:
            assert rows_of(IDS[start : start + len(part)], part) == expected[start : start + len(part)]
            start += len(part)
        assert start == 400
        damaged = tmp_path / "registry" / "toy" / "1" / "calibration.json"
        damaged.chmod(0o644)
        damaged.write_bytes(damaged.read_bytes() + b" ")
        registry.activate("toy", "1")
        admin = admin_pb2_grpc.ModelAdminStub(channel)
        metadata = (("authorization", f"Bearer {TOKEN}"),)
        # Version 1 is in memory as `previous`, so only a service that has to read it again sees the damage.
        previous = client.current_model(model="toy@previous").digest
        admin.UnloadModel(admin_pb2.UnloadModelRequest(digest=previous), metadata=metadata)
        (state,) = admin.Refresh(admin_pb2.RefreshRequest(), metadata=metadata).states
        assert "calibration.json" in state.reason
        assert client.current_model().version == "2"
        assert len(client.classify(SEQUENCES[:20])) == 20
    assert running.end(signal.SIGTERM) == 0


BUSY = """
import asyncio, torch
from abyssal_server.models.manager import _in_a_thread
from abyssal_server.process import end

def compute():
    while True:
        torch.ones(200, 200) @ torch.ones(200, 200)

async def main():
    looking = asyncio.create_task(_in_a_thread(compute))
    await asyncio.sleep(0.5)

asyncio.run(main())
end()
"""


def test_a_conversion_under_way_does_not_make_the_end_a_crash() -> None:
    done = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("end", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_client_goes_on_after_the_service_was_ended_without_gap_or_repeat(
    service: Callable[..., Service], tiny_bundle: Path, end: signal.Signals
) -> None:
    running = service("--bundle", tiny_bundle, "--device", "cpu")
    running.start()
    expected = rows_of(IDS, Classifier.load(tiny_bundle).classify(SEQUENCES))
    with Client(running.target, attempts=60) as client:
        chunks = [SEQUENCES[start : start + 8] for start in range(0, 400, 8)]
        answers = client.classify_stream(chunks)
        rows = rows_of(IDS[:8], next(answers))
        running.end(end)
        running.start()
        for answered in answers:
            rows += rows_of(IDS[len(rows) : len(rows) + len(answered)], answered)
    assert rows == expected


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed (apt-get install nodejs npm)")
def test_example_in_another_language(
    service: Callable[..., Service], tiny_bundle: Path, tmp_path: Path, repository: Path
) -> None:
    example = repository / "server" / "examples" / "node"
    if not (example / "node_modules").is_dir():
        pytest.skip(f"the example's two packages are not installed: (cd {example} && npm install)")
    fasta = tmp_path / "reads.fasta"
    fasta.write_text("".join(f">{name} x\n{sequence}\n" for name, sequence in READS))
    running = service("--bundle", tiny_bundle)
    running.start()
    done = subprocess.run(
        ["node", example / "classify.js", fasta, running.target], capture_output=True, text=True, check=True, timeout=60
    )
    with Client(running.target) as client:
        table = rows_of(IDS, client.classify(SEQUENCES))
    assert done.stdout.splitlines() == ["\t".join(row.split("\t")[:3]) for row in table]

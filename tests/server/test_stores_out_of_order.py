"""Redis, the metadata store and S3 silent, hanging up or talking rubbish: inference goes on, the status says so."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import urllib3
from support.serving import OneModel, PacedClassifier, paced_model, rows_of, running_store

from abyssal.client import Client
from abyssal.inference.v1 import admin_pb2, admin_pb2_grpc
from abyssal_server.models import BundleStore, LoadedModel
from abyssal_server.usage import UsageLog

pytestmark = pytest.mark.timeout(120)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}" for i in range(16)]
TOKEN = "an admin token of forty characters or so"
MODES = ("silent", "rubbish", "hangs up", "nobody")
_GREETING = b"+OK\r\n" * 2
SAID = {
    "rubbish": b"\x00\xff<html>HTTP/1.1 200 what?\r\n\r\n" * 20,
    # What Redis could say, though not to what it is asked.
    "a word": _GREETING + b"+OK\r\n" * 20,
    "a number": _GREETING + b":7\r\n" * 20,
    "too few": _GREETING + b"*1\r\n$1\r\nx\r\n" * 20,
    "numbers": _GREETING + (b"*16\r\n" + b":7\r\n" * 16) * 20,
    "lists": _GREETING + (b"*16\r\n" + b"*1\r\n:7\r\n" * 16) * 20,
    "no length": _GREETING + b"*many\r\n" * 20,
    "a length below 0": _GREETING + b"$-7\r\n" * 20,
    "a terabyte": _GREETING + b"$1000000000000\r\nx",
    "lists in lists": _GREETING + b"*1\r\n" * 5000,
    "refusal": _GREETING + b"-ERR no\r\n" * 20,
}
"""What stores that answer rubbish send to whoever connects."""


@contextmanager
def out_of_order(mode: str, beginning: bytes = _GREETING + b"$100000\r\n") -> Iterator[int]:
    """Listen on a port as a store would, and behave otherwise; one that drips begins its answer well."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if mode == "nobody":
            listening.close()
            yield port
            return
        held: list[socket.socket] = []

        def drip(caller: socket.socket) -> None:
            with contextlib.suppress(OSError), caller:
                caller.sendall(beginning)
                while True:
                    caller.sendall(b"x")
                    time.sleep(0.01)

        def serve() -> None:
            while True:
                try:
                    caller = listening.accept()[0]
                except OSError:
                    return
                held.append(caller)
                if mode in SAID:
                    caller.sendall(SAID[mode])
                elif mode == "hangs up":
                    caller.close()
                elif mode == "drips":
                    threading.Thread(target=drip, args=(caller,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield port
        listening.shutdown(socket.SHUT_RDWR)
        for caller in held:
            caller.close()


@pytest.mark.parametrize("mode", ["drips", *(said for said in SAID if said not in MODES)])
def test_a_redis_whose_answers_make_no_sense(mode: str) -> None:
    store = OneModel(paced_model(PacedClassifier()))
    with (
        out_of_order(mode) as port,
        running_store(store, "here", redis_url=f"redis://127.0.0.1:{port}/0", remembered_reads=0) as running,
        Client(running.target) as client,
    ):
        cache = running.server.engine.cache.shared
        assert cache is not None
        for _ in range(5):
            begun = time.monotonic()
            assert rows_of(READS, client.classify(READS)) == rows_of(READS, PacedClassifier().classify(READS))
            assert time.monotonic() - begun < 5.0
        assert cache.breaker.problem
        assert not running.server.parts.components()[0].healthy


class Registry:
    """Two models; as soon as ``gone`` everything is looked for where S3 ought to be."""

    def __init__(self, folder: Path) -> None:
        self.real, self.gone = BundleStore(folder), False

    def open(self, location: str) -> Any:
        """Return the bundle."""
        if self.gone:
            return self.real.open("s3://bundles/prefix/name@current")
        return OneModel(paced_model(PacedClassifier(), digest=location[0] * 64))

    def load(self, opened: OneModel) -> LoadedModel:
        """Return the model."""
        return opened.load(opened)


@pytest.mark.parametrize("mode", MODES)
def test_cache_and_usage_log(mode: str) -> None:
    with out_of_order(mode) as port:
        url = f"mongodb://127.0.0.1:{port}/usage?serverSelectionTimeoutMS=500&connectTimeoutMS=500&socketTimeoutMS=500"
        log = UsageLog.from_environment({"MONGO_URL": url}, room=4, keep_sequences=False)
        store = OneModel(paced_model(PacedClassifier()))
        redis = f"redis://127.0.0.1:{port}/0"
        with (
            running_store(store, "here", usage=log, redis_url=redis, admin_token=TOKEN) as running,
            Client(running.target) as client,
            grpc.insecure_channel(running.target) as channel,
        ):
            begun = time.monotonic()
            for _ in range(20):
                assert len(client.classify(READS)) == len(READS)
            # A twentieth of a second for Redis at the first call; the usage log never makes a call wait.
            assert time.monotonic() - begun < 20
            running.wait_until(lambda _: not log.breaker.closed, seconds=60)
            admin = admin_pb2_grpc.ModelAdminStub(channel)
            status = admin.GetStatus(admin_pb2.GetStatusRequest(), metadata=(("authorization", f"Bearer {TOKEN}"),))
            found = {one.name: one for one in status.components}
            assert not found["cache"].healthy
            assert not found["usage"].healthy
            running.wait_until(lambda server: server.calls.active == 0)
        assert log.written == 0


@pytest.mark.parametrize("mode", [*MODES, "drips"])
def test_a_registry_that_cannot_be_read_leaves_the_models(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Registry(tmp_path)
    # A minute in earnest; every attempt waits that long.
    monkeypatch.setattr("abyssal.stores.objects.s3._TIMEOUT", urllib3.Timeout(connect=1, read=0.5))
    with (
        out_of_order(mode, b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n") as port,
        running_store(store, "a", admin_token=TOKEN) as running,
        Client(running.target) as client,
        grpc.insecure_channel(running.target) as channel,
    ):
        admin, access = admin_pb2_grpc.ModelAdminStub(channel), (("authorization", f"Bearer {TOKEN}"),)
        for name, value in (("ENDPOINT", f"http://127.0.0.1:{port}"), ("ACCESS_KEY", "key"), ("SECRET_KEY", "secret")):
            monkeypatch.setenv(f"S3_{name}", value)
        admin.LoadModel(admin_pb2.LoadModelRequest(location="b", activate=True), metadata=access)
        store.gone = True
        refresh = admin.Refresh.future(admin_pb2.RefreshRequest(), metadata=access, timeout=90)
        # While nobody knows yet that the store does not answer, models answer and can be switched.
        assert len(client.classify(READS)) == len(READS)
        admin.RollbackModel(admin_pb2.RollbackModelRequest(name="paced"), metadata=access, timeout=2)
        assert client.current_model().digest == "a" * 64
        (state,) = refresh.result().states
        assert state.phase == admin_pb2.ModelPhase.MODEL_PHASE_FAILED
        status = admin.GetStatus(admin_pb2.GetStatusRequest(), metadata=access)
        models = next(one for one in status.components if one.name == "models")
        assert not models.healthy
        assert state.reason in models.detail
        assert rows_of(READS, client.classify(READS)) == rows_of(READS, PacedClassifier().classify(READS))
        store.gone = False
        admin.Refresh(admin_pb2.RefreshRequest(), metadata=access)
        assert all(one.healthy for one in admin.GetStatus(admin_pb2.GetStatusRequest(), metadata=access).components)


def test_a_service_that_waits_for_its_registry_can_be_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {
            "S3_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}", "S3_ACCESS_KEY": "key", "S3_SECRET_KEY": "s",
            "MODEL_PATH": "s3://bundles/prefix/name@current", "ABYSSAL_PORT": "0", "ABYSSAL_METRICS_PORT": "0",
        }  # fmt: skip
        service = subprocess.Popen([sys.executable, "-m", "abyssal.cli", "serve"], env={**os.environ, **settings})
        with silent.accept()[0]:
            begun = time.monotonic()
            service.terminate()
            assert service.wait(60) == 0
            # The store would be waited for four minutes.
            assert time.monotonic() - begun < 30.0

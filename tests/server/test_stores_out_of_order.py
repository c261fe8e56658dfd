"""Redis, the metadata store and S3 silent, hanging up or talking rubbish: inference goes on, the status says so."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from support.serving import OneModel, PacedClassifier, paced_model, rows_of, running_store

from abyssal.client import Client
from abyssal.inference.v1 import admin_pb2, admin_pb2_grpc
from abyssal_server.models import BundleStore
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
def out_of_order(mode: str) -> Iterator[int]:
    """Listen on a port as a store would, and behave otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if mode == "nobody":
            listening.close()
            yield port
            return
        held: list[socket.socket] = []

        def drip(caller: socket.socket) -> None:
            with contextlib.suppress(OSError), caller:
                caller.sendall(_GREETING + b"$100000\r\n")
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


class Shelf(OneModel):
    """A store of one model that looks for everything else where bundles really are."""

    def open(self, location: str) -> OneModel:
        """Return the bundle."""
        return self if location == "here" else self.real.open(location)  # type: ignore[return-value]

    real: BundleStore


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


@pytest.mark.parametrize("mode", ["rubbish", "hangs up", "nobody"])
def test_a_registry_that_cannot_be_read_leaves_the_model(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with out_of_order(mode) as port:
        monkeypatch.setenv("S3_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("S3_ACCESS_KEY", "key")
        monkeypatch.setenv("S3_SECRET_KEY", "secret")
        store = Shelf(paced_model(PacedClassifier()))
        store.real = BundleStore(tmp_path)
        with (
            running_store(store, "here", admin_token=TOKEN) as running,
            Client(running.target) as client,
            grpc.insecure_channel(running.target) as channel,
        ):
            load = admin_pb2_grpc.ModelAdminStub(channel).LoadModel
            request = admin_pb2.LoadModelRequest(location="s3://bundles/prefix/name@current", activate=True)
            waiting = load.future(request, metadata=(("authorization", f"Bearer {TOKEN}"),), timeout=90)
            assert len(client.classify(READS)) == len(READS)
            with pytest.raises(grpc.RpcError) as refused:
                waiting.result()
            assert refused.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION)
            assert len(client.classify(READS)) == len(READS)
            assert client.current_model().name == "paced"

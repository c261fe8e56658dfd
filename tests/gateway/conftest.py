"""Fixtures of the gateway's tests: a service whose speed the test controls, and gateways in front of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import pytest
from support.gateways import ADMIN_TOKEN, gateway, running_gateway
from support.mongo_server import mongo_server
from support.service_fixtures import classifier, server, tiny_bundle
from support.serving import RunningServer
from tests.bundle.s3_server import BUCKET, s3_server

__all__ = ["classifier", "gateway", "server", "tiny_bundle"]


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An S3-compatible server and one of MongoDB's protocol: the settings and variables that name them."""
    folder = tmp_path_factory.mktemp("production")
    with s3_server(folder / "s3") as s3, mongo_server(folder / "mongo") as mongo:
        yield {**s3.environment, "mongo_url": mongo.url("gateway")}


@pytest.fixture(params=["embedded", pytest.param("production", marks=[pytest.mark.s3, pytest.mark.mongo])])
def stored(
    request: pytest.FixtureRequest, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """A gateway with small limits on either kind of stores."""
    values: dict[str, object] = {}
    if request.param == "production":
        found: dict[str, str] = request.getfixturevalue("production")
        for name in ("S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
            monkeypatch.setenv(name, found[name])
        place = secrets.token_hex(4)
        values = {"objects": f"s3://{BUCKET}/{place}", "mongo_url": f"{found['mongo_url']}{place}"}
    with running_gateway(
        server.target, upload_bytes=200_000, sequences=50, admin_token=ADMIN_TOKEN, **values
    ) as client:
        yield client

"""Wake-ups and call counts: in one process, and through a real Redis that dies in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.redis_server import RedisServer, redis_server

from abyssal_server.jobs.coordination import Coordination, LocalCoordination, RedisCoordination

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["local", pytest.param("redis", marks=pytest.mark.redis)])
def open_one(request: pytest.FixtureRequest) -> Callable[[], Coordination]:
    """Opens what processes share; in one process it is the same object."""
    if request.param == "local":
        shared = LocalCoordination()
        return lambda: shared
    server: RedisServer = request.getfixturevalue("redis")
    server.client.flushall()
    return lambda: RedisCoordination(server.url)


def test_an_announcement_wakes_one_waiter(open_one: Callable[[], Coordination]) -> None:
    waiter, announcer = open_one(), open_one()
    assert not waiter.wait("train", 0.05)
    threading.Timer(0.1, announcer.announce, ["train"]).start()
    started = time.monotonic()
    assert any(waiter.wait("train", 0.5) for _ in range(10))
    assert time.monotonic() - started < 5
    assert not waiter.wait("train", 0.05)


def test_kinds_do_not_wake_each_other(open_one: Callable[[], Coordination]) -> None:
    one = open_one()
    one.announce("train")
    assert not one.wait("classify", 0.05)
    assert one.wait("train", 0.5)


def test_calls_are_counted_together(open_one: Callable[[], Coordination]) -> None:
    first, second = open_one(), open_one()
    assert [first.count("ada", 1), second.count("ada", 2), first.count("bob", 1)] == [1, 3, 1]


@pytest.mark.redis
def test_without_redis_nothing_fails(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        one = RedisCoordination(server.url)
        assert one.count("ada", 1) == 1
        server.kill()
        one.announce("train")
        started = time.monotonic()
        assert not one.wait("train", 0.3)
        assert time.monotonic() - started >= 0.3
        assert [one.count("ada", 1), one.count("ada", 1)] == [1, 2]
        server.start()
        one.announce("train")
        assert one.wait("train", 1.0)
    one.close()

"""Input made by chance, in small; ``python -m benchmarks.server.fuzz`` takes a million cases of each kind."""

from __future__ import annotations

import random

import grpc
import pytest
from benchmarks.server.fuzz import TARGETS, fuzz, mutated
from benchmarks.server.load import STREAM, UNARY
from support.serving import PacedClassifier, paced_model, running_server

from abyssal.client import Client

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("cases", [5_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
@pytest.mark.parametrize("target", TARGETS)
def test_readers_return_records_or_refuse(target: str, cases: int) -> None:
    fuzz(target, cases=cases, seed=cases)


def test_the_running_service_outlives_frames_made_by_chance() -> None:
    rng, seeds = random.Random(3), TARGETS["frames"][1]()
    codes = set()
    with running_server(paced_model(PacedClassifier())) as server, grpc.insecure_channel(server.target) as channel:
        stream, unary = channel.stream_stream(STREAM), channel.unary_unary(UNARY)
        for _ in range(400):
            try:
                if rng.random() < 0.7:
                    list(stream(iter([seeds[0], *(mutated(seeds, rng) for _ in range(2))]), timeout=20))
                else:
                    unary(mutated(seeds, rng), timeout=20)
                codes.add(grpc.StatusCode.OK)
            except grpc.RpcError as error:
                codes.add(error.code())
        server.wait_until(lambda running: running.calls.active == 0 and running.engine.queued_reads == 0)
        with Client(server.target) as client:
            assert len(client.classify(["ACGTACGTAC"])) == 1
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}

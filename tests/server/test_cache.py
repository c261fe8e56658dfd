"""Remembered answers: bounded, checked, shared through a real Redis, and done without when that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.redis_server import RedisServer, redis_server
from support.serving import PacedClassifier, paced_model, rows_of

from abyssal.taxonomy.classifications import Source
from abyssal_server.breaker import Breaker
from abyssal_server.cache import AnswerCache
from abyssal_server.cache.memory import Memory
from abyssal_server.cache.rows import decode_rows, encode_row
from abyssal_server.engine import Engine
from abyssal_server.fairness import Lane
from abyssal_server.question import Question
from abyssal_server.settings import ServerSettings

pytestmark = pytest.mark.timeout(60)
LANE = Lane("somebody", interactive=True)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}{'ACGT'[i // 16 % 4]}{'A' * (i // 64)}" for i in range(256)]
READS += ["", "ACG", "ACGTACGT!", "ACGTACGT\xe9"]


@pytest.fixture(scope="module")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def shared(redis_process: RedisServer) -> RedisServer:
    """The Redis, empty."""
    redis_process.client.flushall()
    return redis_process


def with_engine(
    classifier: PacedClassifier, test: Callable[[Engine, Question], Awaitable[None]], **changes: object
) -> Engine:
    """Run a test in an event loop beside a started engine."""

    async def run() -> Engine:
        engine = Engine(ServerSettings.model_validate({"model_path": "unused", **changes}))
        engine.start()
        try:
            await test(engine, paced_model(classifier).question(None))
        finally:
            await engine.stop()
        return engine

    return asyncio.run(asyncio.wait_for(run(), 50))


async def ask(engine: Engine, question: Question, reads: list[str]) -> np.ndarray:
    """Classify reads, compare every answer with the classifier's own, and return the sources."""
    answers = (await engine.submit_now(LANE, question, reads, deadline=None)).answers
    assert rows_of(reads, answers) == rows_of(reads, PacedClassifier().classify(reads))
    return answers.source


def test_memory_is_bounded_and_keeps_what_is_used() -> None:
    memory = Memory(reads=40, letters=10_000)
    question = paced_model(PacedClassifier()).question(None)
    often, answers = READS[:5], PacedClassifier().classify(READS[:5])
    memory.add(question, often, answers)
    for start in range(5, 250, 5):
        reads = READS[start : start + 5]
        memory.add(question, reads, PacedClassifier().classify(reads))
        known, found = memory.find(question, often)
        assert sorted(known) == sorted(often)
        assert found is not None
        assert rows_of(known, found) == rows_of(known, PacedClassifier().classify(known))
        assert len(memory) <= 40
    assert memory.find(question, READS[5:10]) == ([], None)


def test_answers_survive_the_bytes_and_nothing_else_does() -> None:
    question = paced_model(PacedClassifier()).question(None)
    answers = PacedClassifier().classify(READS)
    keys = [f"key {i}".encode() for i in range(len(READS))]
    raw = [encode_row(answers, i, question.taxa, key) for i, key in enumerate(keys)]
    rows, decoded, damaged = decode_rows(raw, keys, question.taxa, "paced")
    assert (rows, damaged) == (list(range(len(READS))), 0)
    assert decoded is not None
    assert rows_of(READS, decoded) == rows_of(READS, answers)
    for position in range(len(raw[0])):
        broken = raw[0][:position] + bytes([raw[0][position] ^ 1]) + raw[0][position + 1 :]
        assert decode_rows([broken], keys[:1], question.taxa, "paced") == ([], None, 1)
    assert decode_rows([raw[0]], keys[1:2], question.taxa, "paced") == ([], None, 1)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=50).map(str.encode)))
def test_rubbish_is_never_an_answer(value: bytes) -> None:
    taxa = paced_model(PacedClassifier()).taxa
    assert decode_rows([value, None], [b"a", b"b"], taxa, "paced") == ([], None, 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, len(READS) - 1), max_size=30), min_size=1, max_size=12), st.integers(0, 60))
def test_an_answer_is_the_same_with_any_cache(chunks: list[list[int]], remembered: int) -> None:
    async def test(engine: Engine, question: Question) -> None:
        for chunk in chunks:
            await ask(engine, question, [READS[i] for i in chunk])

    with_engine(PacedClassifier(), test, remembered_reads=remembered)


def test_source_says_what_came_from_the_cache() -> None:
    async def test(engine: Engine, question: Question) -> None:
        assert set((await ask(engine, question, READS[:20])).tolist()) == {Source.MODEL}
        second = (await ask(engine, question, READS[10:30])).tolist()
        assert second == [Source.CACHE] * 10 + [Source.MODEL] * 10

    with_engine(PacedClassifier(), test)


@pytest.mark.redis
def test_replicas_share_answers(shared: RedisServer) -> None:
    first, second = PacedClassifier(), PacedClassifier()

    async def fill(engine: Engine, question: Question) -> None:
        await ask(engine, question, READS)
        assert engine.cache.shared is not None
        assert await asyncio.to_thread(engine.cache.shared.written)

    async def use(engine: Engine, question: Question) -> None:
        sources = await ask(engine, question, READS)
        assert set(sources.tolist()) == {Source.CACHE, Source.REJECTED}

    with_engine(first, fill, redis_url=shared.url, redis_seconds=1.0)
    with_engine(second, use, redis_url=shared.url, redis_seconds=1.0)
    assert [call for call in second.calls if call] == []


@pytest.mark.redis
def test_other_models_and_settings_do_not_meet(shared: RedisServer) -> None:
    async def ask_once(engine: Engine, question: Question) -> None:
        await ask(engine, question, READS[:9])
        assert engine.cache.shared is not None
        assert await asyncio.to_thread(engine.cache.shared.written)

    async def ask_another(engine: Engine, question: Question) -> None:
        other = paced_model(PacedClassifier(), digest="e" * 64).question(None)
        assert Source.CACHE not in (await ask(engine, other, READS[:9])).tolist()

    with_engine(PacedClassifier(), ask_once, redis_url=shared.url, redis_seconds=1.0)
    with_engine(PacedClassifier(), ask_another, redis_url=shared.url, redis_seconds=1.0)


@pytest.mark.redis
def test_garbage_in_redis_changes_no_answer_and_is_reported(shared: RedisServer) -> None:
    async def fill(engine: Engine, question: Question) -> None:
        await ask(engine, question, READS)
        assert engine.cache.shared is not None
        assert await asyncio.to_thread(engine.cache.shared.written)
        random = np.random.default_rng(3)
        keys = shared.client.keys("*")
        assert len(keys) == len(READS)
        for key in keys:
            shared.client.set(key, random.bytes(int(random.integers(0, 90))))

    async def meet(engine: Engine, question: Question) -> None:
        assert Source.CACHE not in (await ask(engine, question, READS)).tolist()
        assert engine.cache.shared is not None
        assert "no answers of ours" in engine.cache.shared.breaker.problem

    with_engine(PacedClassifier(), fill, redis_url=shared.url, redis_seconds=1.0)
    with_engine(PacedClassifier(), meet, redis_url=shared.url, redis_seconds=1.0)


@pytest.mark.redis
def test_answers_go_on_while_redis_is_killed_stalled_and_back(shared: RedisServer) -> None:
    async def test(engine: Engine, question: Question) -> None:
        cache = engine.cache.shared
        assert cache is not None
        await ask(engine, question, READS[:50])
        assert cache.breaker.closed
        shared.kill()
        await ask(engine, question, READS[50:100])
        await ask(engine, question, READS[100:150])
        assert not cache.breaker.closed
        assert cache.dropped > 0
        shared.start()
        shared.client.execute_command("CLIENT", "PAUSE", "2000", "ALL")
        position = 150
        while not cache.breaker.closed:
            reads = [f"ACGTACGTAC{'C' * (position % 300)}{position:b}".replace("0", "A").replace("1", "T")]
            await ask(engine, question, reads)
            position += 1
            await asyncio.sleep(0.02)
        await ask(engine, question, READS[150:])

    with_engine(PacedClassifier(), test, redis_url=shared.url, redis_seconds=0.1)


def test_nobody_at_the_address_is_only_a_miss() -> None:
    async def test(engine: Engine, question: Question) -> None:
        await ask(engine, question, READS)
        assert isinstance(engine.cache, AnswerCache)
        assert engine.cache.shared is not None
        assert not engine.cache.shared.breaker.closed

    with_engine(PacedClassifier(), test, redis_url="redis://127.0.0.1:1/0")


def test_breaker_rests_longer_each_time_and_lets_one_try() -> None:
    now = [0.0]
    breaker = Breaker("a store", clock=lambda: now[0])
    waits = []
    for _ in range(8):
        assert breaker.may_try()
        breaker.failed("gone")
        begun = now[0]
        while not breaker.may_try():
            now[0] += 0.25
        waits.append(now[0] - begun)
        assert not breaker.may_try()
        now[0] += 20.0
    assert waits == sorted(waits)
    assert waits[0] <= 1.0
    assert waits[-1] == 15.0
    breaker.succeeded()
    assert breaker.closed

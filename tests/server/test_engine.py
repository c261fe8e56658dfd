"""What the engine computes next, what it refuses, what it drops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from support.serving import PacedClassifier, paced_model, rows_of

from abyssal.config.models import NoveltyConfig
from abyssal_server.engine import Engine
from abyssal_server.errors import DeadlinePassed, Draining, Overloaded
from abyssal_server.fairness import FairQueue, Lane, Room
from abyssal_server.question import Question
from abyssal_server.settings import ServerSettings

Result = TypeVar("Result")
LANE = Lane("somebody", interactive=True)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}{'ACGT'[i // 16 % 4]}{'A' * (i % 13)}" for i in range(64)]


def with_engine(
    classifier: PacedClassifier, test: Callable[[Engine, Question], Awaitable[Result]], **settings: object
) -> Result:
    """Run a test in an event loop beside a started engine."""

    async def run() -> Result:
        engine = Engine(ServerSettings.model_validate({"model_path": "unused", **settings}))
        engine.start()
        try:
            return await test(engine, paced_model(classifier).question(None))
        finally:
            classifier.go.set()
            await engine.stop()

    return asyncio.run(asyncio.wait_for(run(), 30))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fails the test after ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def test_chunks_of_one_window_share_their_reads(classifier: PacedClassifier) -> None:
    async def test(engine: Engine, question: Question) -> None:
        first = engine.submit_now(LANE, question, READS + READS, deadline=None)
        second = engine.submit_now(LANE, question, READS[::-1], deadline=None)
        answers = [(await future).answers for future in (first, second)]
        for reads, answer in zip((READS + READS, READS[::-1]), answers, strict=True):
            assert rows_of(reads, answer) == rows_of(reads, PacedClassifier().classify(reads))

    with_engine(classifier, test)
    assert sorted(read for call in classifier.calls for read in call) == sorted(set(READS))
    assert [len(read) for call in classifier.calls for read in call] == sorted(map(len, set(READS)))


def test_novelty_mixes_are_kept_apart(classifier: PacedClassifier) -> None:
    async def test(engine: Engine, question: Question) -> None:
        mix = NoveltyConfig(species=0.5, genus=0.0, family=0.0)
        other = replace(question, novelty=mix)
        plain = engine.submit_now(LANE, question, READS, deadline=None)
        mixed = engine.submit_now(LANE, other, READS, deadline=None)
        assert (await mixed).answers.confidence.tolist() == ((await plain).answers.confidence * 0.5).tolist()

    with_engine(classifier, test)


def test_lanes_take_turns(classifier: PacedClassifier) -> None:
    order: list[str] = []

    async def test(engine: Engine, question: Question) -> None:
        classifier.go.clear()
        blocker = engine.submit_now(LANE, question, READS[:1], deadline=None)
        await until(lambda: bool(classifier.calls))
        many = [await engine.submit(Lane("bulk"), question, [read], deadline=None) for read in READS[1:5]]
        one = engine.submit_now(LANE, question, [READS[6]], deadline=None)
        for name, future in [*((f"stream {i}", future) for i, future in enumerate(many)), ("unary", one)]:
            future.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
        classifier.go.set()
        await asyncio.gather(blocker, *many, one)

    with_engine(classifier, test, window_reads=1)
    assert order.index("unary") <= 1


def test_no_room_refuses_with_a_time_to_come_back(classifier: PacedClassifier) -> None:
    async def test(engine: Engine, question: Question) -> None:
        classifier.go.clear()
        read = "A" * 40_000
        waiting = engine.submit_now(LANE, question, [read], deadline=None)
        with pytest.raises(Overloaded) as refused:
            engine.submit_now(LANE, question, [read], deadline=None)
        assert 0.0 < refused.value.retry_after <= 30.0
        classifier.go.set()
        await waiting
        await asyncio.sleep(0)
        assert engine.room.used == 0
        await engine.submit_now(LANE, question, [read], deadline=None)

    with_engine(classifier, test, message_bytes=65536, queued_letters=65536)


def test_cancelled_chunk_is_not_computed_and_gives_its_room_back(classifier: PacedClassifier) -> None:
    async def test(engine: Engine, question: Question) -> None:
        classifier.go.clear()
        blocker = engine.submit_now(LANE, question, READS[:1], deadline=None)
        await until(lambda: bool(classifier.calls))
        dropped = engine.submit_now(LANE, question, READS[1:3], deadline=None)
        shared = engine.submit_now(LANE, question, READS[2:4], deadline=None)
        dropped.cancel()
        classifier.go.set()
        await asyncio.gather(blocker, shared)
        assert engine.room.used == 0

    with_engine(classifier, test)
    assert READS[1] not in {read for call in classifier.calls for read in call}


def test_passed_deadline_is_not_computed(classifier: PacedClassifier) -> None:
    async def test(engine: Engine, question: Question) -> None:
        classifier.go.clear()
        blocker = engine.submit_now(LANE, question, READS[:1], deadline=None)
        await until(lambda: bool(classifier.calls))
        late = engine.submit_now(LANE, question, READS[1:2], deadline=time.monotonic() + 0.01)
        await asyncio.sleep(0.05)
        classifier.go.set()
        await blocker
        with pytest.raises(DeadlinePassed):
            await late

    with_engine(classifier, test)
    assert [call for call in classifier.calls if call] == [READS[:1]]


def test_failure_of_one_window_leaves_the_engine_running(classifier: PacedClassifier) -> None:
    async def test(engine: Engine, question: Question) -> None:
        classifier.failure = ArithmeticError("broken")
        with pytest.raises(ArithmeticError):
            await engine.submit_now(LANE, question, READS, deadline=None)
        classifier.failure = None
        assert len((await engine.submit_now(LANE, question, READS, deadline=None)).answers) == len(READS)

    with_engine(classifier, test)


def test_stop_refuses_what_waits(classifier: PacedClassifier) -> None:
    async def test(engine: Engine, question: Question) -> asyncio.Future[object]:
        classifier.go.clear()
        engine.submit_now(LANE, question, READS[:1], deadline=None).add_done_callback(lambda future: future.exception())
        await until(lambda: bool(classifier.calls))
        return engine.submit_now(LANE, question, READS[1:2], deadline=None)  # type: ignore[return-value]

    waiting = with_engine(classifier, test)
    assert isinstance(waiting.exception(), Draining)


def test_empty_chunk_is_answered(classifier: PacedClassifier) -> None:
    async def test(engine: Engine, question: Question) -> int:
        return len((await engine.submit_now(LANE, question, [], deadline=None)).answers)

    assert with_engine(classifier, test) == 0


def test_room_goes_to_clients_in_turn_and_some_is_kept_for_unary_calls() -> None:
    async def test() -> list[str]:
        room = Room(100, bulk_share=0.5)
        granted: list[str] = []

        async def take(client: str, cost: int) -> None:
            await room.take(Lane(client), cost)
            granted.append(client)

        await take("a", 50)
        waiting = [("a", 40), ("a", 40), ("a", 20), ("b", 40), ("c", 5)]
        tasks = [asyncio.create_task(take(client, cost)) for client, cost in waiting]
        await asyncio.sleep(0)
        assert granted == ["a"]
        assert room.try_take(50)
        assert not room.try_take(1)
        room.give(50)
        tasks[4].cancel()
        for cost in (50, 40, 40, 40, 20):
            room.give_bulk(cost)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert room.used == 0
        return granted

    assert asyncio.run(test()) == ["a", "a", "b", "a", "a"]


def test_a_client_with_many_calls_gets_no_more_turns_than_one_with_one() -> None:
    queue: FairQueue[str] = FairQueue()
    for call in range(8):
        lane = Lane("greedy")
        for chunk in range(4):
            queue.push(lane, f"greedy {call}.{chunk}", 100)
    single = Lane("modest")
    for chunk in range(4):
        queue.push(single, f"modest {chunk}", 100)
    order = [queue.pop() for _ in range(36)]
    assert [name.split()[0] for name in order[:8]] == ["greedy", "modest"] * 4
    assert [name for name in order if name.startswith("modest")] == [f"modest {chunk}" for chunk in range(4)]
    assert order[0:8:2] == ["greedy 0.0", "greedy 1.0", "greedy 2.0", "greedy 3.0"]
    assert not queue
    assert queue.cost == 0


def test_what_a_read_costs_decides_the_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(3):
        queue.push(Lane("long"), f"long {number}", 300)
    for number in range(6):
        queue.push(Lane("short"), f"short {number}", 100)
    assert [queue.pop().split()[0] for _ in range(7)] == ["long", "short", "short", "short", "long", "short", "short"]


def test_duplicates_in_later_chunks_are_not_computed_again(classifier: PacedClassifier) -> None:
    async def test(engine: Engine, question: Question) -> None:
        for reads in (READS[:40], READS[20:], READS[::-1]):
            answers = (await engine.submit_now(LANE, question, reads, deadline=None)).answers
            assert rows_of(reads, answers) == rows_of(reads, PacedClassifier().classify(reads))

    with_engine(classifier, test)
    assert sorted(read for call in classifier.calls for read in call) == sorted(set(READS))


@pytest.mark.parametrize("bound", [{"remembered_reads": 30}, {"remembered_letters": 400}, {"remembered_reads": 0}])
def test_memory_of_reads_is_bounded_and_changes_no_answer(classifier: PacedClassifier, bound: dict[str, int]) -> None:
    async def test(engine: Engine, question: Question) -> None:
        for reads in (READS[:32], READS[32:], READS[:32]):
            answers = (await engine.submit_now(LANE, question, reads, deadline=None)).answers
            assert rows_of(reads, answers) == rows_of(reads, PacedClassifier().classify(reads))

    with_engine(classifier, test, **bound)
    assert len([read for call in classifier.calls for read in call]) > len(set(READS))


def test_a_small_call_goes_between_the_steps_of_bulk_work_which_goes_on(classifier: PacedClassifier) -> None:
    order: list[str] = []

    async def test(engine: Engine, question: Question) -> None:
        classifier.seconds_per_call = 0.01
        bulk = await engine.submit(Lane("bulk"), question, READS[:48], deadline=None)
        bulk.add_done_callback(lambda _: order.append("bulk"))
        await until(lambda: len(classifier.calls) >= 2)
        for number in range(48, 64):
            await engine.submit_now(LANE, question, [READS[number]], deadline=None)
            order.append("small")
        await bulk

    with_engine(classifier, test, batch_reads=4, longest_wait_seconds=0.0)
    assert order[0] == "small"
    assert "bulk" in order[:-1]


def test_bulk_work_of_two_clients_advances_together(classifier: PacedClassifier) -> None:
    order: list[str] = []

    async def test(engine: Engine, question: Question) -> None:
        classifier.go.clear()
        blocker = engine.submit_now(LANE, question, READS[:1], deadline=None)
        await until(lambda: bool(classifier.calls))
        futures = []
        for call in range(4):
            lane = Lane("greedy")
            for chunk in range(4):
                reads = [f"{READS[4 * call + chunk]}G"]
                futures.append(await engine.submit(lane, question, reads, deadline=None))
                futures[-1].add_done_callback(lambda _: order.append("greedy"))
        lane = Lane("modest")
        for chunk in range(4):
            futures.append(await engine.submit(lane, question, [f"{READS[chunk]}C"], deadline=None))
            futures[-1].add_done_callback(lambda _: order.append("modest"))
        classifier.go.set()
        await asyncio.gather(blocker, *futures)

    with_engine(classifier, test, window_reads=1)
    assert order[:8].count("modest") == 4

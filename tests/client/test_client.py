"""The Python clients against a running service, and against one that goes away and comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from support.serving import PacedClassifier, RunningServer, paced_model, rows_of, running_server

from abyssal.client import Client, ServiceError, ServiceUnavailable
from abyssal.client.asynchronous import AsyncClient
from abyssal.client.errors import service_error
from abyssal.config.models import NoveltyConfig
from abyssal.errors import SequenceFormatError
from abyssal.sequences.records import SequenceRecord

pytestmark = pytest.mark.timeout(90)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}{'ACGT'[i // 16 % 4]}{'C' * (i // 64)}" for i in range(1000)]
EXPECTED = rows_of(READS, PacedClassifier().classify(READS))


def test_answers_are_the_classifiers(server: RunningServer) -> None:
    with Client(server.target, chunk_reads=64) as client:
        assert rows_of(READS, client.classify(READS)) == EXPECTED
        assert client.current_model().ranks == ("domain", "genus", "species")


def test_novelty_reaches_the_classifier(server: RunningServer) -> None:
    mix = NoveltyConfig(species=0.25, genus=0.0, family=0.0)
    with Client(server.target) as client:
        mixed, plain = client.classify(READS, novelty=mix), client.classify(READS)
    assert mixed.confidence.tolist() == (plain.confidence * 0.75).tolist()


def test_progress_counts_reads(server: RunningServer) -> None:
    seen: list[int] = []
    with Client(server.target) as client:
        list(client.classify_stream([READS[:10], READS[10:15]], progress=seen.append))
    assert seen == [10, 15]


def test_records_keep_their_ids(server: RunningServer) -> None:
    records = [SequenceRecord(f"r{i}", read) for i, read in enumerate(READS)]
    with Client(server.target, chunk_reads=100) as client:
        rows = [row for ids, answers in client.classify_records(records) for row in rows_of(ids, answers)]
    assert rows == rows_of([record.id for record in records], PacedClassifier().classify(READS))


def test_error_of_the_records_reaches_the_caller(server: RunningServer) -> None:
    def records() -> Iterator[SequenceRecord]:
        yield from (SequenceRecord("a", read) for read in READS)
        message = "file.fq: cut short"
        raise SequenceFormatError(message)

    with Client(server.target, chunk_reads=10) as client, pytest.raises(SequenceFormatError, match="cut short"):
        list(client.classify_records(records()))
    server.wait_until(lambda running: running.calls.active == 0)


def test_abandoned_stream_is_cancelled(server: RunningServer, classifier: PacedClassifier) -> None:
    classifier.seconds_per_call = 0.02
    with Client(server.target) as client:
        answers = client.classify_stream([READS[:5]] * 500)
        next(answers)
        del answers
        server.wait_until(lambda running: running.calls.active == 0)


def test_stream_resumes_on_a_restarted_service_without_gap_or_repeat() -> None:
    chunks = [READS[start : start + 10] for start in range(0, len(READS), 10)]
    first = PacedClassifier(seconds_per_call=0.005)
    rows: list[str] = []
    with running_server(paced_model(first)) as old, Client(old.target, attempts=20) as client:
        port = old.server.port
        answers = client.classify_stream(chunks)
        for chunk in chunks[:20]:
            rows += rows_of(chunk, next(answers))
        old.drain()
        with running_server(paced_model(PacedClassifier()), port=port):
            for chunk in chunks[20:]:
                rows += rows_of(chunk, next(answers))
            assert next(answers, None) is None
    assert rows == EXPECTED


def test_async_stream_resumes_on_a_restarted_service_without_gap_or_repeat() -> None:
    chunks = [READS[start : start + 10] for start in range(0, len(READS), 10)]

    async def classify(old: RunningServer, restart: threading.Event) -> list[str]:
        rows: list[str] = []
        async with AsyncClient(old.target, attempts=40) as client:
            async for answers in client.classify_stream(chunks):
                rows += rows_of(READS[len(rows) : len(rows) + len(answers)], answers)
                if len(rows) == 200:
                    restart.set()
        return rows

    restart = threading.Event()
    with ThreadPoolExecutor(1) as pool, running_server(paced_model(PacedClassifier(seconds_per_call=0.005))) as old:
        rows = pool.submit(lambda: asyncio.run(classify(old, restart)))
        assert restart.wait(30)
        port = old.server.port
        old.drain()
        with running_server(paced_model(PacedClassifier()), port=port):
            assert rows.result(60) == EXPECTED


def test_a_call_that_ends_while_reads_are_sent_is_tried_again() -> None:
    metadata = grpc.aio.Metadata()
    broken = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, metadata, metadata, "Internal error from Core", "send")
    failed = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, metadata, metadata, "internal error; quote request id 1")
    assert isinstance(service_error(broken, "here"), ServiceUnavailable)
    assert not isinstance(service_error(failed, "here"), ServiceUnavailable)


def test_stream_does_not_continue_on_another_model() -> None:
    with running_server(paced_model(PacedClassifier())) as old, Client(old.target, attempts=20) as client:
        answers = client.classify_stream([READS[:10]] * 100)
        next(answers)
        old.drain()
        with (
            running_server(paced_model(PacedClassifier(), digest="e" * 64), port=old.server.port),
            pytest.raises(ServiceError) as refused,
        ):
            list(answers)
    assert refused.value.code == grpc.StatusCode.NOT_FOUND


def test_nobody_there_is_unavailable_and_names_the_address() -> None:
    with Client("127.0.0.1:1", attempts=2) as client, pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1"):
        client.current_model()


def test_async_client_answers_alike(server: RunningServer) -> None:
    async def classify() -> list[str]:
        async with AsyncClient(server.target) as client:
            assert (await client.current_model()).name == "paced"
            results = await asyncio.gather(*(client.classify(READS) for _ in range(3)))
            assert {model.digest for model, _ in results} == {"d" * 64}
            rows = [rows_of(READS, answers) for _, answers in results]
            assert rows[0] == rows[1] == rows[2]
            return rows[0]

    assert asyncio.run(classify()) == EXPECTED


def test_async_client_passes_its_deadline_on(server: RunningServer, classifier: PacedClassifier) -> None:
    classifier.go.clear()

    async def classify() -> None:
        async with AsyncClient(server.target, timeout=0.5) as client:
            await client.classify(READS[:1])

    with pytest.raises(ServiceError) as late:
        asyncio.run(classify())
    assert late.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    classifier.go.set()


def test_several_clients_get_their_own_answers(server: RunningServer) -> None:
    wrong: list[int] = []

    def classify(number: int) -> None:
        own = READS[number * 7 :] + READS[: number * 7]
        with Client(server.target, chunk_reads=37) as client:
            if rows_of(own, client.classify(own)) != rows_of(own, PacedClassifier().classify(own)):
                wrong.append(number)

    threads = [threading.Thread(target=classify, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []

"""The search for open reads as later revisions, on a real bundle with the real program."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from support.serving import PacedClassifier, RunningServer, paced_model, running_store
from support.tiny_bundle import reads_like_users_send

from abyssal.client import AsyncClient, Client
from abyssal.errors import ToolError
from abyssal.inference.v1 import classification_pb2 as messages
from abyssal.inference.v1 import classification_pb2_grpc
from abyssal.taxonomy.classifications import Classifications, Source, tsv_rows
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fallback import Budget, Fallback
from abyssal_server.fallback import FallbackSearch
from abyssal_server.models import BundleStore
from abyssal_server.search import SearchPool, SearchTask, open_reads

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("vsearch") is None, reason="vsearch is not installed (apt-get install vsearch)"),
]
READS = reads_like_users_send(300)
SEQUENCES = [sequence for _, sequence in READS]
IDS = [name for name, _ in READS]


@pytest.fixture(scope="module")
def searching(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service that searches."""
    find = FallbackSearch("vsearch")
    store = BundleStore(tmp_path_factory.mktemp("cache"), "cpu")
    with running_store(store, str(tiny_bundle), find=find, remembered_reads=0) as running:
        yield running
    find.close()


@pytest.fixture(scope="module")
def expected(tiny_bundle: Path) -> Classifications:
    """What the library says after searching every open read."""
    classifier = Classifier.load(tiny_bundle)
    with Fallback(classifier) as fallback:
        answers, gain = fallback.revise(SEQUENCES, classifier.classify(SEQUENCES), Budget(share=1.0))
    assert gain.searched > 0
    return answers


def test_clients_merge_revisions_into_the_librarys_answers(searching: RunningServer, expected: Classifications) -> None:
    async def classify() -> Classifications:
        async with AsyncClient(searching.target, chunk_reads=17) as client:
            _, answers = await client.classify(SEQUENCES, fallback=True)
            return answers

    with Client(searching.target, chunk_reads=23) as client:
        answers = client.classify(SEQUENCES, fallback=True)
        plain = client.classify(SEQUENCES)
    assert tsv_rows(IDS, answers) == tsv_rows(IDS, expected)
    assert tsv_rows(IDS, asyncio.run(classify())) == tsv_rows(IDS, expected)
    assert Source.FALLBACK in answers.source
    assert Source.FALLBACK not in plain.source


def test_a_stream_gets_the_models_answer_first(searching: RunningServer) -> None:
    def frames() -> Iterator[messages.ClassifyStreamRequest]:
        fallback = messages.FALLBACK_MODE_OPEN_READS
        yield messages.ClassifyStreamRequest(config=messages.ClassifyConfig(fallback=fallback))
        for number in range(3):
            reads = [sequence.encode("latin-1") for sequence in SEQUENCES[100 * number : 100 * number + 100]]
            yield messages.ClassifyStreamRequest(chunk=messages.ReadChunk(chunk_id=number, sequences=reads))

    with grpc.insecure_channel(searching.target) as channel:
        _, *results, last = classification_pb2_grpc.ClassificationStub(channel).ClassifyStream(frames())
    order = [(frame.result.chunk_id, frame.result.revision) for frame in results]
    assert [one for one in order if one[1] == 0] == [(0, 0), (1, 0), (2, 0)]
    announced = [frame.result.chunk_id for frame in results if frame.result.revision_follows]
    assert announced
    assert sorted(chunk_id for chunk_id, revision in order if revision == 1) == announced
    assert all(order.index((chunk_id, 0)) < order.index((chunk_id, 1)) for chunk_id in announced)
    assert last.summary.chunks == 3
    assert last.summary.searched > 0


def test_a_unary_call_waits_for_the_search(searching: RunningServer, expected: Classifications) -> None:
    row = int(np.flatnonzero(expected.source == Source.FALLBACK)[0])
    request = messages.ClassifyRequest(
        config=messages.ClassifyConfig(fallback=messages.FALLBACK_MODE_OPEN_READS),
        sequences=[SEQUENCES[row].encode("latin-1")],
    )
    with grpc.insecure_channel(searching.target) as channel:
        response = classification_pb2_grpc.ClassificationStub(channel).Classify(request)
    assert list(response.answers.sources) == [messages.SOURCE_FALLBACK]
    assert response.timing.search_nanoseconds > 0


def test_a_service_without_search_says_so(server: RunningServer) -> None:
    config = messages.ClassifyConfig(fallback=messages.FALLBACK_MODE_OPEN_READS)
    with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError) as refused:
        classification_pb2_grpc.ClassificationStub(channel).Classify(messages.ClassifyRequest(config=config))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def task(end: float = 1e12) -> SearchTask:
    """Return something to search for."""
    reads = ["ACGTACGTAA"]
    answers = PacedClassifier().classify(reads)
    return SearchTask(paced_model(PacedClassifier()), None, reads, answers, end, threading.Event())


def test_a_failing_search_keeps_the_models_answers() -> None:
    def fail(_: SearchTask) -> Classifications:
        message = "vsearch died"
        raise ToolError(message)

    async def run() -> None:
        pool = SearchPool(fail, workers=1, room=2, seconds=5.0)
        asked = task()
        assert await pool.run(asked, wait=False) is asked.answers
        assert pool.breaker.problem == "vsearch died"
        pool.stop()

    asyncio.run(run())


def test_a_call_that_is_gone_ends_its_search_and_leaves_its_place() -> None:
    begun, ended = threading.Event(), threading.Event()

    def search(asked: SearchTask) -> Classifications:
        begun.set()
        assert asked.cancelled.wait(10)
        ended.set()
        return asked.answers

    async def run() -> None:
        pool = SearchPool(search, workers=1, room=1, seconds=5.0)
        running = asyncio.create_task(pool.run(task(), wait=False))
        await asyncio.to_thread(begun.wait, 10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await asyncio.to_thread(ended.wait, 10)
        late = task(end=0.0)
        assert await pool.run(late, wait=True) is late.answers
        pool.stop()

    asyncio.run(run())


def test_only_open_reads_of_the_marker_are_searched() -> None:
    answers = PacedClassifier().classify(["ACGTACGTAA", "ACGTACGTAC", "", "ACGTACGTAG"])
    answers.accepted[:] = [-1, 1, -1, 0]
    assert open_reads(answers).tolist() == [True, False, False, True]

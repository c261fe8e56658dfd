"""The gRPC service as callers meet it, around a classifier whose speed the test controls."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.serving import PacedClassifier, RunningServer, paced_model, rows_of, running_server, server_that_loads

from abyssal.client.session import CHANNEL_OPTIONS
from abyssal.errors import UsageError
from abyssal.inference.messages import to_classifications
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1 import classification_pb2 as messages
from abyssal.inference.v1 import classification_pb2_grpc, common_pb2, models_pb2, models_pb2_grpc
from abyssal_server.health import CLASSIFICATION

pytestmark = pytest.mark.timeout(60)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}{'ACGT'[i // 16 % 4]}" for i in range(64)]
CONFIG = messages.ClassifyStreamRequest(config=messages.ClassifyConfig())


def chunk(chunk_id: int, reads: list[str]) -> messages.ClassifyStreamRequest:
    sequences = [read.encode("latin-1") for read in reads]
    return messages.ClassifyStreamRequest(chunk=messages.ReadChunk(chunk_id=chunk_id, sequences=sequences))


@pytest.fixture
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.target) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.Channel) -> classification_pb2_grpc.ClassificationStub:
    return classification_pb2_grpc.ClassificationStub(channel)


@pytest.fixture
def taxa(channel: grpc.Channel) -> NumberedTaxa:
    models = models_pb2_grpc.ModelsStub(channel)
    digest = models.GetCurrentModel(models_pb2.GetCurrentModelRequest()).model.taxonomy_digest
    pages, token = [], ""
    while not pages or token:
        request = models_pb2.GetTaxonomyRequest(digest=digest, page_token=token, page_size=7)
        pages.append(models.GetTaxonomy(request))
        token = pages[-1].next_page_token
    columns = [
        [value for page in pages for value in getattr(page, name)] for name in ("names", "rank_numbers", "parents")
    ]
    whole = NumberedTaxa(pages[0].ranks, *columns)  # type: ignore[arg-type]
    assert len(pages) > 1
    assert len(whole) == pages[0].taxa
    assert whole.digest == digest
    return whole


def detail(error: grpc.RpcError, kind: type) -> object:
    """Return the detail of a kind in an error's rich status."""
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    found = kind()
    assert any(packed.Unpack(found) for packed in status_pb2.Status.FromString(raw).details)
    return found


def test_unary_answer_is_the_classifiers(stub: classification_pb2_grpc.ClassificationStub, taxa: NumberedTaxa) -> None:
    reads = [*READS, "", "ACG", "ACGTACGT!", "ACGTACGT\xe9"]
    request = messages.ClassifyRequest(sequences=[read.encode("latin-1") for read in reads])
    response = stub.Classify(request)
    expected = PacedClassifier().classify(reads)
    assert rows_of(reads, to_classifications(response.answers, taxa)) == rows_of(reads, expected)
    assert response.model.digest == "d" * 64
    assert [(item.index, common_pb2.ReadErrorCode.Name(item.code), item.field) for item in response.answers.errors] == [
        (64, "READ_ERROR_CODE_EMPTY", "sequences[64]"),
        (65, "READ_ERROR_CODE_TOO_SHORT", "sequences[65]"),
        (66, "READ_ERROR_CODE_INVALID_LETTER", "sequences[66]"),
        (67, "READ_ERROR_CODE_INVALID_LETTER", "sequences[67]"),
    ]


def test_stream_answers_chunks_in_order(stub: classification_pb2_grpc.ClassificationStub, taxa: NumberedTaxa) -> None:
    random = np.random.default_rng(1)
    chunks = [[READS[i] for i in random.integers(0, 64, size=random.integers(0, 9))] for _ in range(300)]
    frames = [CONFIG, *(chunk(3 * number, reads) for number, reads in enumerate(chunks))]
    started, *results, summary = stub.ClassifyStream(iter(frames))
    assert started.started.model.digest == "d" * 64
    assert started.started.limits.reads_per_chunk == 1024
    assert [frame.result.chunk_id for frame in results] == [3 * number for number in range(300)]
    paced = PacedClassifier()
    for reads, frame in zip(chunks, results, strict=True):
        answers = to_classifications(frame.result.answers, taxa)
        assert rows_of(reads, answers) == rows_of(reads, paced.classify(reads))
    assert summary.summary.chunks == 300
    assert summary.summary.reads == sum(map(len, chunks))


def test_bad_reads_leave_their_neighbours_and_the_stream_alone(
    stub: classification_pb2_grpc.ClassificationStub,
) -> None:
    frames = [CONFIG, chunk(0, ["", READS[0], "!", READS[1]]), chunk(1, READS[:2])]
    *_, first, second, summary = stub.ClassifyStream(iter(frames))
    assert [item.index for item in first.result.answers.errors] == [0, 2]
    assert len(second.result.answers.errors) == 0
    assert (summary.summary.reads, summary.summary.errors) == (6, 2)


@pytest.mark.parametrize(
    ("frames", "code", "field"),
    [
        ([chunk(0, READS)], grpc.StatusCode.INVALID_ARGUMENT, "frame"),
        ([], grpc.StatusCode.INVALID_ARGUMENT, "frame"),
        ([CONFIG, CONFIG], grpc.StatusCode.INVALID_ARGUMENT, "frame"),
        ([CONFIG, chunk(1, READS), chunk(1, READS)], grpc.StatusCode.INVALID_ARGUMENT, "chunk.chunk_id"),
        ([CONFIG, chunk(1, ["A"] * 1025)], grpc.StatusCode.INVALID_ARGUMENT, "chunk.sequences"),
    ],
)
def test_wrong_frames_end_the_stream_with_the_field(
    stub: classification_pb2_grpc.ClassificationStub,
    frames: list[messages.ClassifyStreamRequest],
    code: grpc.StatusCode,
    field: str,
) -> None:
    with pytest.raises(grpc.RpcError) as ended:
        list(stub.ClassifyStream(iter(frames)))
    assert ended.value.code() == code
    violations = detail(ended.value, error_details_pb2.BadRequest).field_violations  # type: ignore[attr-defined]
    assert [violation.field for violation in violations] == [field]


@pytest.mark.parametrize(
    ("mix", "field"),
    [
        (common_pb2.NoveltyMix(species=0.9, genus=0.2), "config.novelty"),
        (common_pb2.NoveltyMix(species=-0.5, genus=0.6), "config.novelty.species"),
        (common_pb2.NoveltyMix(species=float("nan")), "config.novelty"),
    ],
)
def test_impossible_novelty_is_refused(
    stub: classification_pb2_grpc.ClassificationStub, mix: common_pb2.NoveltyMix, field: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.Classify(messages.ClassifyRequest(config=messages.ClassifyConfig(novelty=mix)))
    violations = detail(refused.value, error_details_pb2.BadRequest).field_violations  # type: ignore[attr-defined]
    assert [violation.field for violation in violations] == [field]


def test_an_unknown_fallback_mode_is_refused(stub: classification_pb2_grpc.ClassificationStub) -> None:
    with pytest.raises(grpc.RpcError, match="no fallback mode 99") as refused:
        stub.Classify(messages.ClassifyRequest(config=messages.ClassifyConfig(fallback=99)))  # type: ignore[arg-type]
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_unknown_model_and_taxonomy_are_not_found(
    stub: classification_pb2_grpc.ClassificationStub, channel: grpc.Channel
) -> None:
    with pytest.raises(grpc.RpcError) as unknown:
        stub.Classify(messages.ClassifyRequest(config=messages.ClassifyConfig(model_digest="0" * 64)))
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND
    resource = detail(unknown.value, error_details_pb2.ResourceInfo)
    assert (resource.resource_type, resource.resource_name) == ("model", "0" * 64)  # type: ignore[attr-defined]
    with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
        models_pb2_grpc.ModelsStub(channel).GetTaxonomy(models_pb2.GetTaxonomyRequest(digest="nothing"))


def test_models_describe_themselves(channel: grpc.Channel) -> None:
    models = models_pb2_grpc.ModelsStub(channel)
    current = models.GetCurrentModel(models_pb2.GetCurrentModelRequest())
    assert list(models.ListModels(models_pb2.ListModelsRequest()).models) == [current.model]
    assert models.GetModelCard(models_pb2.GetModelCardRequest()).markdown == "# paced\n"


def test_embed_gives_vectors_and_errors(stub: classification_pb2_grpc.ClassificationStub) -> None:
    response = stub.Embed(messages.EmbedRequest(sequences=[READS[0].encode(), b""]))
    assert response.dimension == 2
    assert np.allclose(response.vectors, [0.6, 0.8, 0.0, 0.0])
    assert [item.index for item in response.errors] == [1]


def test_full_service_refuses_unary_calls_with_a_time_to_come_back(classifier: PacedClassifier) -> None:
    classifier.go.clear()
    model = paced_model(classifier)
    with (
        running_server(model, message_bytes=65536, queued_letters=65536) as running,
        grpc.insecure_channel(running.target) as opened,
    ):
        stub = classification_pb2_grpc.ClassificationStub(opened)
        request = messages.ClassifyRequest(sequences=[b"A" * 40_000])
        waiting = stub.Classify.future(request)
        running.wait_until(lambda server: server.engine.room.used > 0)
        with pytest.raises(grpc.RpcError) as refused:
            stub.Classify(request)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        delay = detail(refused.value, error_details_pb2.RetryInfo).retry_delay  # type: ignore[attr-defined]
        assert delay.ToMilliseconds() == int(dict(refused.value.trailing_metadata())["grpc-retry-pushback-ms"])
        classifier.go.set()
        assert waiting.result().answers.reads == 1


def test_too_many_calls_are_refused(classifier: PacedClassifier) -> None:
    classifier.go.clear()
    with (
        running_server(paced_model(classifier), concurrent_calls=2) as running,
        grpc.insecure_channel(running.target) as opened,
        grpc.insecure_channel(running.target, [("grpc.use_local_subchannel_pool", 1)]) as other,
    ):
        request = messages.ClassifyRequest(sequences=[READS[0].encode()])
        first = classification_pb2_grpc.ClassificationStub(opened)
        waiting = [first.Classify.future(request) for _ in range(2)]
        running.wait_until(lambda server: server.calls.active == 2)
        with pytest.raises(grpc.RpcError, match="RESOURCE_EXHAUSTED"):
            classification_pb2_grpc.ClassificationStub(other).Classify(request)
        classifier.go.set()
        assert [call.result().answers.reads for call in waiting] == [1, 1]


def test_deadline_ends_the_call(
    stub: classification_pb2_grpc.ClassificationStub, classifier: PacedClassifier, server: RunningServer
) -> None:
    classifier.go.clear()
    with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
        stub.Classify(messages.ClassifyRequest(sequences=[READS[0].encode()]), timeout=0.3)
    classifier.go.set()
    server.wait_until(lambda running: running.calls.active == 0 and running.engine.room.used == 0)


def test_cancelled_stream_leaves_nothing_behind(
    stub: classification_pb2_grpc.ClassificationStub, classifier: PacedClassifier, server: RunningServer
) -> None:
    classifier.seconds_per_call = 0.02
    for _ in range(5):
        call = stub.ClassifyStream(frame for frame in [CONFIG, *(chunk(i, READS) for i in range(200))])
        assert next(call).HasField("started")
        assert next(call).result.chunk_id == 0
        call.cancel()
    server.wait_until(lambda running: running.calls.active == 0 and running.engine.room.used == 0)
    assert stub.Classify(messages.ClassifyRequest(sequences=[READS[0].encode()])).answers.reads == 1


def test_failing_classifier_is_internal_and_tells_no_secrets(
    stub: classification_pb2_grpc.ClassificationStub, classifier: PacedClassifier
) -> None:
    classifier.failure = ArithmeticError("secret /path")
    with pytest.raises(grpc.RpcError) as failed:
        stub.Classify(
            messages.ClassifyRequest(sequences=[READS[0].encode()]), metadata=(("x-request-id", "request-7"),)
        )
    assert failed.value.code() == grpc.StatusCode.INTERNAL
    assert "request-7" in failed.value.details()
    assert "secret" not in failed.value.details()
    assert ("x-request-id", "request-7") in failed.value.trailing_metadata()
    classifier.failure = None
    assert stub.Classify(messages.ClassifyRequest(sequences=[READS[0].encode()])).answers.reads == 1


def test_stalled_reader_is_not_read_from_any_more(classifier: PacedClassifier, server: RunningServer) -> None:
    sent = 0

    def frames() -> Iterator[messages.ClassifyStreamRequest]:
        nonlocal sent
        yield CONFIG
        for number in range(20_000):
            yield chunk(number, [f"{READS[number % 64]}{'A' * 400}"] * 256)
            sent += 1

    with grpc.insecure_channel(server.target, CHANNEL_OPTIONS) as opened:
        stub = classification_pb2_grpc.ClassificationStub(opened)
        call = stub.ClassifyStream(frames())
        assert next(call).HasField("started")
        before = -1
        end = time.monotonic() + 40
        while before != sent:
            assert time.monotonic() < end, f"the service still reads after {sent} chunks"
            before = sent
            time.sleep(1.0)
        # All chunks are 2 GB and their answers 100 MB; the transport's windows and the chunks in flight are under 1 MB.
        answer = next(call).result.ByteSize()
        assert sent * answer < 2 << 20
        assert server.server.engine.room.used <= 4 * 256 * 420
        other = stub.Classify(messages.ClassifyRequest(sequences=[READS[0].encode()]), timeout=5)
        assert other.answers.reads == 1
        call.cancel()


def test_drain_finishes_accepted_chunks_and_refuses_new_ones(
    stub: classification_pb2_grpc.ClassificationStub,
    classifier: PacedClassifier,
    server: RunningServer,
    channel: grpc.Channel,
) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    watched: list[int] = []
    watch = health.Watch(health_pb2.HealthCheckRequest(service=CLASSIFICATION))
    watcher = threading.Thread(target=lambda: _collect(watch, watched))
    watcher.start()
    classifier.go.clear()
    holding = threading.Event()

    def frames() -> Iterator[messages.ClassifyStreamRequest]:
        yield CONFIG
        yield chunk(0, READS[:3])
        yield chunk(1, READS[3:5])
        holding.wait(30)

    call = stub.ClassifyStream(frames())
    assert next(call).HasField("started")
    server.wait_until(lambda running: bool(classifier.calls))
    server.wait_until(lambda running: running.engine.room.used == 5 * 64)
    drain = threading.Thread(target=server.drain)
    drain.start()
    server.wait_until(lambda running: running.calls.draining)
    with pytest.raises(grpc.RpcError) as refused:
        stub.Classify(messages.ClassifyRequest(sequences=[READS[0].encode()]))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert detail(refused.value, error_details_pb2.RetryInfo)
    classifier.go.set()
    assert [next(call).result.chunk_id for _ in range(2)] == [0, 1]
    with pytest.raises(grpc.RpcError) as ended:
        next(call)
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    holding.set()
    drain.join(20)
    watcher.join(20)
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    assert watched == [serving, not_serving]


def _collect(watch: Iterator[health_pb2.HealthCheckResponse], into: list[int]) -> None:
    with contextlib.suppress(grpc.RpcError):
        into.extend(answer.status for answer in watch)


def test_calls_before_the_model_is_loaded_are_unavailable() -> None:
    finish = threading.Event()
    with (
        server_that_loads(paced_model(PacedClassifier()), finish) as target,
        grpc.insecure_channel(target) as opened,
    ):
        health = health_pb2_grpc.HealthStub(opened)
        stub = classification_pb2_grpc.ClassificationStub(opened)
        for name in ("", CLASSIFICATION):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            stub.Classify(messages.ClassifyRequest())
        finish.set()
        end = time.monotonic() + 10
        while health.Check(health_pb2.HealthCheckRequest()).status != health_pb2.HealthCheckResponse.SERVING:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert stub.Classify(messages.ClassifyRequest(sequences=[READS[0].encode()])).answers.reads == 1


def test_reflection_lists_the_services(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(iter(stub.ServerReflectionInfo(iter([request]))))
    names = {service.name for service in answer.list_services_response.service}
    assert {CLASSIFICATION, "abyssal.inference.v1.Models", "grpc.health.v1.Health"} <= names


def test_compressed_message_cannot_pass_the_size_limit(server: RunningServer) -> None:
    with grpc.insecure_channel(server.target, compression=grpc.Compression.Gzip) as opened:
        stub = classification_pb2_grpc.ClassificationStub(opened)
        with pytest.raises(grpc.RpcError) as refused:
            stub.Classify(messages.ClassifyRequest(sequences=[b"A" * (8 << 20)]))
    assert refused.value.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED}


def test_taken_port_is_the_users_mistake(server: RunningServer, classifier: PacedClassifier) -> None:
    with pytest.raises(UsageError, match="port"), running_server(paced_model(classifier), port=server.server.port):
        pass


def test_library_imports_no_server() -> None:
    code = "import sys, abyssal.client, abyssal.client.asynchronous\n"
    code += "print('torch' in sys.modules, 'abyssal_server' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]

"""Metrics, traces and log lines of the real service."""

from __future__ import annotations

import asyncio
import http.server
import io
import json
import logging
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from support.serving import OneModel, PacedClassifier, RunningServer, event_loop, paced_model, running_server

from abyssal.client import Client, ServiceError
from abyssal.inference.v1 import classification_pb2, classification_pb2_grpc
from abyssal_server.app import InferenceServer
from abyssal_server.observability.logs import use_format
from abyssal_server.observability.traces import tracer_of
from abyssal_server.settings import ServerSettings

pytestmark = pytest.mark.timeout(60)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}{'ACGT'[i // 16 % 4]}" for i in range(64)]
Values = dict[str, float]


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(paced_model(PacedClassifier())) as running:
        yield running


def scraped(server: RunningServer) -> Values:
    """Return the metrics as Prometheus reads them: ``name{label=value,...}`` -> value."""
    with server.server.metrics.served("127.0.0.1", 19464):
        text = urllib.request.urlopen("http://127.0.0.1:19464/metrics").read().decode()
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            values[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return values


def test_reads_requests_and_engine_are_counted(server: RunningServer) -> None:
    with Client(server.target, chunk_reads=16) as client:
        client.classify(READS)
        client.classify([*READS, "AC"])
        with pytest.raises(ServiceError):
            client.classify(READS, model="unknown")
    refused = "abyssal_requests_total{code=NOT_FOUND,method=ClassifyStream}"
    # A call is counted just after its caller got the status.
    server.wait_until(lambda _: refused in scraped(server))
    found = scraped(server)
    assert found["abyssal_reads_total{source=model}"] == 64
    assert found["abyssal_reads_total{source=cache}"] == 64
    assert found["abyssal_reads_total{source=error}"] == 1
    assert found["abyssal_reads_total{source=rejected}"] == 0
    assert found["abyssal_requests_total{code=OK,method=ClassifyStream}"] == 2
    assert found[refused] == 1
    assert found["abyssal_request_seconds_count{method=ClassifyStream}"] == 3
    assert found["abyssal_engine_reads_total"] == 65
    assert found["abyssal_letters_total"] == sum(map(len, READS)) + 2
    assert found["abyssal_padded_letters_total"] == 65 * 64
    assert found["abyssal_engine_seconds_sum"] > 0
    assert found["abyssal_window_reads_sum"] == 129
    assert found["abyssal_cache_lookups_total{result=hit}"] == 64
    assert found["abyssal_cache_lookups_total{result=miss}"] == 65
    assert found["abyssal_queue_reads"] == found["abyssal_calls"] == 0
    assert found[f"abyssal_model_info{{digest={'d' * 64},name=paced,version=1}}"] == 1
    assert found["abyssal_degraded{part=cache}"] == 0
    assert found["abyssal_usage_dropped_total"] == 0
    assert found["process_resident_memory_bytes"] > 0


def test_waiting_reads_and_degraded_parts_show() -> None:
    classifier = PacedClassifier()
    classifier.go.clear()
    with running_server(paced_model(classifier), redis_url="redis://127.0.0.1:1/0") as server:
        with grpc.insecure_channel(server.target) as channel:
            stub = classification_pb2_grpc.ClassificationStub(channel)
            request = classification_pb2.ClassifyRequest(sequences=[read.encode() for read in READS])
            waiting = [stub.Classify.future(request) for _ in range(3)]
            server.wait_until(lambda running: running.engine.queued_reads == 3 * 64)
            found = scraped(server)
            assert found["abyssal_queue_reads"] == 192
            assert found["abyssal_calls"] == 3
            waiting[0].cancel()
            server.wait_until(lambda running: running.engine.queued_reads == 128)
            classifier.go.set()
            assert [one.result().answers.reads for one in waiting[1:]] == [64, 64]
        server.wait_until(lambda running: running.calls.active == 0)
        found = scraped(server)
        assert found["abyssal_degraded{part=cache}"] == 1
        assert found["abyssal_requests_total{code=CANCELLED,method=Classify}"] == 1
        assert found["abyssal_queue_reads"] == 0


def test_a_taken_port_leaves_the_service_without_metrics(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.server.metrics.served("127.0.0.1", 19465), server.server.metrics.served("127.0.0.1", 19465):
        assert "no metrics" in caplog.text
    with server.server.metrics.served("127.0.0.1", 0), Client(server.target) as client:
        assert len(client.classify(READS)) == 64


class Collector:
    """An OTLP collector that keeps what it gets."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        kept = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                kept.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                """Be quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def spans(self) -> list[object]:
        """Every span so far."""
        return [
            span for r in self.requests for resource in r.resource_spans for scope in resource.scope_spans
            for span in scope.spans
        ]  # fmt: skip


@contextmanager
def traced_server(endpoint: str) -> Iterator[RunningServer]:
    """Run a service that sends its spans; they are all sent at the end."""

    async def build() -> InferenceServer:
        settings = ServerSettings.model_validate({"model_path": "x", "port": 0, "otlp_endpoint": endpoint})
        store = OneModel(paced_model(PacedClassifier()))
        made = InferenceServer(settings, store=store, tracer=tracer_of(settings.otlp_endpoint))
        await made.start()
        return made

    with event_loop() as loop:
        running = RunningServer(asyncio.run_coroutine_threadsafe(build(), loop).result(30), loop)
        yield running
        running.drain()


def test_spans_continue_the_callers_trace() -> None:
    collector = Collector()
    with traced_server(f"http://127.0.0.1:{collector.server.server_port}") as server:
        with grpc.insecure_channel(server.target) as channel:
            stub = classification_pb2_grpc.ClassificationStub(channel)
            request = classification_pb2.ClassifyRequest(sequences=[read.encode() for read in READS])
            metadata = [("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"), ("x-request-id", "mine-1")]
            stub.Classify(request, metadata=metadata)
        with Client(server.target) as client, pytest.raises(ServiceError):
            client.classify(READS, model="unknown")
    collector.server.shutdown()
    collector.server.server_close()
    by_name = {span.name: span for span in collector.spans}  # type: ignore[attr-defined]
    call = by_name["abyssal.inference.v1.Classification/Classify"]
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == ("a" * 32, "b" * 16)
    attributes = {one.key: one.value.string_value or one.value.int_value for one in call.attributes}
    assert attributes["rpc.method"] == "Classify"
    assert attributes["rpc.grpc.status_code"] == "OK"
    assert attributes["abyssal.request_id"] == "mine-1"
    assert attributes["abyssal.reads"] == 64
    assert attributes["abyssal.model_digest"] == "d" * 64
    for part in ("queue", "engine"):
        assert by_name[part].parent_span_id == call.span_id
    refused = by_name["abyssal.inference.v1.Classification/ClassifyStream"]
    assert {one.key: one.value.string_value for one in refused.attributes}["rpc.grpc.status_code"] == "NOT_FOUND"
    assert not any(read in str(collector.requests) for read in READS)


def test_nothing_is_noted_without_a_collector() -> None:
    with tracer_of("").call("x/y", ()) as span:
        span.note(reads=1)
        span.end("OK")
        assert span.trace_id == ""


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the root logger writes."""
    stream = io.StringIO()
    root, handler = logging.getLogger(), logging.StreamHandler(stream)
    before, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_log_lines_are_json_with_request_ids_and_without_sequences(server: RunningServer, lines: io.StringIO) -> None:
    use_format("json")
    with grpc.insecure_channel(server.target) as channel:
        stub = classification_pb2_grpc.ClassificationStub(channel)
        request = classification_pb2.ClassifyRequest(sequences=[read.encode() for read in READS])
        stub.Classify(request, metadata=[("x-request-id", "mine-2")])
        call = stub.Classify.future(request, metadata=[("x-request-id", "no good id")])
        given = dict(call.trailing_metadata())["x-request-id"]
    server.wait_until(lambda running: lines.getvalue().count("\n") >= 2)
    first, second = (json.loads(line) for line in lines.getvalue().splitlines()[:2])
    assert (first["request_id"], first["method"], first["code"]) == (
        "mine-2", "abyssal.inference.v1.Classification/Classify", "OK"
    )  # fmt: skip
    assert first["milliseconds"] >= 0
    assert first["client"].startswith("ipv4:")
    assert first["time"].endswith("Z")
    assert second["request_id"] == given != "no good id"
    assert READS[0] not in lines.getvalue()


def test_log_lines_for_people_name_the_request(server: RunningServer, lines: io.StringIO) -> None:
    use_format("text")
    with Client(server.target) as client:
        client.classify(READS[:1])
    server.wait_until(lambda running: "ClassifyStream OK" in lines.getvalue())
    assert "[request " in lines.getvalue()
    logging.getLogger("x").error("outside of a call")
    assert lines.getvalue().endswith("outside of a call\n")


def test_an_exception_is_one_line_of_json(lines: io.StringIO) -> None:
    use_format("json")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    (line,) = lines.getvalue().splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]

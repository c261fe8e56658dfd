"""The REST gateway over HTTP, before a service whose speed the test controls."""

from __future__ import annotations

import gzip
import threading

import httpx
import pytest
from support.gateways import running_gateway
from support.serving import PacedClassifier, RunningServer

from abyssal.taxonomy.classifications import tsv_header, tsv_rows
from abyssal_server.gateway.results import ClassifyOutput

pytestmark = pytest.mark.timeout(60)
READS = [("a", "ACGTACGTAA"), ("b", "ACGTACGTCC"), ("bad", "ACGT!ACGTCC"), ("c", "acguacguaa")]
FASTA = "".join(f">{name} some words\n{sequence}\n" for name, sequence in READS).encode()
FASTQ = "".join(f"@{name}\n{sequence}\n+\n{'I' * len(sequence)}\n" for name, sequence in READS).encode()
TSV = {"Accept": "text/tab-separated-values"}
EXPECTED = "".join(
    f"{row}\n"
    for row in [
        tsv_header(PacedClassifier.ranks),
        *tsv_rows([name for name, _ in READS], PacedClassifier().classify([sequence for _, sequence in READS])),
    ]
)


def test_health_and_readiness(gateway: httpx.Client, server: RunningServer) -> None:
    assert gateway.get("/healthz").status_code == 200
    assert gateway.get("/readyz").status_code == 200
    server.drain()
    assert gateway.get("/healthz").status_code == 200
    refused = gateway.get("/readyz")
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1


def test_current_model_has_an_etag(gateway: httpx.Client) -> None:
    first = gateway.get("/models/current")
    assert first.json()["digest"] == "d" * 64
    assert first.headers["ETag"] == f'"{"d" * 64}"'
    again = gateway.get("/models/current", headers={"If-None-Match": f'"x", {first.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")


def test_every_form_of_body_gives_the_same_table(gateway: httpx.Client) -> None:
    answers = [
        gateway.post(
            "/inference/classify", headers=TSV, json={"sequences": [{"id": n, "sequence": s} for n, s in READS]}
        ),
        gateway.post("/inference/classify", headers=TSV, content=FASTA),
        gateway.post("/inference/classify", headers={**TSV, "Content-Type": "text/x-fastq"}, content=FASTQ),
        gateway.post(
            "/inference/classify", headers={**TSV, "Content-Type": "application/gzip"}, content=gzip.compress(FASTA)
        ),
        gateway.post("/inference/classify", headers={**TSV, "Content-Encoding": "gzip"}, content=gzip.compress(FASTQ)),
        gateway.post("/inference/classify", headers=TSV, files={"file": ("../../etc/reads.fa", FASTA)}),
        gateway.post("/inference/classify", headers=TSV, files={"file": ("reads.fq.gz", gzip.compress(FASTQ))}),
    ]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert {answer.text.replace("\tcache\t", "\tmodel\t") for answer in answers} == {EXPECTED}


def test_json_answer_is_as_documented(gateway: httpx.Client) -> None:
    answer = gateway.post("/inference/classify", content=FASTA)
    parsed = ClassifyOutput.model_validate_json(answer.content)
    assert [result.id for result in parsed.results] == [name for name, _ in READS]
    assert parsed.results[2].error is not None
    assert (parsed.results[2].error.code, parsed.results[2].error.pointer) == ("INVALID_LETTER", "#/sequences/2")
    assert parsed.results[0].error is None
    assert parsed.model.digest == "d" * 64


def test_nothing_in_is_nothing_out(gateway: httpx.Client) -> None:
    assert gateway.post("/inference/classify", content=b"").json()["results"] == []
    assert gateway.post("/inference/classify", json={"sequences": []}).json()["results"] == []
    assert gateway.post("/inference/classify", content=b"", headers=TSV).text == EXPECTED.splitlines(keepends=True)[0]


def test_novelty_reaches_the_classifier(gateway: httpx.Client) -> None:
    body = {"sequences": [{"id": "a", "sequence": READS[0][1]}]}
    mixed = gateway.post("/inference/classify", json={**body, "novelty": {"species": 0.5, "genus": 0.0, "family": 0.0}})
    plain = gateway.post("/inference/classify", json=body)
    shares = [answer.json()["results"][0]["lineage"][0]["confidence"] for answer in (mixed, plain)]
    assert shares[0] == pytest.approx(shares[1] / 2)


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        ({"content": b"no sequences"}, 400, "malformed-sequences"),
        ({"content": b"@a\nACGT\n+\nII\n"}, 400, "malformed-sequences"),
        ({"content": gzip.compress(FASTA)[:30]}, 400, "malformed-sequences"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "invalid-request"),
        ({"json": {"sequences": [{"id": "a"}]}}, 422, "invalid-request"),
        ({"json": {"sequences": [{"id": "a\tb", "sequence": "ACGT"}]}}, 422, "invalid-request"),
        ({"files": {"other": ("x", FASTA)}}, 422, "invalid-request"),
        ({"content": b">a\nA\n" * 51}, 413, "too-large"),
        ({"content": b"A" * 200_001}, 413, "too-large"),
        ({"files": {"file": ("x", b"A" * 300_000)}}, 413, "too-large"),
        ({"content": gzip.compress(b"A" * (50 << 20))}, 413, "too-large"),
        ({"content": b"x", "headers": {"Content-Type": "image/png"}}, 415, "unsupported-media"),
        ({"content": b"x", "headers": {"Content-Encoding": "br"}}, 415, "unsupported-media"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}}, 400, "http-400"),
    ],
)
def test_refusals_are_problem_documents(
    gateway: httpx.Client, request_: dict[str, object], status: int, kind: str
) -> None:
    answer = gateway.post("/inference/classify", **request_)  # type: ignore[arg-type]
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["type"]) == (status, status, f"urn:abyssal:problem:{kind}")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem["detail"]


def test_unknown_path_and_method_are_problem_documents(gateway: httpx.Client) -> None:
    for answer, status in ((gateway.get("/nothing"), 404), (gateway.get("/inference/classify"), 405)):
        assert answer.json()["status"] == answer.status_code == status


def test_request_id_is_kept_when_it_is_safe(gateway: httpx.Client) -> None:
    assert gateway.get("/healthz", headers={"X-Request-ID": "mine-1"}).headers["X-Request-ID"] == "mine-1"
    assert gateway.get("/healthz", headers={"X-Request-ID": "<script>"}).headers["X-Request-ID"] != "<script>"


def test_full_gateway_says_when_to_come_back(server: RunningServer, classifier: PacedClassifier) -> None:
    classifier.go.clear()
    with running_gateway(server.target, concurrent_requests=1) as client:
        waiting = threading.Thread(target=lambda: client.post("/inference/classify", content=FASTA))
        waiting.start()
        server.wait_until(lambda running: bool(classifier.calls))
        refused = client.post("/inference/classify", content=FASTA)
        classifier.go.set()
        waiting.join(20)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1


def test_slow_service_is_a_timeout(server: RunningServer, classifier: PacedClassifier) -> None:
    classifier.go.clear()
    with running_gateway(server.target, request_seconds=0.3) as client:
        assert client.post("/inference/classify", content=FASTA).status_code == 504
    classifier.go.set()


def test_openapi_document_has_examples_and_limits(gateway: httpx.Client) -> None:
    document = gateway.get("/openapi.json").json()
    classify = document["paths"]["/inference/classify"]["post"]
    assert classify["requestBody"]["content"]["application/json"]["example"]["sequences"]
    example = classify["responses"]["200"]["content"]["application/json"]["example"]
    assert ClassifyOutput.model_validate(example)
    assert {"400", "413", "415", "422", "429", "503", "504"} <= set(classify["responses"])


def test_page_needs_nothing_from_elsewhere(gateway: httpx.Client) -> None:
    page = gateway.get("/")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "://" not in page.text

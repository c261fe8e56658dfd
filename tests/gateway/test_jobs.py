"""Training jobs over HTTP: accepted once, cancelled, retried, refused; workers are played by the test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.gateways import ADMIN, ADMIN_TOKEN, running_gateway
from support.serving import RunningServer
from tests.gateway.test_datasets import READS, upload

from abyssal_server.gateway.settings import GatewaySettings
from abyssal_server.jobs.lease import Lease
from abyssal_server.jobs.logs import JobLog
from abyssal_server.jobs.queue import TRAIN, JobQueue, State
from abyssal_server.places import Places

pytestmark = pytest.mark.timeout(60)
SHEET = b"sample\tr1\tmarker\nA\tA.fastq.gz\t18S-V4-Zingone\n"
KEY = {**ADMIN, "Idempotency-Key": "the first cruise"}


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """The stores of the gateway, as a worker opens them."""
    opened = Places(GatewaySettings.model_validate({"server": "127.0.0.1:1", "data": tmp_path}))
    yield opened
    opened.close()


@pytest.fixture
def client(server: RunningServer, tmp_path: Path) -> Iterator[httpx.Client]:
    with running_gateway(server.target, data=tmp_path, admin_token=ADMIN_TOKEN, waiting_jobs=3) as one:
        yield one


@pytest.fixture
def asked(client: httpx.Client) -> dict[str, Any]:
    """A request for training on a dataset that is ready."""
    dataset = upload(client, {"samples.tsv": SHEET, "A.fastq.gz": READS})
    assert dataset["state"] == "ready", dataset["problems"]
    return {"dataset": dataset["id"], "preset": "demo", "config": {"train": {"alpha": 0.1}}}


def train(client: httpx.Client, asked: dict[str, Any], headers: dict[str, str] = ADMIN) -> dict[str, Any]:
    answer = client.post("/jobs/train", json=asked, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    assert answer.headers["Location"] == f"/jobs/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


def acts(client: httpx.Client) -> list[str]:
    return [row["action"] for row in client.get("/audit", headers=ADMIN).json()["items"]]


def test_the_same_key_is_the_same_job(client: httpx.Client, asked: dict[str, Any]) -> None:
    first = client.post("/jobs/train", json=asked, headers=KEY)
    again = client.post("/jobs/train", json=asked, headers=KEY)
    assert (first.status_code, again.status_code, again.json()) == (202, 200, first.json())
    other = client.post("/jobs/train", json={**asked, "activate": True}, headers=KEY)
    assert (other.status_code, "Idempotency-Key" in other.json()["detail"]) == (409, True)
    assert len(client.get("/jobs").json()["items"]) == 1
    assert first.json()["config"]["train"]["alpha"] == 0.1


def test_a_waiting_job_is_cancelled_and_retried(client: httpx.Client, asked: dict[str, Any]) -> None:
    path = f"/jobs/{train(client, asked)['id']}"
    assert client.post(f"{path}/retry", headers=ADMIN).status_code == 409
    for verb in ("cancel", "retry"):
        assert client.post(f"{path}/{verb}").status_code == 401
    cancelled = client.post(f"{path}/cancel", headers=ADMIN)
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    assert cancelled.json()["finished"]
    refused = client.post(f"{path}/cancel", headers=ADMIN)
    assert (refused.status_code, "only queued and running" in refused.json()["detail"]) == (409, True)
    again = client.post(f"{path}/retry", headers=ADMIN)
    assert (again.status_code, again.json()["state"], again.json()["finished"]) == (202, "queued", None)
    assert acts(client) == ["retry", "cancel", "train"]


def test_a_running_job_is_asked_to_end_and_goes_on_later(
    client: httpx.Client, places: Places, asked: dict[str, Any]
) -> None:
    path = f"/jobs/{train(client, asked)['id']}"
    queue = JobQueue(places.documents, lease_seconds=1.0)
    claim = queue.claim(TRAIN, "a worker")
    assert claim is not None
    with Lease(queue, claim) as lease:
        asked_to_end = client.post(f"{path}/cancel", headers=ADMIN).json()
        assert (asked_to_end["state"], asked_to_end["cancel_requested"]) == ("running", True)
        assert lease.cancelled.wait(10)
    queue.finish(claim, State.CANCELLED)
    again = client.post(f"{path}/retry", headers=ADMIN).json()
    assert (again["state"], again["cancel_requested"], again["attempt"]) == ("queued", False, 1)
    second = queue.claim(TRAIN, "another worker")
    assert second is not None
    queue.finish(second, State.FAILED, {"error": {"detail": "no reads are left", "rule": "denoise"}})
    failed = client.get(path).json()
    assert (failed["attempt"], failed["error"]) == (2, {"detail": "no reads are left", "rule": "denoise"})
    assert client.post(f"{path}/cancel", headers=ADMIN).status_code == 409
    assert client.post(f"{path}/retry", headers=ADMIN).json()["error"] is None


def test_a_job_is_followed_from_where_one_stopped(client: httpx.Client, places: Places, asked: dict[str, Any]) -> None:
    path = f"/jobs/{train(client, asked)['id']}"
    queue = JobQueue(places.documents)
    claim = queue.claim(TRAIN, "a worker")
    assert claim is not None
    log = JobLog(places.documents, claim.id)
    log.append("first\n")
    queue.update(claim, {"progress": {"done": 3, "total": 31, "rule": "denoise", "running": ["denoise"]}})
    log.append("second\n")
    queue.finish(claim, State.CANCELLED)
    whole = client.get(f"{path}/events").text
    assert [line for line in whole.splitlines() if line.startswith("event")] == [
        "event: log",
        "event: job",
        "event: end",
    ]
    job = json.loads(next(line for line in whole.splitlines() if '"progress"' in line).removeprefix("data: "))
    assert job["progress"] == {"done": 3, "total": 31, "rule": "denoise", "running": ["denoise"]}
    revision = whole.rpartition("id: ")[2].partition(".")[0]
    rest = client.get(f"{path}/events", headers={"Last-Event-ID": f"{revision}.1"}).text
    assert '"second\\n"' in rest
    assert "first" not in rest
    assert "event: job" not in rest
    assert client.get(f"{path}/log").text == "first\nsecond\n"
    assert client.get(f"{path}/log", params={"tail": 7}).text == "second\n"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"dataset": "0" * 32}, "#/dataset"),
        ({"config": {"train": {"alhpa": 1}}}, "#/config/train/alhpa"),
        ({"config": {"samples": "/etc/passwd"}}, "#/config/samples"),
        ({"config": {"encoder": {"name": "someone/else"}}}, "#/config/encoder"),
        ({"config": {"markers": {"18S-V4-Zingone": {"reference": {"fasta": "/etc/passwd"}}}}},
         "#/config/markers/18S-V4-Zingone/reference/fasta"),
        ({"config": {"markers": {"18S-V4-Zingone": {"reference": {"fasta": "resources/../../etc/passwd"}}}}},
         "#/config/markers/18S-V4-Zingone/reference/fasta"),
        ({"version": "../1"}, "#/version"),
        ({"unknown": 1}, "#/unknown"),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_at_their_field(
    client: httpx.Client, asked: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    answer = client.post("/jobs/train", json={**asked, **change}, headers=ADMIN)
    assert (answer.status_code, [one["pointer"] for one in answer.json()["errors"]]) == (422, [pointer])
    assert client.get("/jobs").json()["items"] == []


def test_what_is_not_there_yet_is_refused(client: httpx.Client, asked: dict[str, Any]) -> None:
    path = f"/jobs/{train(client, asked)['id']}"
    for part in ("report", "study?marker=x", "exports?marker=x&format=biom"):
        answer = client.get(f"{path}/{part}")
        assert (answer.status_code, "it has succeeded" in answer.json()["detail"]) == (409, True)
    assert client.get(f"{path}/exports?marker=x&format=xlsx").status_code == 422
    assert client.delete(f"/datasets/{asked['dataset']}", headers=ADMIN).status_code == 409
    for verb, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/log"), ("GET", "/events")):
        assert client.request(verb, f"/jobs/{'0' * 32}{path}", headers=ADMIN).status_code == 404
    inference = client.post("/inference/classify", content=b">a\nACGT\n", headers={"Prefer": "respond-async"}).json()
    assert client.get(f"/jobs/{inference['id']}").status_code == 404


def test_too_many_waiting_jobs_are_told_to_come_back(client: httpx.Client, asked: dict[str, Any]) -> None:
    for _ in range(3):
        train(client, asked)
    answer = client.post("/jobs/train", json=asked, headers=ADMIN)
    assert (answer.status_code, int(answer.headers["Retry-After"]) >= 1) == (429, True)
    assert [one["state"] for one in client.get("/jobs", params={"state": "queued", "limit": 2}).json()["items"]] == [
        "queued", "queued",
    ]  # fmt: skip

"""Jobs on every kind of metadata store: submitted once, claimed once, ended by who holds the newest claim."""

from __future__ import annotations

import threading
import time

import pytest

from abyssal.stores.documents import DocumentStore
from abyssal_server.errors import Conflict, Missing, NotPossible
from abyssal_server.jobs.lease import Lease
from abyssal_server.jobs.logs import MOST_PIECES, JobLog
from abyssal_server.jobs.queue import CLASSIFY, TRAIN, Claim, JobQueue, LeaseLost, State

pytestmark = pytest.mark.timeout(60)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(documents: DocumentStore, clock: Clock) -> JobQueue:
    return JobQueue(documents, lease_seconds=15.0, clock=clock)


def claimed(queue: JobQueue, kind: str = TRAIN) -> Claim:
    claim = queue.claim(kind, "w")
    assert claim is not None
    return claim


def test_jobs_are_claimed_in_order_and_by_kind(queue: JobQueue, clock: Clock) -> None:
    first, _ = queue.submit(TRAIN, "ada", {"n": 1})
    clock.now += 1
    second, _ = queue.submit(TRAIN, "ada", {"n": 2})
    other, _ = queue.submit(CLASSIFY, "ada", {"n": 3})
    assert [claimed(queue).id, claimed(queue).id] == [first["_id"], second["_id"]]
    assert queue.claim(TRAIN, "w") is None
    assert claimed(queue, CLASSIFY).id == other["_id"]


def test_the_same_key_is_the_same_job(queue: JobQueue) -> None:
    first, created = queue.submit(TRAIN, "ada", {"n": 1}, key="k")
    again, created_again = queue.submit(TRAIN, "ada", {"n": 1}, key="k")
    others, created_by_other = queue.submit(TRAIN, "bob", {"n": 1}, key="k")
    assert (created, created_again, created_by_other) == (True, False, True)
    assert first["_id"] == again["_id"] != others["_id"]
    with pytest.raises(Conflict):
        queue.submit(TRAIN, "ada", {"n": 2}, key="k")


def test_many_workers_claim_each_job_once(documents: DocumentStore) -> None:
    queue = JobQueue(documents)
    jobs = {queue.submit(TRAIN, "ada", {"n": n})[0]["_id"] for n in range(24)}
    found: list[str] = []

    def work() -> None:
        while (claim := queue.claim(TRAIN, threading.current_thread().name)) is not None:
            found.append(claim.id)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(jobs)


def test_an_old_claim_changes_nothing(queue: JobQueue, clock: Clock) -> None:
    job, _ = queue.submit(TRAIN, "ada", {})
    old = claimed(queue)
    clock.now += 15.1
    new = claimed(queue)
    assert (new.id, new.fence, new.job["lost"]) == (old.id, old.fence + 1, 1)
    for change in (
        lambda: queue.renew(old),
        lambda: queue.update(old, {"progress": {}}),
        lambda: queue.publish(old, []),
        lambda: queue.finish(old, State.SUCCEEDED),
        lambda: queue.release(old),
    ):
        with pytest.raises(LeaseLost):
            change()
    queue.publish(new, [{"name": "b"}])
    queue.finish(new, State.SUCCEEDED, {"models": [{"name": "b"}]})
    assert queue.get(job["_id"])["state"] == "succeeded"
    with pytest.raises(LeaseLost):
        queue.finish(new, State.FAILED)


def test_renewing_keeps_a_claim(queue: JobQueue, clock: Clock) -> None:
    queue.submit(TRAIN, "ada", {})
    claim = claimed(queue)
    for _ in range(4):
        clock.now += 10
        queue.renew(claim)
        assert queue.claim(TRAIN, "other") is None
    assert queue.holds(claim.id, claim.fence) is True
    assert queue.holds(claim.id, claim.fence - 1) is False
    assert queue.holds("nobody", 1) is None


def test_cancelling_and_retrying(queue: JobQueue) -> None:
    waiting, _ = queue.submit(TRAIN, "ada", {})
    assert queue.cancel(waiting["_id"])["state"] == "cancelled"
    assert queue.claim(TRAIN, "w") is None
    assert queue.retry(waiting["_id"])["cancel"] == 0
    running = claimed(queue)
    assert queue.cancel(running.id)["state"] == "running"
    assert queue.renew(running)["cancel"] == 1
    queue.finish(running, State.CANCELLED)
    for wrong in (queue.cancel, lambda _: queue.retry(queue.submit(TRAIN, "x", {})[0]["_id"])):
        with pytest.raises(NotPossible):
            wrong(running.id)
    with pytest.raises(Missing):
        queue.cancel("nobody")


def test_what_is_being_published_is_not_cancelled(queue: JobQueue) -> None:
    queue.submit(TRAIN, "ada", {})
    claim = claimed(queue)
    queue.publish(claim, [])
    with pytest.raises(NotPossible):
        queue.cancel(claim.id)


def test_a_released_job_is_claimed_at_once(queue: JobQueue) -> None:
    queue.submit(TRAIN, "ada", {})
    first = claimed(queue)
    queue.release(first)
    second = claimed(queue)
    assert (second.id, second.fence, second.job["lost"]) == (first.id, first.fence + 1, 0)


def test_a_lease_is_renewed_and_its_loss_noticed(documents: DocumentStore) -> None:
    queue = JobQueue(documents, lease_seconds=1.0)
    queue.submit(TRAIN, "ada", {})
    claim = claimed(queue)
    with Lease(queue, claim) as lease:
        time.sleep(1.5)
        lease.check()
        assert queue.claim(TRAIN, "other") is None
        queue.cancel(claim.id)
        assert lease.cancelled.wait(2)
        queue.release(claim)
        assert lease.lost.wait(2)
        with pytest.raises(LeaseLost):
            lease.check()


def test_a_log_is_read_from_where_one_stopped_and_is_bounded(documents: DocumentStore) -> None:
    log = JobLog(documents, "job")
    assert log.after(0) == ("", 0)
    log.append("one\n")
    text, number = log.after(0)
    JobLog(documents, "job").append("two\0\n")
    assert (text, log.after(number)[0]) == ("one\n", "two \n")
    log.append("x" * 32_000 * MOST_PIECES)
    whole, last = log.after(0)
    assert last == MOST_PIECES
    assert whole.endswith("the rest is left out]\n")

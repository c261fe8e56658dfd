"""Random kills and stops of workers, gateway, Redis, MongoDB and S3 while jobs run: nothing lost, nothing twice."""

from __future__ import annotations

import gzip
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.mongo_server import mongo_server
from support.redis_server import PROGRAM, redis_server
from tests.bundle.s3_server import BUCKET, s3_server
from tests.jobs.stand_in import write_stand_in
from tests.jobs.storm import Outcome, Part, Site

from abyssal.errors import AbyssalError

FILES = {
    "samples.tsv": b"sample\tr1\tmarker\nA\tA.fastq.gz\t18S-V4-Zingone\n",
    "A.fastq.gz": gzip.compress(random.Random(1).randbytes(200_000), mtime=0),
}
MOST_RECOVERY_SECONDS = 30.0


@contextmanager
def site_of(folder: Path, workflow: Path | None) -> Iterator[Site]:
    """Run a site on real stores."""
    with ExitStack() as stack:
        folder.mkdir()
        redis = stack.enter_context(redis_server(folder))
        redis.kill()
        command = [PROGRAM, "--port", str(redis.port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
        mongo = stack.enter_context(mongo_server(folder / "mongo"))
        s3 = stack.enter_context(s3_server(folder / "s3"))
        environment = {
            **s3.environment, "MONGO_URL": mongo.url("storm"), "REDIS_URL": redis.url,
            "ABYSSAL_OBJECTS": f"s3://{BUCKET}/objects", "ABYSSAL_REGISTRY": f"s3://{BUCKET}/registry",
        }  # fmt: skip
        stores = [
            Part("redis", command, {}, folder / "redis.log"),
            Part.adopt("mongo", str(folder / "mongo" / "data"), folder / "mongo.log"),
            Part.adopt("s3", str(folder / "s3" / "data"), folder / "s3.log"),
        ]
        time.sleep(5.0)
        site = Site(folder, environment, stores, workflow)
        try:
            yield site
        finally:
            site.close()


def storm(
    site: Site,
    faults: int,
    files: Mapping[str, bytes],
    body: Mapping[str, Any],
    *,
    jobs: int,
    spacing: float,
    seed: int,
) -> Outcome:
    """Strike while jobs are uploaded, queued and run; new jobs follow those that end until all faults are done."""
    randomness, ids, done = random.Random(seed), list[str](), threading.Event()
    problems: list[AssertionError] = []

    def load() -> None:
        while not done.is_set() or len(ids) < jobs:
            try:
                waiting = len(ids) - sum(site.queue.get(one)["state"] == "succeeded" for one in ids)
            except AbyssalError:
                waiting = jobs
            if waiting < jobs:
                try:
                    ids.append(site.submit(files, body, f"storm-{seed}-{len(ids)}"))
                except AssertionError as error:
                    problems.append(error)
                    raise
            time.sleep(0.2)

    loading = threading.Thread(target=load)
    watching = threading.Thread(target=site.watch, args=(ids,))
    loading.start()
    watching.start()
    for _ in range(faults):
        time.sleep(randomness.uniform(0.2, 2 * spacing))
        site.strike(randomness)
        assert not problems, problems
    done.set()
    loading.join(600)
    assert not problems, problems
    return site.finish(ids, 600.0)


def check(site: Site, outcome: Outcome) -> None:
    """No job lost, none published twice, no orphan, recovery in time."""
    print(outcome.summary())
    assert {job["state"] for job in outcome.jobs} == {"succeeded"}, outcome.summary()
    registry = site.places.registry()
    published = {(name, version) for name in registry.names() for version in registry.versions(name)}
    models = [model for job in outcome.jobs for model in job["models"]]
    assert len(models) == len(outcome.jobs) == len(published)
    assert {(model["name"], model["version"]) for model in models} == published
    for model in models:
        assert registry.manifest(model["name"], model["version"])[1] == model["digest"]
    assert outcome.orphans == []
    assert max(outcome.recoveries, default=0.0) <= MOST_RECOVERY_SECONDS


@pytest.mark.mongo
@pytest.mark.redis
@pytest.mark.s3
@pytest.mark.timeout(300)
def test_a_few_faults_lose_nothing(tmp_path: Path, tiny_bundle: Path) -> None:
    with site_of(tmp_path / "site", write_stand_in(tmp_path / "workflow", tiny_bundle)) as site:
        check(site, storm(site, 4, FILES, {"preset": "demo"}, jobs=1, spacing=1.0, seed=1))


@pytest.mark.slow
@pytest.mark.mongo
@pytest.mark.redis
@pytest.mark.s3
@pytest.mark.timeout(3600)
def test_hundreds_of_faults_lose_nothing(tmp_path: Path, tiny_bundle: Path) -> None:
    """300 faults, or ``ABYSSAL_FAULTS`` of the sequence ``ABYSSAL_SEED``."""
    faults, seed = (
        int(os.environ.get(name, default)) for name, default in (("ABYSSAL_FAULTS", "300"), ("ABYSSAL_SEED", "2"))
    )
    with site_of(tmp_path / "site", write_stand_in(tmp_path / "workflow", tiny_bundle)) as site:
        check(site, storm(site, faults, FILES, {"preset": "demo"}, jobs=2, spacing=0.6, seed=seed))


@pytest.mark.slow
@pytest.mark.mongo
@pytest.mark.redis
@pytest.mark.s3
@pytest.mark.timeout(3600)
def test_faults_during_the_demo_workflow_lose_nothing(tmp_path: Path, repository: Path) -> None:
    """The demo's first two samples and its blank, with cheap settings; faults as long as it runs, 20 at least."""
    files, config = demo_study(repository)
    with site_of(tmp_path / "site", None) as site:
        identity = site.submit(files, {"preset": "demo", "config": config}, "demo")
        randomness = random.Random(3)
        watching = threading.Thread(target=site.watch, args=([identity],))
        watching.start()
        while site.outcome.faults.total() < 20:
            time.sleep(randomness.uniform(4.0, 16.0))
            site.strike(randomness)
        check(site, site.finish([identity], 2400.0))


def demo_study(repository: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of a small dataset cut from the demo, and cheap settings."""
    rows = [line.split("\t") for line in (repository / "config" / "samples.tsv").read_text().splitlines()]
    header = rows[0]
    control = header.index("control")
    chosen = [row for row in rows[1:] if not row[control]][:2] + [row for row in rows[1:] if row[control]][:1]
    files: dict[str, bytes] = {}
    for row in chosen:
        for column in ("r1", "r2"):
            path = repository / row[header.index(column)]
            files[path.name] = path.read_bytes()
            row[header.index(column)] = path.name
    files["samples.tsv"] = "".join("\t".join(row) + "\n" for row in [header, *chosen]).encode()
    config = {
        "cluster": {"method": "average-linkage"}, "evaluate": {"queries": 200}, "train": {"calibration_queries": 600},
    }  # fmt: skip
    return files, config

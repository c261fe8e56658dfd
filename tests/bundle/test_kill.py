"""kill -9 at random moments of publish, fetch, activate and prune: the registry is always whole, nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from abyssal.bundle.read import open_bundle
from abyssal.bundle.registry import open_registry

KILLS_IN_CI = 12
KILLS_IN_ALL = 200
VERSIONS = 6

# Says on stdout what it has done, after it was done: what was said must be there later.
WORKER = """
import sys
from pathlib import Path
from abyssal.bundle.registry import open_registry
from abyssal.errors import UsageError
root, written, target, round_ = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
registry = open_registry(str(root))
print("ready", flush=True)
while True:
    for bundle in sorted(written.iterdir()):
        done = registry.publish(bundle)
        print("published", done.version, done.digest, flush=True)
        registry.activate("demo", done.version)
        print("activated", done.version, flush=True)
        try:
            fetched = registry.fetch("demo", "current", target / f"{done.version}-{round_}")
            print("fetched", fetched.version, flush=True)
        except UsageError:
            print("elsewhere", done.version, flush=True)
        registry.prune("demo", keep=100)
"""


@pytest.fixture
def written(make_bundle: Callable[..., Path], tmp_path: Path) -> Path:
    folder = tmp_path / "written"
    folder.mkdir()
    for version in range(1, VERSIONS + 1):
        make_bundle(folder / f"v{version}", version=str(version))
    return folder


def run_until_killed(root: Path, written: Path, target: Path, round_: int, delay: float) -> list[list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(root), str(written), str(target), str(round_)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    said, errors = process.communicate(timeout=30)
    assert errors == ""
    return [line.split() for line in said.splitlines(keepends=True) if line.endswith("\n")]


def check_whole(root: Path, target: Path, said: list[list[str]]) -> None:
    """All that can be seen is valid, and all that was acknowledged can be seen."""
    registry = open_registry(str(root))
    visible = registry.versions("demo")
    digests = {version: open_bundle(root / "demo" / version).digest for version in visible}
    for event in said:
        if event[0] == "published":
            assert digests[event[1]] == event[2]
    labels = registry.labels("demo")
    for label in (labels.current, labels.previous):
        assert label is None or label in visible
    activated = [event[1] for event in said if event[0] == "activated"]
    if activated:
        following = str(int(activated[-1]) % VERSIONS + 1)
        assert labels.current in (activated[-1], following)
    for fetched in target.glob("[!.]*"):
        open_bundle(fetched)


def storm(tmp_path: Path, written: Path, kills: int, *, seed: int) -> None:
    chance = random.Random(seed)
    root, target = tmp_path / "registry", tmp_path / "fetched"
    target.mkdir()
    for round_ in range(kills):
        said = run_until_killed(root, written, target, round_, chance.uniform(0.0, 0.25))
        check_whole(root, target, said)
    registry = open_registry(str(root))
    for bundle in written.iterdir():
        registry.publish(bundle)
    registry.prune("demo", keep=100)
    helpers = [path.name for path in (root / "demo").iterdir() if path.name.startswith(".")]
    assert sorted(helpers) == [".labels.json", ".labels.lock", ".uploads.lock"]
    assert registry.versions("demo") == [str(version) for version in range(1, VERSIONS + 1)]


@pytest.mark.timeout(600)
def test_the_registry_survives_kill_9(tmp_path: Path, written: Path) -> None:
    storm(tmp_path, written, KILLS_IN_CI, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_registry_survives_200_times_kill_9(tmp_path: Path, written: Path) -> None:
    storm(tmp_path, written, KILLS_IN_ALL, seed=2)


def test_an_interrupted_prune_is_finished_by_the_next(tmp_path: Path, written: Path) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    for bundle in written.iterdir():
        registry.publish(bundle)
    leaving = tmp_path / "registry/demo/.leaving-1"
    leaving.mkdir()
    (tmp_path / "registry/demo/1").rename(leaving / "1")
    assert registry.versions("demo") == ["2", "3", "4", "5", "6"]
    registry.prune("demo", keep=100)
    assert not leaving.exists()

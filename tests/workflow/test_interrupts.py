"""A run stopped at random moments, or whose disk fills up, ends with the same bundle when it is called again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.study import Study, small_study

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(7200)]

LOCAL = "workflow/profiles/local"
_STEP_SECONDS = 600.0


def manifest(study: Study) -> bytes:
    return (study.results / "bundle" / "manifest.json").read_bytes()


def start(study: Study) -> subprocess.Popen[bytes]:
    """Start the run as README says, in a process group of its own."""
    command = [
        sys.executable, "-m", "snakemake", "--profile", str(study.repository / LOCAL), "--snakefile",
        str(study.repository / "Snakefile"), "--directory", str(study.directory), "--configfile",
        str(study.directory / "config.yaml"), "--cores", "2", "--nocolor",
    ]  # fmt: skip
    with (study.directory / "snakemake.out").open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)


def finished_jobs(study: Study) -> int:
    return (study.directory / "snakemake.out").read_text().count("Finished jobid")


def interrupt(study: Study, rng: random.Random) -> bool:
    """Start the run and stop it after a few jobs more, by Ctrl-C or kill -9; return whether it was still running."""
    before, further, moment = finished_jobs(study), rng.randrange(3), rng.uniform(0, 3)
    process = start(study)
    end = time.monotonic() + _STEP_SECONDS
    while process.poll() is None and finished_jobs(study) < before + further:
        assert time.monotonic() < end, "no job finished"
        time.sleep(0.05)
    time.sleep(moment)
    running = process.poll() is None
    if rng.random() < 0.5:
        os.killpg(process.pid, signal.SIGKILL) if running else None
        process.wait()
        # A run that was killed has left its lock; README says how it is taken off.
        study.snakemake("--unlock")
    else:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=_STEP_SECONDS)
    return running


def interrupted_study(repository: Path, folder: Path, moments: int, seed: int) -> tuple[Study, int]:
    """Interrupt a fresh study up to so many times, then let it finish; return it and how often it was stopped."""
    folder.mkdir()
    study = small_study(repository, folder)
    (folder / "snakemake.out").touch()
    rng = random.Random(seed)
    stopped = 0
    for _ in range(moments):
        if not interrupt(study, rng):
            break
        stopped += 1
    assert start(study).wait() == 0, (folder / "snakemake.out").read_text()[-4000:]
    return study, stopped


def test_three_interrupts(repository: Path, finished_study: Study, tmp_path: Path) -> None:
    study, stopped = interrupted_study(repository, tmp_path / "study", 3, seed=1)
    assert stopped == 3
    assert manifest(study) == manifest(finished_study)


@pytest.mark.slow
def test_fifty_interrupts(repository: Path, finished_study: Study, tmp_path: Path) -> None:
    total, seed = 0, 100
    while total < 50:
        study, stopped = interrupted_study(repository, tmp_path / f"study{seed}", 50 - total, seed)
        assert manifest(study) == manifest(finished_study)
        total, seed = total + stopped, seed + 1
    print(f"{total} interrupts in {seed - 100} studies")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_said_and_the_next_run_finishes(
    repository: Path, finished_study: Study, small_disk: Path, tmp_path: Path
) -> None:
    study = small_study(repository, tmp_path)
    (tmp_path / "results").symlink_to(small_disk)
    (tmp_path / "snakemake.out").touch()
    assert start(study).wait() != 0
    assert "No space left on device" in (tmp_path / "snakemake.out").read_text() or any(
        "No space left on device" in log.read_text() for log in (tmp_path / "logs").rglob("*.log")
    )
    subprocess.run(["mount", "-o", "remount,size=500m", str(small_disk)], check=True)
    assert start(study).wait() == 0, (tmp_path / "snakemake.out").read_text()[-4000:]
    assert manifest(study) == manifest(finished_study)

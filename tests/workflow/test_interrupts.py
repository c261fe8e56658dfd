"""A run stopped at random moments, or whose disk fills up, ends with the same bundle when it is called again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.study import Study, small_study

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(7200)]

LOCAL = "workflow/profiles/local"
_STEP_SECONDS = 900.0
_BEGUN, _FINISHED = "\nExecute ", "\nFinished jobid"
_ROOMY = "500m"

KINDS = ("Ctrl-C", "kill -9", "full disk")


def manifest(study: Study) -> bytes:
    return (study.results / "bundle" / "manifest.json").read_bytes()


def output(study: Study) -> Path:
    """What runs print; beside the study, so that a full disk does not silence them."""
    return study.directory.with_name(f"{study.directory.name}.out")


def start(study: Study) -> subprocess.Popen[bytes]:
    """Start the run as README says, in a process group of its own."""
    command = [
        sys.executable, "-m", "snakemake", "--profile", str(study.repository / LOCAL), "--snakefile",
        str(study.repository / "Snakefile"), "--directory", str(study.directory), "--configfile",
        str(study.directory / "config.yaml"), "--cores", "2", "--nocolor",
    ]  # fmt: skip
    with output(study).open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)


def finish(study: Study) -> None:
    """Run to the end."""
    assert start(study).wait() == 0, output(study).read_text()[-4000:]


@contextmanager
def own_disk(folder: Path, size: str = _ROOMY) -> Iterator[bool]:
    """Mount a file system of its own in a new folder, where that is allowed; say whether it was."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(folder: Path, size: str | int) -> bool:
    """Change a file system's size; False where more than that is on it."""
    mount = ["mount", "-o", f"remount,size={size}", str(folder)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


def stop(study: Study, process: subprocess.Popen[bytes], kind: str) -> None:
    """End a run, and leave the study as the user finds it."""
    if kind == "kill -9":
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # A run that was killed has left its lock; README says how it is taken off.
        study.snakemake("--unlock")
    elif kind == "full disk":
        # Nothing more than what is there now; the run may write while that is looked up.
        while process.poll() is None and not resize(study.directory, shutil.disk_usage(study.directory).used):
            pass
        process.wait(timeout=_STEP_SECONDS)
        assert resize(study.directory, _ROOMY)
    else:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=_STEP_SECONDS)


def interrupt(study: Study, jobs: int, moment: float, kind: str) -> bool:
    """Start the run and stop it at a moment; return whether it was still running.

    Args:
        jobs: how many jobs of the study have finished by then, at least; this run has begun one more.
        moment: seconds after that.
    """
    begun = output(study).read_text().count(_BEGUN)
    process = start(study)
    end = time.monotonic() + _STEP_SECONDS
    while process.poll() is None:
        text = output(study).read_text()
        if text.count(_BEGUN) > begun and text.count(_FINISHED) >= jobs:
            break
        assert time.monotonic() < end, f"{jobs} jobs never finished"
        time.sleep(0.05)
    time.sleep(moment)
    if process.poll() is not None:
        return False
    stop(study, process, kind)
    return process.returncode != 0


def interrupted(repository: Path, folder: Path, finished: Study, count: int, seed: int) -> list[str]:
    """Interrupt a study at moments spread over all of its jobs, then finish it with the same bundle.

    Return the moments at which it ran: how it was stopped, and after how many jobs.
    """
    rng = random.Random(seed)
    jobs = len(list(finished.directory.glob("benchmarks/**/*.jsonl")))
    stopped = []
    with own_disk(folder / "study") as mounted:
        study = small_study(repository, folder / "study")
        output(study).touch()
        for moment in sorted(rng.uniform(0, jobs) for _ in range(count)):
            kind = rng.choice(KINDS if mounted else KINDS[:-1])
            if interrupt(study, int(moment), rng.uniform(0, 3), kind):
                stopped.append(f"{kind} after {output(study).read_text().count(_FINISHED)} of {jobs}")
        finish(study)
        assert manifest(study) == manifest(finished)
    return stopped


def test_three_interrupts(repository: Path, finished_study: Study, tmp_path: Path) -> None:
    assert interrupted(repository, tmp_path, finished_study, 3, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [100, 101])
def test_twenty_five_interrupts(repository: Path, finished_study: Study, tmp_path: Path, seed: int) -> None:
    """Fifty in both studies; one or two a study may come too late, so a few more are tried."""
    stopped = interrupted(repository, tmp_path, finished_study, 27, seed)
    print("\n".join(stopped))
    assert len(stopped) >= 25


def test_a_full_disk_is_said_and_the_next_run_finishes(repository: Path, finished_study: Study, tmp_path: Path) -> None:
    with own_disk(tmp_path / "disk", "2m") as mounted:
        if not mounted:
            pytest.skip("mounting a small file system needs root")
        (tmp_path / "study").mkdir()
        study = small_study(repository, tmp_path / "study")
        (study.directory / "results").symlink_to(tmp_path / "disk")
        assert start(study).wait() != 0
        assert "No space left on device" in output(study).read_text() or any(
            "No space left on device" in log.read_text() for log in (study.directory / "logs").rglob("*.log")
        )
        assert resize(tmp_path / "disk", _ROOMY)
        finish(study)
        assert manifest(study) == manifest(finished_study)

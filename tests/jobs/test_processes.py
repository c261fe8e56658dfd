"""Nothing of a job outlives its worker: whatever is killed, in whatever order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from abyssal_server.jobs.processes import JobProcess, kill_marked, marked_processes

pytestmark = pytest.mark.timeout(60)

# A command that starts a child that leaves its group and session, and a grandchild: what a careless tool would do.
STUBBORN = """
import subprocess, sys, time, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import subprocess,time; subprocess.Popen(['sleep','300']); time.sleep(300)"],
                 start_new_session=True)
print("started", flush=True)
time.sleep(300)
"""
HOLDER = """
import sys, time
from pathlib import Path
from abyssal_server.jobs.processes import JobProcess
import os
JobProcess([sys.executable, "-c", sys.argv[1]], directory=Path(sys.argv[2]), environment=dict(os.environ),
           mark=sys.argv[3], log=Path(sys.argv[2]) / "log")
time.sleep(300)
"""


def living(mark: str) -> list[int]:
    return [pid for pid, found in marked_processes().items() if found == mark]


def wait_until(condition: object, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def start(tmp_path: Path, mark: str) -> JobProcess:
    process = JobProcess(
        [sys.executable, "-c", STUBBORN], directory=tmp_path, environment=dict(os.environ), mark=mark,
        log=tmp_path / "log",
    )  # fmt: skip
    wait_until(lambda: len(living(mark)) >= 4)
    return process


def test_the_exit_status_and_output_are_kept(tmp_path: Path) -> None:
    process = JobProcess(
        [sys.executable, "-c", "print('hello'); raise SystemExit(3)"], directory=tmp_path,
        environment=dict(os.environ), mark="status:1", log=tmp_path / "log",
    )  # fmt: skip
    wait_until(lambda: process.poll() is not None)
    process.close()
    assert (process.poll(), (tmp_path / "log").read_text()) == (3, "hello\n")


def test_closing_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path, "close:1")
    process.close()
    assert living("close:1") == []


def test_who_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "ask:1")
    process.ask_to_end()
    wait_until(lambda: process.poll() is not None)
    assert living("ask:1") == []
    process.close()


def test_everything_dies_with_the_worker(tmp_path: Path) -> None:
    mark = "worker:1"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, STUBBORN, str(tmp_path), mark])
    wait_until(lambda: len(living(mark)) >= 4)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    wait_until(lambda: living(mark) == [])


def test_what_a_killed_supervisor_leaves_is_found_by_its_mark(tmp_path: Path) -> None:
    process = start(tmp_path, "mark:1")
    supervisor = next(pid for pid in living("mark:1") if b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: process.poll() is not None)
    assert living("mark:1")
    assert kill_marked(lambda mark: mark == "other:1") == 0
    assert kill_marked(lambda mark: mark == "mark:1") >= 2
    assert living("mark:1") == []
    process.close()

"""Runs one command and sees to it that nothing of it outlives the worker: ``python -m ... supervisor COMMAND...``.

Standard input is a pipe from the worker: its end (the worker died) or the letter ``k`` kills every descendant, ``t``
asks the process group to end first. The supervisor adopts orphaned descendants, so that none escapes by losing its
parent; the command itself dies with the supervisor. Imports nothing but the standard library: it starts at once.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 5.0
_STAT_AFTER_NAME = 2
_KILLED = 137


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """Return the processes below ``root``, in no order."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found: list[int] = []
    level = [root]
    while level:
        level = [pid for pid, parent in parents.items() if parent in level]
        found += level
    return found


def kill_all(root: int) -> None:
    """Kill the processes below ``root`` until there are none; each look also finds what was started meanwhile."""
    while living := [pid for pid in descendants(root) if not _is_zombie(pid)]:
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _wait(child: int) -> int | None:
    """Reap what has ended; returns the child's exit status once it has."""
    status = None
    while True:
        try:
            pid, found = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == child:
            status = os.waitstatus_to_exitcode(found)


def main(command: list[str]) -> int:
    """Run the command; returns its exit status, 137 when it was killed."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - there are no threads here
    )
    # The group gets SIGTERM, too; the supervisor stays to the end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kill_at: float | None = None
    while (status := _wait(child.pid)) is None:
        ready, _, _ = select.select([0], [], [], _POLL_SECONDS)
        word = os.read(0, 1) if ready else None
        if word == b"t" and kill_at is None:
            kill_at = time.monotonic() + _PATIENCE_SECONDS
            os.killpg(0, signal.SIGTERM)
        elif word in (b"", b"k") or (kill_at is not None and time.monotonic() > kill_at):
            kill_all(os.getpid())
            return _KILLED
    kill_all(os.getpid())
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

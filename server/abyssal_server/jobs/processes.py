"""The processes of a job on this host: started under a supervisor, marked, and found again by their mark.

The mark is an environment variable that every descendant inherits. Should worker and supervisor be killed in one
moment, whoever works on this host next still finds what they left.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

MARK = "ABYSSAL_JOB"
_GONE_SECONDS = 10.0


class JobProcess:
    """A running command; ``close`` leaves nothing of it behind."""

    def __init__(
        self, command: Sequence[str], *, directory: Path, environment: Mapping[str, str], mark: str, log: Path
    ) -> None:
        supervisor = [sys.executable, "-I", str(Path(__file__).with_name("supervisor.py")), *command]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                supervisor, cwd=directory, env={**environment, MARK: mark}, stdin=subprocess.PIPE, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._mark = mark

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """Ask the command and its children to end; those that do not are killed five seconds later."""
        self._say(b"t")

    def close(self) -> None:
        """Kill what is left and wait until it is gone."""
        self._say(b"k")
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GONE_SECONDS)
        kill_marked(lambda mark: mark == self._mark)
        self._process.wait()

    def _say(self, word: bytes) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(OSError):
                os.write(self._process.stdin.fileno(), word)


def marked_processes() -> dict[int, str]:
    """Return the mark of each marked process that this user may look at."""
    found: dict[int, str] = {}
    start = f"{MARK}=".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            mark = next((one[len(start) :] for one in variables if one.startswith(start)), None)
            if mark is not None:
                found[int(entry.name)] = mark.decode("utf-8", "replace")
    return found


def kill_marked(is_stale: Callable[[str], bool]) -> int:
    """Kill the marked processes whose mark is stale and wait until they are gone; returns how many those were."""
    killed: set[int] = set()
    verdicts: dict[str, bool] = {}
    end = time.monotonic() + _GONE_SECONDS
    while time.monotonic() < end:
        marked = marked_processes()
        for mark in set(marked.values()) - verdicts.keys():
            verdicts[mark] = is_stale(mark)
        stale = [pid for pid, mark in marked.items() if verdicts[mark]]
        if not stale:
            break
        for pid in stale:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(stale)
        time.sleep(0.05)
    if killed:
        logger.warning("killed %d processes that a job had left behind", len(killed))
    return len(killed)

"""External programs: run without a shell, with the command and the tail of stderr in every failure."""

from __future__ import annotations

import logging
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from abyssal.errors import ToolError, ToolTimeoutError

logger = logging.getLogger(__name__)

_TAIL_LINES = 15

_INSTALL_HINTS = {
    "vsearch": "apt-get install vsearch, or conda install -c bioconda vsearch",
    "swarm": "apt-get install swarm, or conda install -c bioconda swarm",
    "blastn": "apt-get install ncbi-blast+, or conda install -c bioconda blast",
    "blastdbcmd": "apt-get install ncbi-blast+, or conda install -c bioconda blast",
}


def require_tool(name: str) -> str:
    """Return the path of a program; ToolError with the command that installs it when it is missing."""
    found = shutil.which(name)
    if found is None:
        hint = _INSTALL_HINTS.get(name, f"install {name} and put it on PATH")
        message = f"{name} is not on PATH. Expected an installed program; to mend: {hint}"
        raise ToolError(message)
    return found


def run_tool(
    command: Sequence[str | Path], *, log: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program and return its output; ToolError names the command, its exit status and the end of stderr.

    One that does not end in time is a ToolTimeoutError.

    Args:
        command: program and arguments; never passed through a shell.
        log: file the command line and stderr are appended to.
        timeout: seconds after which the program is killed.
    """
    argv = [require_tool(str(command[0])), *map(str, command[1:])]
    logger.debug("running %s", shlex.join(argv))
    try:
        done = subprocess.run(argv, check=True, text=True, capture_output=True, timeout=timeout)
    except subprocess.CalledProcessError as error:
        _append(log, argv, error.stderr)
        tail = "\n".join((error.stderr or "").strip().splitlines()[-_TAIL_LINES:])
        message = f"{argv[0]} ended with status {error.returncode}: {shlex.join(argv)}\n{tail}"
        raise ToolError(message) from error
    except subprocess.TimeoutExpired as error:
        message = f"{argv[0]} did not end within {timeout} s: {shlex.join(argv)}"
        raise ToolTimeoutError(message) from error
    _append(log, argv, done.stderr)
    return done


def _append(log: Path | None, argv: Sequence[str], stderr: str | None) -> None:
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as out:
            out.write(f"$ {shlex.join(argv)}\n{stderr or ''}\n")

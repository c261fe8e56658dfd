"""Fixtures every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# The machine has two cores and several tests may run beside each other: one thread each keeps timings steady.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# A shell lets what it starts with `&` ignore Ctrl-C, programs inherit that, and tests send it to programs they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real reads and references; the test is skipped where it is absent."""
    folder = Path(os.environ.get("ABYSSAL_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ABYSSAL_SHARED_DATA to the folder that holds them")
    return folder


@dataclass(frozen=True)
class CommandResult:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., CommandResult]:
    """Run an ``abyssal`` subcommand in this process: ``run("bundle", "inspect", path)``."""
    from abyssal.cli import main

    def run_command(*arguments: object) -> CommandResult:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return CommandResult(code, captured.out, captured.err)

    return run_command

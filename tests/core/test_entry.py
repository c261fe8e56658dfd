"""Entry scripts: a user's error is one paragraph in log and stderr, a bug keeps its traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import abyssal

SCRIPT = """
import types, sys
from pathlib import Path
from abyssal.entry import start
from abyssal.errors import LedgerError
start(types.SimpleNamespace(log=[sys.argv[1]], threads=1, scriptdir=sys.argv[2]))
import os
assert os.environ["OMP_NUM_THREADS"] == "1"
{body}
"""


def run_entry(tmp_path: Path, body: str, scripts: Path | None = None) -> tuple[int, str, str]:
    script = tmp_path / "entry.py"
    script.write_text(SCRIPT.format(body=body))
    log = tmp_path / "log.txt"
    place = scripts or Path(abyssal.__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, str(script), str(log), str(place)], check=False, capture_output=True, text=True
    )
    return done.returncode, done.stderr, log.read_text() if log.exists() else ""


def test_a_users_error_is_short(tmp_path: Path) -> None:
    code, stderr, log = run_entry(tmp_path, "raise LedgerError('library a, step trim: one read is missing')")
    assert code == 1
    assert stderr == "ERROR: library a, step trim: one read is missing\n"
    assert "one read is missing" in log


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    code, stderr, log = run_entry(tmp_path, "1 / 0")
    assert code == 1
    assert "ZeroDivisionError" in stderr
    assert "Traceback" in log


def test_another_installation_is_refused(tmp_path: Path) -> None:
    code, stderr, _ = run_entry(tmp_path, "print('ran')", scripts=tmp_path)
    assert code == 1
    assert "make setup" in stderr


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["classify", "--help"], ["serve", "--help"]])
def test_help_starts_without_heavy_imports(command: list[str]) -> None:
    body = f"try: main({command!r})\nexcept SystemExit: pass\nprint(*sys.modules)"
    code = f"import sys; from abyssal.cli import main\n{body}"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint({"torch", "transformers", "sklearn", "umap", "grpc", "numba"})

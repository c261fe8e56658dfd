"""Files are whole or absent, bytes do not depend on the clock, tools fail with their command and message."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest

from abyssal.errors import ToolError, ToolTimeoutError
from abyssal.files import atomic_path, open_atomic, to_json, write_json
from abyssal.tools import require_tool, run_tool


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write() -> None:
        with open_atomic(target) as out:
            out.write("new")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_makes_missing_folders(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a" / "b.txt") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "a" / "b.txt").read_text() == "x"


def test_gzip_bytes_do_not_depend_on_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = []
    for name, now in (("a.gz", 1.0), ("b.gz", 2e9)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        with open_atomic(tmp_path / name) as out:
            out.write("ACGT\n" * 100)
        packed.append((tmp_path / name).read_bytes())
    assert packed[0] == packed[1]
    assert gzip.decompress(packed[0]) == b"ACGT\n" * 100


def test_json_is_sorted_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5]})
    text = (tmp_path / "a.json").read_text()
    assert text.index('"a"') < text.index('"b"')
    assert text.endswith("\n")
    assert json.loads(text) == {"a": [1.5], "b": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(float("nan"))


def test_a_missing_program_comes_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match="apt-get install vsearch"):
        require_tool("vsearch")


def test_a_failing_program_is_quoted_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with pytest.raises(ToolError, match=r"status 3.*\n.*last words"):
        run_tool(["sh", "-c", "echo last words >&2; exit 3"], log=log)
    assert "last words" in log.read_text()


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ToolTimeoutError, match=r"did not end within 0\.2 s"):
        run_tool(["sleep", "30"], timeout=0.2)

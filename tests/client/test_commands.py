"""Commands around the service refuse what cannot be, and say which extra brings what is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from abyssal.cli import main


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        (["serve"], "abyssal_server.process", "abyssal[serve]"),
        (["gateway"], "abyssal_server.gateway.process", "abyssal[serve]"),
        (["keys", "list"], "abyssal_server.access.keys", "abyssal[serve]"),
        (["keys", "add", "somebody"], "abyssal_server.access", "abyssal[serve]"),
        (["up"], "abyssal_server.up", "abyssal[serve,workflow]"),
        (["worker"], "abyssal_server.jobs.worker", "abyssal[serve,workflow]"),
        (["classify", "{reads}", "--server", "127.0.0.1:1", "--table"], "abyssal.client", "abyssal[client]"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_missing_package_names_its_extra(
    command: list[str], module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    reads = tmp_path / "reads.fasta"
    reads.write_text(">a\nACGT\n")
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("ABYSSAL_KEYS_FILE", str(tmp_path / "keys.json"))
    (tmp_path / "keys.json").write_text("{}")
    assert main([part.format(reads=reads) for part in command]) == 2
    error = capsys.readouterr().err
    assert f"({module} is missing)" in error
    assert f"install {extra}" in error


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["gateway", "--server", "nonsense", "--port", "0"], "expected HOST:PORT"),
        (["worker", "--server", "http://127.0.0.1:1"], "expected HOST:PORT"),
        (["serve", "--bundle", ","], "names no bundle"),
        (["keys", "add", "somebody", "--role", "owner", "--file", "keys.json"], "expected one of read, infer, admin"),
    ],
)
def test_a_mistake_is_one_line(command: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1

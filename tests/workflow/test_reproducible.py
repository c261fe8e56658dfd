"""Two runs, one digest: a fresh clone in another directory with another number of cores makes the same bundle."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.study import Study, small_study

from abyssal.files import sha256_file

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def digests(directory: Path) -> dict[str, str]:
    """SHA-256 of every file below a directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): sha256_file(path) for path in files}


def test_fresh_clone_on_one_core_makes_the_same_bundle(
    finished_study: Study, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = subprocess.run(
        ["git", "status", "--porcelain", "scripts", "workflow", "resources", "config"],
        cwd=repository, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    if changed:
        pytest.skip("there are uncommitted changes, which a clone does not have")
    clone = tmp_path / "elsewhere" / "clone"
    subprocess.run(["git", "clone", "-q", str(repository), str(clone)], check=True)
    # The installed package is the checkout's; the clone's must come first.
    monkeypatch.setenv("PYTHONPATH", str(clone / "scripts"))
    directory = tmp_path / "deeper" / "study"
    directory.mkdir(parents=True)
    again = small_study(clone, directory)
    again.snakemake("--cores", "1", "--show-failed-logs")
    assert digests(again.results / "bundle") == digests(finished_study.results / "bundle")
    provenance = [study.results / "provenance.json" for study in (again, finished_study)]
    assert provenance[0].read_text() == provenance[1].read_text()

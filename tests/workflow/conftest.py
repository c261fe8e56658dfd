"""One finished small study for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.study import Study, small_study


@pytest.fixture(scope="session")
def finished_study(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The small study after one full run."""
    study = small_study(repository, tmp_path_factory.mktemp("study"))
    study.snakemake("--show-failed-logs")
    return study

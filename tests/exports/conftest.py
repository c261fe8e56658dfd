"""A small study with everything that exports must carry."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.exported_study import exported_study, write_study

from abyssal.exports.source import ExportSource


@pytest.fixture
def marker_folder(tmp_path: Path) -> Path:
    """A folder results/cruise/<marker> as a run leaves it."""
    return write_study(tmp_path / "made")


@pytest.fixture
def study(tmp_path: Path) -> ExportSource:
    """What exports are made from."""
    return exported_study(tmp_path / "made")

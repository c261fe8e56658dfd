"""An edited module changes exactly the digests of the stages that import it."""

from __future__ import annotations

from pathlib import Path

import pytest

from abyssal import code_digest


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "reads").mkdir()
    (tmp_path / "reads" / "__init__.py").write_text("")
    (tmp_path / "reads" / "trim.py").write_text("from abyssal.tools import run_tool\n")
    (tmp_path / "tools.py").write_text("import abyssal.errors\n")
    (tmp_path / "errors.py").write_text("x = 1\n")
    (tmp_path / "taxonomy.py").write_text("import json\n")
    (tmp_path / "__init__.py").write_text("")
    monkeypatch.setattr(code_digest, "_ROOT", tmp_path)
    code_digest._imports.cache_clear()
    yield tmp_path
    code_digest._imports.cache_clear()


def test_an_edit_far_down_reaches_who_imports_it_and_nobody_else(library: Path) -> None:
    reads, taxonomy = code_digest.code_digest("reads"), code_digest.code_digest("taxonomy")
    (library / "errors.py").write_text("x = 2\n")
    assert code_digest.code_digest("reads") != reads
    assert code_digest.code_digest("reads.trim") != reads
    assert code_digest.code_digest("taxonomy") == taxonomy


def test_a_module_that_is_not_there_is_an_error(library: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"abyssal\.raeds"):
        code_digest.code_digest("raeds")

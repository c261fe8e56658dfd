"""The proto files, the generated stubs and what clients rely on."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def generator(repository: Path) -> ModuleType:
    """``proto/generate.py`` as a module."""
    spec = importlib.util.spec_from_file_location("proto_generate", repository / "proto" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stored(repository: Path) -> dict[str, str]:
    """The interface that clients know."""
    loaded: dict[str, str] = json.loads((repository / "proto" / "interface.json").read_text(encoding="utf-8"))
    return loaded


def test_stubs_are_what_the_pinned_compiler_makes(generator: ModuleType, repository: Path, tmp_path: Path) -> None:
    generator.generate(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.py*")}
    committed = repository / "scripts" / "abyssal" / "inference"
    there = {path.relative_to(repository / "scripts"): path.read_bytes() for path in committed.glob("*/*_pb2*.py*")}
    assert made == there, "run `make proto`"


def test_stored_interface_is_current(generator: ModuleType, stored: dict[str, str]) -> None:
    assert generator.interface() == stored, "run `make proto`; it refuses changes that break clients"


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("abyssal.inference.v1.Model.3", None),
        ("abyssal.inference.v1.Answers.3", "taxa repeated string"),
        ("abyssal.inference.v1.Classification/Embed", None),
        ("abyssal.inference.v1.Source.2", "SOURCE_SOMETHING"),
    ],
)
def test_breaking_change_is_named(
    generator: ModuleType, stored: dict[str, str], name: str, meaning: str | None
) -> None:
    changed = {key: value for key, value in stored.items() if key != name} | ({name: meaning} if meaning else {})
    assert [problem.split(":")[0] for problem in generator.breaking_changes(stored, changed)] == [name]


def test_additions_do_not_break(generator: ModuleType, stored: dict[str, str]) -> None:
    assert not generator.breaking_changes(stored, {**stored, "abyssal.inference.v1.Model.99": "more optional string"})


def test_every_element_is_documented(repository: Path) -> None:
    undocumented = []
    for source in (repository / "proto").rglob("*.proto"):
        lines = source.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            code = line.strip()
            declares = code.startswith(("message ", "service ", "enum ", "rpc ", "oneof ")) or code.endswith(";")
            if declares and not code.startswith(("syntax", "package", "import", "//")):
                before = lines[number - 1].strip()
                if not before.startswith("//"):
                    undocumented.append(f"{source.name}:{number + 1}: {code}")
    assert not undocumented

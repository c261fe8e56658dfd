"""Rules of the house that a machine can check: nothing executable in files, small modules, pins that agree."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

LIMIT_MODULE_LINES = 400
LIMIT_FUNCTION_LINES = 40
LIMIT_ENTRY_LINES = 40
GENERATED = ("scripts/abyssal/inference/v1", "scripts/abyssal/inference/kserve")


def tracked(repository: Path, *patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns],
        cwd=repository, check=True, capture_output=True, text=True,
    )  # fmt: skip
    files = (repository / name for name in listed.stdout.split("\0") if name and not name.startswith(GENERATED))
    return sorted(file for file in files if file.is_file())


def test_nothing_loads_or_writes_pickles(repository: Path) -> None:
    pattern = re.compile(
        r"^\s*(import|from)\s+(pickle|joblib|dill|cloudpickle)\b|allow_pickle\s*=\s*True|torch\.(load|save)\(", re.M
    )
    sources = [path for path in tracked(repository, "scripts", "server", "workflow") if path.suffix in {".py", ".smk"}]
    assert [path.name for path in sources if pattern.search(path.read_text())] == []


def test_no_file_of_an_executable_format_is_tracked(repository: Path) -> None:
    suffixes = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin", ".npz", ".npy"}
    assert [path.name for path in tracked(repository) if path.suffix in suffixes] == []


def test_modules_and_functions_are_small(repository: Path) -> None:
    problems = []
    for path in tracked(repository, "scripts/*.py", "server/*.py", "proto/*.py"):
        text = path.read_text()
        lines = text.count("\n")
        limit = LIMIT_ENTRY_LINES if path.parent == repository / "scripts" else LIMIT_MODULE_LINES
        if lines > limit:
            problems.append(f"{path.relative_to(repository)}: {lines} lines, at most {limit}")
        problems += [
            f"{path.relative_to(repository)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno + 1 > LIMIT_FUNCTION_LINES
        ]
    assert problems == []


def test_nothing_is_left_unfinished(repository: Path) -> None:
    marks = re.compile(r"raise NotImplementedError|\bTODO\b|\bFIXME\b|pragma: no cover")
    files = [
        path
        for path in tracked(repository, "scripts", "server", "workflow", "Snakefile")
        if path.suffix in {".py", ".smk", ""}
    ]
    assert [path.name for path in files if marks.search(path.read_text())] == []


def test_environment_pins_agree_with_the_lock_file(repository: Path) -> None:
    lock = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", (repository / "requirements.lock").read_text(), re.M))
    lock["pytorch"] = re.search(r"torch==([\d.]+)", (repository / "pyproject.toml").read_text()).group(1)  # type: ignore[union-attr]
    outside_python = {"python", "vsearch", "swarm"}
    problems = []
    for path in sorted((repository / "envs").glob("*.yaml")):
        for requirement in yaml.safe_load(path.read_text())["dependencies"]:
            name, version = requirement.split("=", 1)
            if name not in outside_python and lock.get(name) != version:
                problems.append(f"{path.name}: {requirement}, the lock file has {lock.get(name)}")
    assert problems == []


def test_the_container_holds_the_same_versions(repository: Path) -> None:
    """Python packages through the lock file as everywhere, the programs as the conda environments pin them."""
    recipe = (repository / "envs" / "container" / "Containerfile").read_text()
    assert "make setup" in recipe
    conda = "".join(path.read_text() for path in (repository / "envs").glob("*.yaml"))
    for program in ("vsearch", "swarm"):
        inside = re.search(rf"\b{program}=(\d[\d.]*\d)", recipe)
        assert inside is not None
        assert set(re.findall(rf"- {program}=([\d.]+)", conda)) <= {inside.group(1)}, program


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_readme_names_the_two_commands(repository: Path, command: str) -> None:
    assert command in (repository / "README.md").read_text()


def test_ci_runs_the_test_command_of_the_readme(repository: Path) -> None:
    assert "make test" in (repository / ".ci" / "run").read_text()

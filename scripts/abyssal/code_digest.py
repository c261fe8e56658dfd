"""A digest of library modules, passed to rules as a parameter so that an edit reruns exactly the stages it touches."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parent


def code_digest(*modules: str) -> str:
    """Return 16 hex digits over the sources of ``modules`` and of every ``abyssal`` module they import.

    Args:
        modules: dotted names below ``abyssal`` (``"reads.ledger"``, or ``"reads"`` for a whole package).
    """
    files: set[Path] = set()
    for module in modules:
        for source in _sources(module):
            files |= _closure(source)
    digest = hashlib.sha256()
    for source in sorted(files):
        digest.update(source.relative_to(_ROOT).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _sources(module: str) -> list[Path]:
    path = _ROOT.joinpath(*module.split("."))
    if path.is_dir():
        return sorted(path.rglob("*.py"))
    file = path.with_suffix(".py")
    if not file.is_file():
        message = f"abyssal.{module} is neither a module nor a package below {_ROOT.name}/"
        raise ModuleNotFoundError(message)
    return [file]


def _closure(start: Path) -> set[Path]:
    seen: set[Path] = set()
    queue = [start]
    while queue:
        source = queue.pop()
        if source not in seen:
            seen.add(source)
            queue.extend(_imports(source))
    return seen


@cache
def _imports(source: Path) -> tuple[Path, ...]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    found: list[Path] = []
    for name in sorted(names):
        head, *rest = name.split(".")
        if head != "abyssal":
            continue
        path = _ROOT.joinpath(*rest)
        candidates = (path.with_suffix(".py") if rest else path / "__init__.py", path / "__init__.py")
        found.extend(candidate for candidate in candidates if candidate.is_file())
    return tuple(found)

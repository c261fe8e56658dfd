"""Files made from the typed models: ``config/defaults.yaml``, the JSON schemas and the tables in ``config/README.md``.

Run as ``python -m abyssal.config.generate [ROOT]``; a test fails when what is committed differs.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from abyssal.config.load import model_of
from abyssal.config.models import AbyssalConfig
from abyssal.files import to_json, write_text
from abyssal.samples.model import SheetRow

_TABLE = re.compile(r"(<!-- (keys|columns): generated -->\n).*?(<!-- /\2 -->)", re.DOTALL)
_BOUNDS = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}


@dataclass(frozen=True)
class Key:
    """One row of the documentation: a dotted key with its default, range and meaning."""

    path: str
    default: str
    allowed: str
    description: str


def keys(model: type[BaseModel] = AbyssalConfig, prefix: str = "") -> Iterator[Key]:
    """Yield every key below a model, depth first; the name of a mapping's entry is written ``<name>``."""
    for name, field in model.model_fields.items():
        section, in_mapping = model_of(field.annotation)
        path = f"{prefix}{name}"
        if section is None:
            yield Key(path, _default(field), _allowed(field), field.description or "")
        else:
            nested = f"{path}.<name>" if in_mapping else path
            if field.description:
                may_be_null = field.default is None
                allowed = "section or null" if may_be_null else "section"
                yield Key(nested, "null" if may_be_null else "", allowed, field.description)
            yield from keys(section, f"{nested}.")


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    return (
        "null" if field.default is None else str(yaml.safe_dump(field.default, default_flow_style=True)).split("\n")[0]
    )


def _allowed(field: FieldInfo) -> str:
    literals = _literals(field.annotation)
    if literals:
        return ", ".join(literals)
    bounds = [
        f"{symbol} {next(iter(vars_of(item)))}"
        for item in _metadata(field)
        for kind, symbol in _BOUNDS.items()
        if isinstance(item, kind)
    ]
    return " and ".join(bounds)


def vars_of(bound: Any) -> list[Any]:
    """Return the one value a bound of annotated_types holds."""
    return [getattr(bound, name) for name in bound.__slots__]


def _metadata(field: FieldInfo) -> Iterator[Any]:
    pending = [*field.metadata, *(part for part in get_args(field.annotation))]
    while pending:
        item = pending.pop(0)
        if isinstance(item, FieldInfo):
            pending.extend(item.metadata)
        elif hasattr(item, "__metadata__"):
            pending.extend(item.__metadata__)
        else:
            yield item


def _literals(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [value for part in get_args(annotation) for value in _literals(part)]


def defaults_yaml() -> str:
    """Return all defaults as commented YAML; required keys and markers are left to the user."""
    lines = ["# Generated from scripts/abyssal/config/models.py: every key with its default. Copy what you change."]
    lines += _yaml_lines(AbyssalConfig, "")
    return "\n".join(lines) + "\n"


def _yaml_lines(model: type[BaseModel], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        section, in_mapping = model_of(field.annotation)
        if in_mapping or (section is None and field.default is PydanticUndefined):
            continue
        if section is not None and field.default is not None:
            yield f"{indent}{name}:"
            yield from _yaml_lines(section, indent + "  ")
            continue
        allowed = f" [{_allowed(field)}]" if section is None and _allowed(field) else ""
        width = 110 - len(indent)
        yield from (f"{indent}# {line}" for line in textwrap.wrap(f"{field.description or ''}{allowed}", width))
        yield f"{indent}{name}: {_default(field)}"


def keys_table() -> str:
    """Return the Markdown table of all keys."""
    rows = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    rows += [f"| `{key.path}` | `{key.default}` | {key.allowed} | {key.description} |" for key in keys()]
    return "\n".join(row.replace("| `` |", "| |") for row in rows) + "\n"


def columns_table() -> str:
    """Return the Markdown table of the sample sheet's columns."""
    rows = ["| column | meaning |", "|---|---|"]
    rows += [f"| `{name}` | {field.description} |" for name, field in SheetRow.model_fields.items()]
    return "\n".join(rows) + "\n"


def generated_files(root: Path) -> dict[Path, str]:
    """Return what each generated file below ``root`` must hold."""
    readme = root / "config" / "README.md"
    tables = {"keys": keys_table(), "columns": columns_table()}
    return {
        root / "config" / "defaults.yaml": defaults_yaml(),
        root / "workflow" / "schemas" / "config.schema.json": to_json(_schema(AbyssalConfig)),
        root / "workflow" / "schemas" / "samples.schema.json": to_json(_schema(SheetRow)),
        readme: _TABLE.sub(lambda found: f"{found[1]}{tables[found[2]]}{found[3]}", readme.read_text(encoding="utf-8")),
    }


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}


def main() -> int:
    """Write the generated files."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    for target, text in generated_files(root).items():
        write_text(target, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

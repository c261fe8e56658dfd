"""The table of settings that the README shows: ``python -m abyssal_server.settings_table`` prints it."""

from __future__ import annotations

import sys
from pathlib import Path

from annotated_types import Ge, Gt, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from abyssal_server.settings import ServerSettings

_FLAGS = ("host", "port", "device", "admin_token_file", "keys_file", "tls_cert", "tls_key", "tls_client_ca")


def markdown_table() -> str:
    """Return one row a setting of the service: variable, flag, default, range, meaning."""
    rows = ["| variable | flag | default | range | meaning |", "|---|---|---|---|---|"]
    for name, field in ServerSettings.model_fields.items():
        flag = "`--bundle`" if name == "model_path" else f"`--{name.replace('_', '-')}`" if name in _FLAGS else ""
        cells = (f"`{ServerSettings.variable(name)}`", flag, _default(field), _range(field), field.description or "")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(needed)"
    value = field.default
    if isinstance(value, SecretStr) or value in (None, ""):
        return ""
    if field.default_factory is not None:
        return "`~/.cache/abyssal/bundles`"
    return f"`{value}`" if not isinstance(value, Path) else str(value)


def _range(field: FieldInfo) -> str:
    bounds = []
    for limit in field.metadata:
        if isinstance(limit, Ge):
            bounds.append(f"≥ {limit.ge}")
        elif isinstance(limit, Gt):
            bounds.append(f"> {limit.gt}")
        elif isinstance(limit, Le):
            bounds.append(f"≤ {limit.le}")
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(choices)
    return ", ".join(bounds)


if __name__ == "__main__":
    sys.stdout.write(markdown_table())

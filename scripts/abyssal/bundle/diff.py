"""What changed between two bundles: identity, data, config, code, metrics and the files themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from abyssal.bundle.card import flatten_numbers
from abyssal.bundle.read import Bundle
from abyssal.bundle.write import CONFIG
from abyssal.errors import BundleError
from abyssal.files import read_json

METRICS = "metrics.json"


@dataclass(frozen=True)
class Change:
    """One thing that differs; None where one of the two bundles does not have it.

    Attributes:
        section: identity, data, config, code, metrics or files.
        key: what differs, by its dotted path or file name.
        before: value in the first bundle.
        after: value in the second bundle.
    """

    section: str
    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        """Return one line for a terminal."""
        if isinstance(self.before, float | int) and isinstance(self.after, float | int) and self.section == "metrics":
            return f"{self.key}: {self.before:.6g} -> {self.after:.6g} ({self.after - self.before:+.3g})"
        return f"{self.key}: {_short(self.before)} -> {_short(self.after)}"


def diff_bundles(before: Bundle, after: Bundle) -> list[Change]:
    """Return all changes in the order identity, data, config, code, metrics, files; empty for equal bundles."""
    first, second = before.manifest.model_dump(), after.manifest.model_dump()
    identity = ("name", "version", "marker", "ranks", "facts", "format_version")
    changes = _compare("identity", _flatten(_take(first, identity)), _flatten(_take(second, identity)))
    changes += _compare("data", first["data_digests"], second["data_digests"])
    changes += _compare("config", _config(before), _config(after))
    code = ("code_version", "encoder_digest", "tool_versions")
    changes += _compare("code", _flatten(_take(first, code)), _flatten(_take(second, code)))
    changes += _compare("metrics", _metrics(before), _metrics(after))
    return changes + _compare("files", _files(first), _files(second))


def _take(fields: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: fields[key] for key in keys}


def _config(bundle: Bundle) -> dict[str, Any]:
    return _flatten(_read(bundle, CONFIG))


def _metrics(bundle: Bundle) -> dict[str, Any]:
    return dict(flatten_numbers(_read(bundle, METRICS)))


def _read(bundle: Bundle, name: str) -> Any:
    try:
        return read_json(bundle.directory / name)
    except ValueError as error:
        message = f"{bundle.directory}: {name}: not JSON ({error}); write the bundle again"
        raise BundleError(message) from error


def _files(manifest: Mapping[str, Any]) -> dict[str, str]:
    return {path: f"{entry['sha256'][:12]} ({entry['size']} bytes)" for path, entry in manifest["files"].items()}


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return leaves of nested mappings by dotted path; a list is a leaf."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    leaves: dict[str, Any] = {}
    for key in value:
        leaves |= _flatten(value[key], f"{prefix}.{key}" if prefix else str(key))
    return leaves


def _compare(section: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    return [
        Change(section, key, before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def _short(value: Any) -> str:
    if value is None:
        return "(none)"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 48 else f"{text[:16]}..."

"""From a mapping to a checked configuration; every problem at once, typos with the key that was probably meant."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from abyssal.config.models import AbyssalConfig
from abyssal.errors import ConfigError

_SECTION_WANTED = ("model_type", "dict_type")


def load_config(values: Mapping[str, Any], *, source: str = "config") -> AbyssalConfig:
    """Validate a configuration.

    Args:
        values: parsed YAML.
        source: what error messages call it.

    Raises:
        ConfigError: lists every unknown key (with the nearest valid one) and every value out of range; or the screens
            that compare with a reference where no marker has one.
    """
    try:
        config = AbyssalConfig.model_validate(dict(values))
    except ValidationError as error:
        raise _refused(source, [_describe(problem) for problem in error.errors()]) from error
    idle = _screens_without_reference(config)
    if idle:
        raise _refused(source, idle)
    return config


def _refused(source: str, lines: Sequence[str]) -> ConfigError:
    return ConfigError(f"{source} has {len(lines)} problem(s):\n" + "\n".join(f"  - {line}" for line in lines))


def _screens_without_reference(config: AbyssalConfig) -> list[str]:
    """Say which screens were asked for that nothing could be compared with: every ASV would pass them unseen."""
    if any(marker.reference is not None for marker in config.markers.values()):
        return []
    chimeras, screen = config.preprocess.chimeras, config.preprocess.screen
    asked = {
        "preprocess.chimeras.reference": chimeras is not None and chimeras.reference,
        "preprocess.screen.reference_identity": screen.reference_identity is not None,
    }
    wanted = "compares ASVs with a reference, and no marker has one; give markers.<marker>.reference, or leave it out"
    return [f"{key}: {wanted}" for key, given in asked.items() if given]


def _describe(problem: ErrorDetails) -> str:
    location = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        return _describe_unknown_key(problem["loc"])
    if problem["type"] == "missing":
        return f"{location}: missing; {problem['msg']}"
    if problem["type"] in _SECTION_WANTED:
        found = "empty" if problem["input"] is None else f"got {problem['input']!r}"
        return f"{location}: {found}; expected keys indented below it, or {{}} for all defaults"
    hint = "; write it in quotes" if problem["type"] == "string_type" and problem["input"] is not None else ""
    return f"{location}: {problem['msg']} (got {problem['input']!r}){hint}"


def _describe_unknown_key(location: Sequence[str | int]) -> str:
    *parents, key = location
    valid = _keys_at(parents)
    near = difflib.get_close_matches(str(key), valid, n=1, cutoff=0.0)
    path = ".".join(map(str, location))
    meant = ".".join([*map(str, parents), near[0]]) if near else "nothing is allowed here"
    return f"{path}: unknown key; did you mean {meant}? Allowed here: {', '.join(valid)}"


def _keys_at(path: Sequence[str | int]) -> list[str]:
    model: type[BaseModel] | None = AbyssalConfig
    in_mapping = False
    for part in path:
        if in_mapping:
            in_mapping = False
            continue
        if model is None or str(part) not in model.model_fields:
            return []
        annotation = model.model_fields[str(part)].annotation
        model, in_mapping = model_of(annotation)
    return sorted(model.model_fields) if model is not None else []


def model_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the model behind an annotation, and whether it is the value type of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin = typing.get_origin(annotation)
    if origin is dict:
        return model_of(typing.get_args(annotation)[1])[0], True
    if origin in (typing.Union, types.UnionType):
        models = [model_of(part) for part in typing.get_args(annotation)]
        return next((found for found in models if found[0] is not None), (None, False))
    return None, False

"""What a training job may be asked for: presets, and the part of the config that a user may set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from abyssal.config.models import AbyssalConfig
from abyssal_server.errors import InvalidRequest, Missing
from abyssal_server.gateway.problems import FieldProblem, InvalidFields

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLES = "samples.tsv"
_SHIPPED = "resources/"
_OWN = {"samples": "the dataset", "package": "the server", "pretrain": "its own target", "benchmark": "its own target"}
_MOST_PROBLEMS = 20
_WHOLE_CONFIG = ("study", "task", "seed", "markers", "preprocess", "encoder", "cluster", "train", "fallback",
                 "evaluate", "regression")  # fmt: skip


def presets(repository: Path = REPOSITORY) -> dict[str, dict[str, Any]]:
    """Return the configs that can be trained with what ships: those whose reference lies in resources/."""
    found = {}
    for path in [repository / "config" / "config.yaml", *sorted((repository / "config" / "examples").glob("*.yaml"))]:
        text = path.read_text(encoding="utf-8")
        config = yaml.safe_load(text)
        if not isinstance(config, dict) or not _is_shipped(config, repository):
            continue
        for marker in config["markers"].values():
            marker.pop("truth", None)
        values = {key: config[key] for key in _WHOLE_CONFIG if key in config}
        name = "demo" if path.stem == "config" else path.stem
        comment = text.splitlines()[0].lstrip("# ") if text.startswith("#") else name
        found[name] = {"description": comment, "config": values}
    return found


def _is_shipped(config: Mapping[str, Any], repository: Path) -> bool:
    references = [(marker or {}).get("reference") for marker in config.get("markers", {}).values()]
    paths = [str(one[key]) for one in references if one for key in ("fasta", "lineages") if one.get(key)]
    return bool(paths) and all(path.startswith(_SHIPPED) and (repository / path).is_file() for path in paths)


@cache
def config_schema() -> dict[str, Any]:
    """Return the JSON schema of the config."""
    return AbyssalConfig.model_json_schema()


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another; a null takes a key away."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def training_config(
    preset: str | None, over: Mapping[str, Any], files: Mapping[str, str], *, version: str
) -> dict[str, Any]:
    """Return the whole checked config of a run.

    Args:
        preset: name of a preset, None for none.
        over: what the user lays over it.
        files: names of the dataset's files to their neutral names; paths in the config may name them.
        version: of the bundle.

    Raises:
        InvalidFields: values that are wrong or that users may not set, each with its pointer.
        Missing: there is no such preset.
    """
    base: dict[str, Any] = {}
    if preset is not None:
        known = presets()
        if preset not in known:
            raise Missing(kind="preset", name=preset)
        base = known[preset]["config"]
    problems = [_not_yours(key) for key in sorted(over.keys() & _OWN.keys())]
    config = merged(base, {key: value for key, value in over.items() if key not in _OWN})
    config.setdefault("study", "study")
    config["samples"] = SAMPLES
    config["package"] = {"version": version}
    try:
        checked = AbyssalConfig.model_validate(config)
    except ValidationError as error:
        problems += [
            FieldProblem(detail=one["msg"], pointer="/".join(("#/config", *map(str, one["loc"]))))
            for one in error.errors(include_url=False, include_input=False)
        ]
    else:
        problems += _path_problems(config, checked, files)
    if problems:
        raise InvalidFields(problems[:_MOST_PROBLEMS])
    return config


def _not_yours(key: str) -> FieldProblem:
    return FieldProblem(detail=f"set by {_OWN[key]}; leave it out", pointer=f"#/config/{key}")


def _path_problems(config: dict[str, Any], checked: AbyssalConfig, files: Mapping[str, str]) -> list[FieldProblem]:
    """Replace the dataset's names in a config by neutral ones; everything else that names a path is a problem."""
    problems = []
    for name, marker in config["markers"].items():
        reference = (marker or {}).get("reference") or {}
        for key in ("fasta", "lineages"):
            value = reference.get(key)
            if value is None or _is_resource(value):
                continue
            if value in files:
                reference[key] = f"data/{files[value]}"
            else:
                detail = f"{str(value)[:100]!r}: neither a file of the dataset nor one that ships in resources/"
                problems.append(FieldProblem(detail=detail, pointer=f"#/config/markers/{name}/reference/{key}"))
        if (marker or {}).get("truth"):
            problems.append(FieldProblem(detail="leave it out", pointer=f"#/config/markers/{name}/truth"))
    if not _is_resource(checked.encoder.name) or checked.encoder.trust_remote_code:
        detail = "expected an encoder that ships, resources/encoders/..."
        problems.append(FieldProblem(detail=detail, pointer="#/config/encoder"))
    if checked.cluster.previous is not None:
        problems.append(FieldProblem(detail="leave it out", pointer="#/config/cluster/previous"))
    return problems


def _is_resource(value: object) -> bool:
    if not isinstance(value, str) or not value.startswith(_SHIPPED) or ".." in value.split("/"):
        return False
    return (REPOSITORY / value).exists()


def check_markers(config: Mapping[str, Any], markers: Sequence[str]) -> None:
    """Refuse a dataset whose sheet names markers that the config lacks.

    Raises:
        InvalidRequest: names them.
    """
    unknown = sorted(set(markers) - config["markers"].keys())
    if unknown:
        known = ", ".join(config["markers"])
        message = f"the sample sheet has the markers {', '.join(unknown)}; the config has {known}"
        raise InvalidRequest(message, field="#/config/markers")

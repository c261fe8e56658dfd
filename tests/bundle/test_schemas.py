"""Schemas are what the code reads and writes; bundles of released formats still open; the prose names every file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from abyssal.bundle.golden import self_test
from abyssal.bundle.manifest import FORMAT_VERSION, Manifest
from abyssal.bundle.provenance import study_config, study_provenance
from abyssal.bundle.read import open_bundle
from abyssal.bundle.registry import Labels
from abyssal.bundle.schemas import FOLDER, SCHEMAS, ConfigFile, LabelsFile, Provenance, schema_text
from abyssal.config.load import load_config

KEPT = Path(__file__).parent / "kept"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_up_to_date(name: str) -> None:
    assert (FOLDER / f"{name}.schema.json").read_text() == schema_text(name), "run: python -m abyssal.bundle.schemas"


def test_every_field_of_the_manifest_is_described() -> None:
    undescribed = [name for name, field in Manifest.model_fields.items() if not field.description]
    assert undescribed == ["marker"]


def test_what_is_written_fits_its_schema(tmp_path: Path) -> None:
    LabelsFile.model_validate(json.loads(Labels("1", None, ("0",)).to_bytes()))
    settings = load_config({"study": "s", "samples": "s.tsv", "markers": {"18S-V4-Zingone": {}}})
    ConfigFile.model_validate(study_config(settings, "18S-V4-Zingone"))
    (tmp_path / "x").write_text("x")
    found = study_provenance(config={}, inputs={}, outputs={"x": tmp_path / "x"}, libraries=None, rules=[])
    Provenance.model_validate(found)


def test_a_bundle_of_every_released_format_is_kept(repository: Path) -> None:
    assert {path.name for path in KEPT.iterdir()} == {f"format-{n}" for n in range(1, FORMAT_VERSION + 1)}


@pytest.mark.parametrize("kept", sorted(KEPT.iterdir()), ids=lambda path: path.name)
def test_kept_bundles_open_and_answer_as_they_did(kept: Path, load_model: Callable) -> None:
    bundle = open_bundle(kept)
    assert bundle.manifest.format_version == int(kept.name.removeprefix("format-"))
    assert self_test(load_model(kept), bundle).sequences == 13


def test_the_prose_names_every_file_and_every_key(bundle: Path, repository: Path) -> None:
    prose = (repository / "scripts/abyssal/bundle/FORMAT.md").read_text()
    missing = [path for path in open_bundle(bundle).manifest.files if f"`{path}`" not in prose]
    missing += [key for key in Manifest.model_fields if f"`{key}`" not in prose]
    assert missing == []

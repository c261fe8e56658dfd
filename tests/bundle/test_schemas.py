"""Schemas are what the code reads and writes; bundles of released formats still open; the prose names every file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from tests.bundle.keep import main as write_kept

from abyssal.bundle.golden import self_test
from abyssal.bundle.manifest import FORMAT_VERSION, Manifest
from abyssal.bundle.provenance import study_config, study_provenance
from abyssal.bundle.read import open_bundle
from abyssal.bundle.registry import Labels
from abyssal.bundle.schemas import FOLDER, SCHEMAS, ConfigFile, LabelsFile, Provenance, schema_text
from abyssal.config.load import load_config
from abyssal.files import read_json
from abyssal.taxonomy.classifier import Classifier

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


def test_a_bundle_of_every_released_format_is_kept() -> None:
    kept = {open_bundle(path).manifest.format_version for path in KEPT.iterdir()}
    assert kept == set(range(1, FORMAT_VERSION + 1))


@pytest.mark.parametrize("kept", sorted(KEPT.iterdir()), ids=lambda path: path.name)
def test_kept_bundles_open_and_answer_as_they_did(kept: Path) -> None:
    """They are real: see keep.py, which wrote each with the library of its day."""
    bundle = open_bundle(kept)
    assert kept.name.split("-")[:2] == ["format", str(bundle.manifest.format_version)]
    classifier = Classifier.load(kept)
    early = kept.name.endswith("without-shifts")
    assert self_test(classifier, bundle).sequences == (24 if early else 32)
    assert (classifier.model.index.taxa.added is None) == early
    calibration = read_json(kept / "calibration.json")
    assert ("right_shifts" in calibration) != early
    assert classifier.model.stepwise == ("stepwise" not in calibration) == (kept.name != f"format-{FORMAT_VERSION}")


def test_a_bundle_written_today_is_like_the_kept_one(tmp_path: Path) -> None:
    """When this fails, what a bundle holds has changed: see the version policy in FORMAT.md, and keep one of today."""
    write_kept(tmp_path / "today")
    today, newest = open_bundle(tmp_path / "today"), open_bundle(KEPT / f"format-{FORMAT_VERSION}")
    assert today.manifest.files.keys() == newest.manifest.files.keys()
    for name in ("calibration.json", "preprocessing.json"):
        assert read_json(today.directory / name).keys() == read_json(newest.directory / name).keys()
    arrays = [set(load_file(bundle.directory / "classifier.safetensors")) for bundle in (today, newest)]
    assert arrays[0] == arrays[1]


def test_the_prose_names_every_file_and_every_key(bundle: Path, repository: Path) -> None:
    prose = (repository / "scripts/abyssal/bundle/FORMAT.md").read_text()
    missing = [path for path in open_bundle(bundle).manifest.files if f"`{path}`" not in prose]
    missing += [key for key in Manifest.model_fields if f"`{key}`" not in prose]
    assert missing == []

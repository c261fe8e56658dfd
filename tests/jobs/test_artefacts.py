"""What people look at after a run: kept for jobs and for bundles whose results lie beside them, old ones mended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.exported_study import MARKER, write_study

from abyssal.files import sha256_file
from abyssal.stores.objects import ObjectStore
from abyssal_server.gateway.settings import GatewaySettings
from abyssal_server.jobs.artefacts import (
    CLASSIFICATION,
    STUDY,
    keep_artefacts,
    keep_study_of_bundle,
    read_study_values,
)
from abyssal_server.places import Places

JOB = "f" * 32


@pytest.fixture
def finished(tmp_path: Path, tiny_bundle: Path) -> tuple[Places, Path]:
    """Stores, and the results of a run with its bundle."""
    folder = write_study(tmp_path)
    shutil.copytree(tiny_bundle, folder / "bundle")
    return Places(GatewaySettings.model_validate({"server": "127.0.0.1:1", "data": tmp_path / "data"})), folder


def test_a_run_leaves_the_numbers_behind_its_pictures(finished: tuple[Places, Path]) -> None:
    places, folder = finished
    keep_artefacts(places, JOB, folder.parent, [MARKER])
    study = json.loads(read_study_values(places.objects(f"jobs/{JOB}/{MARKER}")) or b"")
    assert [sample["name"] for sample in study["samples"]] == ["north", "south", "empty", "mock"]
    assert study["taxa"][0]["names"]["genus"] == "Calanus"
    assert sum(sum(taxon["reads"]) for taxon in study["taxa"]) == sum(sample["reads"] for sample in study["samples"])
    assert read_study_values(places.objects("jobs/none")) is None
    places.close()


def test_studies_kept_before_names_had_ranks_get_them(finished: tuple[Places, Path], tmp_path: Path) -> None:
    places, folder = finished
    keep_artefacts(places, JOB, folder.parent, [MARKER])
    now = places.objects(f"jobs/{JOB}/{MARKER}")
    new = json.loads(read_study_values(now) or b"")
    old = places.objects("old")
    nameless = [{key: value for key, value in taxon.items() if key != "names"} for taxon in new["taxa"]]
    _put(old, STUDY, tmp_path / "study", json.dumps({**new, "taxa": nameless}))
    _put(old, CLASSIFICATION, tmp_path / "table", (folder / "taxonomy.tsv").read_text())
    assert json.loads(read_study_values(old) or b"") == new
    places.close()


def test_a_bundle_brings_the_study_that_lies_beside_it(finished: tuple[Places, Path], tiny_bundle: Path) -> None:
    places, folder = finished
    keep_study_of_bundle(places, folder / "bundle", "d" * 64)
    keep_study_of_bundle(places, tiny_bundle, "e" * 64)
    assert json.loads(read_study_values(places.objects("models/" + "d" * 64)) or b"")["study"] == "cruise"
    assert read_study_values(places.objects("models/" + "e" * 64)) is None
    places.close()


def test_results_that_cannot_be_read_do_not_stop_anything(finished: tuple[Places, Path]) -> None:
    places, folder = finished
    (folder / "load" / "libraries.tsv").write_text("sample\n")
    keep_study_of_bundle(places, folder / "bundle", "d" * 64)
    assert read_study_values(places.objects("models/" + "d" * 64)) is None
    places.close()


def _put(kept: ObjectStore, key: str, path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    kept.put_file(key, path, sha256=sha256_file(path))

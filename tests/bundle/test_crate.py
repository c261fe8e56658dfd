"""The RO-Crate of a study: every reference resolves, every hash fits, nothing is claimed that is not there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from abyssal.bundle.provenance import study_provenance
from abyssal.files import sha256_file, write_json


@pytest.fixture
def study(bundle: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "results/demo/18S-V4"
    (folder / "preprocess").mkdir(parents=True)
    (folder / "preprocess/asvs.fasta").write_text(">a\nACGT\n")
    (folder / "report.html").write_text("<!doctype html>\n")
    shutil.copytree(bundle, folder / "bundle")
    reference = tmp_path / "reference.fasta"
    reference.write_text(">r\nACGT\n")
    record = study_provenance(
        config={"study": "demo", "marker": {"name": "18S-V4"}}, inputs={"reference": reference},
        outputs={"asvs": folder / "preprocess/asvs.fasta"}, libraries=None,
        rules=[{"name": "package", "inputs": [], "outputs": []}],
    )  # fmt: skip
    write_json(folder / "provenance.json", record)
    return folder


def references(value: Any) -> Iterator[str]:
    """Yield all ids that entities point to."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        yield value["@id"]


def test_a_study_is_described_as_a_crate(run: Callable, study: Path, tmp_path: Path) -> None:
    result = run("bundle", "crate", study, "--date", "2026-01-31")
    assert result.code == 0
    graph = json.loads((study / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph)
    pointed = {
        target for entity in graph for key, value in entity.items() if isinstance(value, dict | list) and key[0] != "@"
        for target in references(value)
    }  # fmt: skip
    assert pointed - entities.keys() == {"https://w3id.org/ro/crate/1.1"}
    assert entities["./"]["datePublished"] == "2026-01-31"
    files = [entity for entity in graph if entity["@type"] == "File" and not entity["@id"].startswith("urn:")]
    assert {"bundle/manifest.json", "preprocess/asvs.fasta", "report.html"} <= {entity["@id"] for entity in files}
    for entity in files:
        assert entity["sha256"] == sha256_file(study / entity["@id"])
    assert entities["#run"]["instrument"] == {"@id": "#abyssal"}
    assert f"urn:sha256:{sha256_file(tmp_path / 'reference.fasta')}" in set(references(entities["#run"]["object"]))
    assert str(tmp_path) not in json.dumps(graph)


def test_a_folder_without_provenance_is_the_users_mistake(run: Callable, tmp_path: Path) -> None:
    result = run("bundle", "crate", tmp_path)
    assert result.code == 2
    assert "provenance.json" in result.err


def test_a_damaged_record_is_named(run: Callable, study: Path) -> None:
    (study / "provenance.json").write_text('{"format": "x"}')
    result = run("bundle", "crate", study)
    assert result.code == 1
    assert "provenance.json: not a provenance record" in result.err

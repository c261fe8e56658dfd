"""The RO-Crate of a study: every reference resolves, every hash fits, nothing is claimed that is not there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rocrate.rocrate import ROCrate

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
    assert pointed - entities.keys() == {
        "https://w3id.org/ro/crate/1.1", "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
    }  # fmt: skip
    assert entities["./"]["datePublished"] == "2026-01-31"
    files = [entity for entity in graph if "File" in entity["@type"] and not entity["@id"].startswith("urn:")]
    assert {"bundle/manifest.json", "preprocess/asvs.fasta", "report.html"} <= {entity["@id"] for entity in files}
    for entity in files:
        assert entity["sha256"] == sha256_file(study / entity["@id"])
    assert not [part for part in references(entities["#run"]["result"]) if part.startswith("workflow/")]
    assert f"urn:sha256:{sha256_file(tmp_path / 'reference.fasta')}" in set(references(entities["#run"]["object"]))
    assert str(tmp_path) not in json.dumps(graph)


def test_another_reader_finds_the_properties_that_the_profiles_require(
    run: Callable, study: Path, repository: Path
) -> None:
    """Process Run Crate 0.5, Workflow Run Crate 0.5 and Workflow RO-Crate 1.0, read by the reference library."""
    run("bundle", "crate", study, "--date", "2026-01-31")
    crate = ROCrate(study)
    root = crate.root_dataset
    assert {profile.id for profile in root["conformsTo"]} >= {
        "https://w3id.org/ro/wfrun/process/0.5", "https://w3id.org/ro/wfrun/workflow/0.5",
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
    }  # fmt: skip
    for name in ("name", "description", "license", "datePublished"):
        assert root[name], name
    workflow = crate.mainEntity
    assert set(workflow.type) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert workflow["programmingLanguage"]["name"] == "Snakemake"
    assert workflow in root["hasPart"]
    assert (study / workflow.id).read_bytes() == (repository / workflow.id).read_bytes()
    actions = [entity for entity in crate.get_entities() if entity.type == "CreateAction"]
    mentioned = root["mentions"]
    assert actions == (mentioned if isinstance(mentioned, list) else [mentioned])
    (action,) = actions
    assert action["instrument"] == workflow
    assert action["object"]
    assert {"bundle/manifest.json", "report.html"} <= {result.id for result in action["result"]}
    tool = crate.dereference("#abyssal")
    assert tool["name"]
    assert tool["softwareVersion"]


def test_a_study_of_other_code_is_described_from_its_own_checkout(run: Callable, study: Path) -> None:
    record = json.loads((study / "provenance.json").read_text())
    write_json(study / "provenance.json", {**record, "code_version": "0.0.1+0123456789abcdef"})
    result = run("bundle", "crate", study)
    assert result.code == 2
    assert "made by Abyssal 0.0.1+0123456789abcdef" in result.err


def test_a_folder_without_provenance_is_the_users_mistake(run: Callable, tmp_path: Path) -> None:
    result = run("bundle", "crate", tmp_path)
    assert result.code == 2
    assert "provenance.json" in result.err


def test_a_damaged_record_is_named(run: Callable, study: Path) -> None:
    (study / "provenance.json").write_text('{"format": "x"}')
    result = run("bundle", "crate", study)
    assert result.code == 1
    assert "provenance.json: not a provenance record" in result.err

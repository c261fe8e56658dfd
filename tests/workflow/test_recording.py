"""A study and the metadata store: recorded where one is configured, finished and honest where it is down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.mongo_server import mongo_server
from support.study import Study

from abyssal.bundle.read import open_bundle
from abyssal.files import sha256_file
from abyssal.stores.collections import DATASETS, MODELS, RUNS
from abyssal.stores.open import open_metadata_store

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1200)]

RECEIPTS = ("load/recorded.json", "recorded.json")


@pytest.fixture
def study(finished_study: Study, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """The finished study, left as it was found."""
    for name in ("MONGO_URL", "ABYSSAL_METADATA"):
        monkeypatch.delenv(name, raising=False)
    yield finished_study
    finished_study.write()
    for name in RECEIPTS:
        (finished_study.results / name).unlink(missing_ok=True)


def receipts(study: Study) -> list[dict[str, object]]:
    return [json.loads((study.results / name).read_text()) for name in RECEIPTS]


@pytest.mark.mongo
def test_a_run_whose_store_died_finishes_and_says_what_was_not_recorded(
    study: Study, run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mongo_server(tmp_path / "mongo") as server:
        server.kill()
        monkeypatch.setenv("MONGO_URL", server.url("records"))
        done = study.snakemake()
    digest = open_bundle(study.results / "bundle").digest
    assert f"WARNING: not recorded: models/{digest}, runs/" in done.stdout + done.stderr
    datasets, models = receipts(study)
    assert datasets["recorded"] == models["recorded"] == []
    assert len(datasets["not_recorded"]) == 3  # type: ignore[arg-type]
    monkeypatch.delenv("MONGO_URL")
    added = run("records", "add", study.results, "--store", tmp_path / "records.sqlite")
    assert added.out.count("recorded ") == 5


def test_a_run_records_datasets_run_and_model_linked_by_digests(study: Study, tmp_path: Path) -> None:
    study.write(package={"metadata": str(tmp_path / "records.sqlite")})
    planned = study.snakemake("-n").stdout
    assert "rule package" not in planned, "where records go changes no result"
    study.snakemake()
    assert [receipt["problem"] for receipt in receipts(study)] == ["", ""]
    store = open_metadata_store(str(tmp_path / "records.sqlite"))
    bundle = open_bundle(study.results / "bundle")
    model, run = store.get(MODELS, bundle.digest), store.find(RUNS)[0]
    assert model
    assert (model["name"], run["model"]) == (bundle.name, bundle.digest)
    assert run["_id"] == sha256_file(study.results / "provenance.json")
    known = {document["_id"] for document in store.find(DATASETS)}
    assert sha256_file(study.results / "load/reference.fasta.gz") in known
    assert known <= set(run["datasets"])
    store.close()

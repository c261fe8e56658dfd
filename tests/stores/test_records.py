"""What a study leaves in the metadata store, and what becomes of it when the store is down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.mongo_server import MongoServer, mongo_server
from support.tiny_bundle import make_tiny_bundle

from abyssal.bundle.provenance import study_provenance
from abyssal.bundle.read import open_bundle
from abyssal.files import sha256_file, write_json
from abyssal.stores.collections import DATASETS, MODELS, RUNS
from abyssal.stores.open import open_metadata_store
from abyssal.stores.study_records import dataset_records, record, run_records

REFERENCE = {"name": "pr2", "version": "5"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's directory with a real bundle in it."""
    folder = tmp_path_factory.mktemp("made")
    directory = folder / "results" / "reef" / "toy"
    (directory / "load").mkdir(parents=True)
    make_tiny_bundle(folder / "tiny").rename(directory / "bundle")
    (directory / "load/reference.fasta.gz").write_bytes(b"sequences")
    (directory / "load/lineages.tsv").write_text("amplicon\taccession\tdomain\n")
    (directory / "load/libraries.tsv").write_text(f"library\tr1_sha256\tr2_sha256\nwater\t{'a' * 64}\t{'b' * 64}\n")
    config = {"study": "reef", "marker": {"name": "toy", "reference": REFERENCE}}
    write_json(
        directory / "provenance.json",
        study_provenance(config=config, inputs={}, outputs={}, libraries=None, rules=[]),
    )
    return directory


@pytest.fixture(params=["sqlite", pytest.param("nx-27017", marks=pytest.mark.mongo)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "records.sqlite")
    server: MongoServer = request.getfixturevalue("mongo")
    return server.url(f"records-{tmp_path.name[-20:]}")


@pytest.fixture
def dead_mongo(tmp_path: Path) -> Iterator[str]:
    """The address of a server that was there a moment ago."""
    with mongo_server(tmp_path / "dead") as server:
        server.kill()
        yield server.url("records")


def records_of(study: Path) -> list:
    return [*dataset_records(study, REFERENCE), *run_records(study)]


def test_records_are_linked_by_digests(study: Path, location: str) -> None:
    receipt = record(location, records_of(study))
    assert not receipt.not_recorded
    store = open_metadata_store(location)
    run = store.find(RUNS)[0]
    assert run["_id"] == sha256_file(study / "provenance.json")
    assert run["model"] == open_bundle(study / "bundle").digest
    model = store.get(MODELS, run["model"])
    assert model
    assert (model["name"], model["version"], model["marker"]) == ("toy", "1", "toy")
    datasets = {one["kind"]: one for one in store.find(DATASETS)}
    assert datasets["reference sequences"]["_id"] == sha256_file(study / "load/reference.fasta.gz")
    assert datasets["reference lineages"]["name"] == "pr2"
    assert datasets["reads"]["files"] == 2
    store.close()


def test_recording_again_adds_nothing_but_new_registries(study: Path, location: str) -> None:
    record(location, records_of(study))
    write_json(study / "published.json", {"registry": "s3://bucket/bundles"})
    try:
        assert record(location, records_of(study)).problem == ""
        record(location, records_of(study))
    finally:
        (study / "published.json").unlink()
    record(location, records_of(study))
    store = open_metadata_store(location)
    assert [store.count(one) for one in (DATASETS, RUNS, MODELS)] == [3, 1, 1]
    assert store.find(MODELS)[0]["published"] == ["s3://bucket/bundles"]
    store.close()


@pytest.mark.mongo
def test_a_store_that_is_down_is_stated_and_raises_nothing(study: Path, dead_mongo: str) -> None:
    receipt = record(dead_mongo, records_of(study))
    assert receipt.recorded == ()
    assert [name.partition("/")[0] for name in receipt.not_recorded] == ["datasets"] * 3 + ["models", "runs"]
    assert dead_mongo in receipt.problem


def test_the_command_lists_shows_and_adds(run: Callable, study: Path, location: str) -> None:
    added = run("records", "add", study, "--store", location)
    assert added.code == 0
    assert added.out.count("recorded ") == 5
    digest = open_bundle(study / "bundle").digest
    assert digest in run("records", "list", "models", "--store", location).out
    assert run("records", "list", "datasets", "--store", location).out.count("\n") == 3
    shown = json.loads(run("records", "show", digest, "--store", location).out)
    assert shown["models"]["_id"] == digest
    assert [one["model"] for one in shown["runs"]] == [digest]
    missing = run("records", "show", "0" * 64, "--store", location)
    assert missing.code == 2
    assert "abyssal records list" in missing.err


def test_the_command_says_what_it_could_not_record(run: Callable, study: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no database, but long enough to be looked at by SQLite" * 20)
    result = run("records", "add", study, "--store", tmp_path / "store")
    assert result.code == 1
    assert result.err.count("not recorded ") == 5


def test_mistakes_are_one_line_and_exit_code_2(
    run: Callable, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MONGO_URL", "ABYSSAL_METADATA"):
        monkeypatch.delenv(name, raising=False)
    for arguments, problem in [
        (("list", "runs"), "--store"),
        (("list", "runs", "--store", tmp_path / "none.sqlite"), "none.sqlite: no such file"),
        (("add", tmp_path, "--store", tmp_path / "x.sqlite"), "provenance.json"),
    ]:
        result = run("records", *arguments)
        assert result.code == 2
        assert result.err.count("\n") == 1
        assert problem in result.err

"""Reads that lie in an S3-compatible store and a bundle that goes to one, on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.study import MARKER, Study, small_study
from tests.bundle.s3_server import BUCKET, S3Server, s3_server

from abyssal.bundle.registry import open_registry

pytestmark = [pytest.mark.s3, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A store."""
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def remote_study(
    repository: Path, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Study, Study]:
    """The small study with its reads in the store, and the same study with them on this machine."""
    for key, value in server.environment.items():
        monkeypatch.setenv(key, value)
    studies = []
    for place in ("remote", "local"):
        (tmp_path / place).mkdir()
        studies.append(small_study(repository, tmp_path / place))
    sheet = tmp_path / "remote" / "samples.tsv"
    header, *rows = (line.split("\t") for line in sheet.read_text().splitlines())
    for row in rows:
        for column in ("r1", "r2"):
            file = Path(row[header.index(column)])
            server.client().fput_object(BUCKET, f"runs/2026/{file.name}", str(file))
            row[header.index(column)] = f"s3://{BUCKET}/runs/2026/{file.name}"
    sheet.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]))
    return studies[0], studies[1]


def test_reads_from_a_store_give_the_same_table(remote_study: tuple[Study, Study]) -> None:
    tables = []
    for study in remote_study:
        study.snakemake(f"results/small/{MARKER}/preprocess/asv_table.tsv")
        tables.append((study.results / "preprocess" / "asv_table.tsv").read_bytes())
    assert tables[0] == tables[1]
    remote, local = (
        [line.split("\t") for line in (study.results / "load" / "libraries.tsv").read_text().splitlines()]
        for study in remote_study
    )
    address, digest = remote[0].index("r1"), remote[0].index("r1_sha256")
    assert [row[digest] for row in remote] == [row[digest] for row in local]
    assert all(row[address].startswith(f"s3://{BUCKET}/runs/2026/") for row in remote[1:])
    again = remote_study[0].snakemake(f"results/small/{MARKER}/preprocess/asv_table.tsv")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_an_object_that_is_not_there_is_named_in_the_plan(remote_study: tuple[Study, Study], server: S3Server) -> None:
    study, _ = remote_study
    gone = next(server.client().list_objects(BUCKET, prefix="runs/", recursive=True)).object_name
    assert gone is not None
    server.client().remove_object(BUCKET, gone)
    done = study.snakemake("-n", check=False)
    assert done.returncode != 0
    assert gone in done.stdout + done.stderr


@pytest.mark.slow
def test_from_a_store_to_a_store(remote_study: tuple[Study, Study], finished_study: Study) -> None:
    """Reads in, bundle out, and the same digest as on this machine alone."""
    remote, _ = remote_study
    remote.write(package={"registry": f"s3://{BUCKET}/registry"})
    remote.snakemake()
    receipt = json.loads((remote.results / "published.json").read_text())
    assert (remote.results / "bundle" / "manifest.json").read_bytes() == (
        finished_study.results / "bundle" / "manifest.json"
    ).read_bytes()
    registry = open_registry(f"s3://{BUCKET}/registry")
    assert {name: registry.versions(name) for name in registry.names()} == {receipt["name"]: [receipt["version"]]}
    assert registry.manifest(receipt["name"], receipt["version"])[1] == receipt["digest"]

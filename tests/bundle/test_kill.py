"""kill -9 at random moments of publish, fetch, activate and prune: the registry is always whole, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bundle.kill_storm import VERSIONS, Storm
from tests.bundle.s3_server import BUCKET, S3Server

from abyssal.bundle.registry import open_registry

KILLS_IN_CI = 8
KILLS_IN_ALL = 200
SECONDS_IN_DIRECTORY = 0.25
SECONDS_IN_S3 = 1.5
"""A round of publish, activate, fetch takes about this long; kills later than that would hit a registry at rest."""


@pytest.fixture
def written(make_bundle: Callable[..., Path], tmp_path: Path) -> Path:
    folder = tmp_path / "written"
    folder.mkdir()
    for version in range(1, VERSIONS + 1):
        make_bundle(folder / f"v{version}", version=str(version))
    return folder


def in_directory(tmp_path: Path, written: Path, kills: int, *, seed: int) -> None:
    root = tmp_path / "registry"
    storm = Storm(str(root), {}, written, tmp_path / "storm")
    storm.rage(kills, seed=seed, longest=SECONDS_IN_DIRECTORY)
    storm.finish()
    helpers = [path.name for path in (root / "demo").iterdir() if path.name.startswith(".")]
    assert sorted(helpers) == [".labels.json", ".labels.lock", ".uploads.lock"]


def in_s3(s3: S3Server, tmp_path: Path, written: Path, kills: int, *, seed: int) -> None:
    prefix = f"storm{seed}"
    storm = Storm(f"s3://{BUCKET}/{prefix}", s3.environment, written, tmp_path / "storm")
    storm.rage(kills, seed=seed, longest=SECONDS_IN_S3)
    storm.finish()
    expected = {f"{prefix}/.abyssal-registry.json", f"{prefix}/demo/.labels.json"}
    for version in storm.registry.versions("demo"):
        manifest, digest = storm.registry.manifest("demo", version)
        expected |= {f"{prefix}/demo/{version}/manifest.json"}
        expected |= {f"{prefix}/demo/{version}/{digest}/{path}" for path in manifest.files}
    listed = s3.client().list_objects(bucket_name=BUCKET, prefix=f"{prefix}/", recursive=True)
    assert {str(item.object_name) for item in listed} == expected


@pytest.mark.timeout(600)
def test_a_directory_survives_kill_9(tmp_path: Path, written: Path) -> None:
    in_directory(tmp_path, written, KILLS_IN_CI, seed=1)


@pytest.mark.s3
@pytest.mark.timeout(600)
def test_an_s3_store_survives_kill_9(s3: S3Server, tmp_path: Path, written: Path) -> None:
    in_s3(s3, tmp_path, written, KILLS_IN_CI // 2, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_directory_survives_200_times_kill_9(tmp_path: Path, written: Path) -> None:
    in_directory(tmp_path, written, KILLS_IN_ALL, seed=2)


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.timeout(3600)
def test_an_s3_store_survives_200_times_kill_9(s3: S3Server, tmp_path: Path, written: Path) -> None:
    in_s3(s3, tmp_path, written, KILLS_IN_ALL, seed=2)


def test_an_interrupted_prune_is_finished_by_the_next(tmp_path: Path, written: Path) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    for bundle in written.iterdir():
        registry.publish(bundle)
    leaving = tmp_path / "registry/demo/.leaving-1"
    leaving.mkdir()
    (tmp_path / "registry/demo/1").rename(leaving / "1")
    assert registry.versions("demo") == ["2", "3", "4", "5", "6"]
    registry.prune("demo", keep=100)
    assert not leaving.exists()

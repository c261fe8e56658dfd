"""The 14-sample 18S study through a real Slurm is the bundle that one machine makes, and one machine makes it soon."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from support.slurm_study import ClusterStudy
from support.study import Study

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.shared_data, pytest.mark.timeout(7200)]

NAME = "18s-carbom"


def study_of(repository: Path, shared_data: Path, folder: Path) -> Study:
    """The example's configuration, with the paths of its files made absolute."""
    folder.mkdir()
    text = (repository / "config" / "examples" / f"{NAME}.yaml").read_text()
    config = yaml.safe_load(text.replace("../shared/data", str(shared_data)))
    sheet = (repository / config["samples"]).read_text().replace("../shared/data", str(shared_data))
    (folder / "samples.tsv").write_text(sheet)
    config |= {"samples": "samples.tsv", "encoder": {"name": str(repository / "resources/encoders/abyssal-small")}}
    study = Study(repository, folder, config)
    study.write()
    return study


def digest(study: Study) -> str:
    return hashlib.sha256((study.results / "bundle" / "manifest.json").read_bytes()).hexdigest()


def test_the_real_study_through_slurm_is_the_local_bundle(
    repository: Path, shared_data: Path, cluster_study: ClusterStudy, tmp_path: Path
) -> None:
    local = study_of(repository, shared_data, tmp_path / "local")
    before, start = os.times(), time.perf_counter()
    local.snakemake()
    wall, after = time.perf_counter() - start, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    remote = replace(cluster_study, study=study_of(repository, shared_data, tmp_path / "slurm"))
    start = time.perf_counter()
    remote.run()
    print(f"local {wall:.0f} s, {processor:.0f} s of processors; through Slurm {time.perf_counter() - start:.0f} s")
    assert digest(remote.study) == digest(local)

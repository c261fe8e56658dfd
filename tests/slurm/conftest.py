"""One real Slurm for all tests of this folder, and the small study run through it as a user would."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.slurm_cluster import SlurmCluster, missing_programs
from support.slurm_study import ClusterStudy
from support.study import small_study


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A running cluster of two nodes."""
    absent = missing_programs()
    if absent:
        pytest.skip(f"no {', '.join(absent)}; apt-get install slurm-wlm slurmdbd munge mariadb-server")
    slurm = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        try:
            slurm.start()
        except (RuntimeError, TimeoutError, subprocess.SubprocessError) as error:
            pytest.skip(f"Slurm does not start on this machine: {error}")
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def cluster_study(repository: Path, cluster: SlurmCluster, tmp_path: Path) -> Iterator[ClusterStudy]:
    """A fresh small study, with the profile linked as ``make slurm-profile`` links it."""
    home = tmp_path / "home"
    for _ in range(2):  # it may be called again
        subprocess.run(
            ["make", "--no-print-directory", "slurm-profile"],
            cwd=repository, check=True, env={**os.environ, "XDG_CONFIG_HOME": str(home)},
        )  # fmt: skip
    (tmp_path / "study").mkdir()
    study = ClusterStudy(small_study(repository, tmp_path / "study"), cluster, home)
    yield study
    study.stop()

"""The workflow on a real Slurm: two node daemons, accounting, a GPU that is only a name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support.slurm_study import ClusterStudy, accounted, now
from support.study import Study, small_study

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1800)]

GPU_RULES = {"embed_asvs", "embed_reference"}


def _digest(study: Study) -> str:
    return hashlib.sha256((study.results / "bundle" / "manifest.json").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def local_digest(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the bundle that the same study gives without Slurm."""
    study = small_study(repository, tmp_path_factory.mktemp("local"))
    study.snakemake()
    return _digest(study)


def _rule_of(row: dict[str, str]) -> str:
    return row["Comment"].removeprefix("rule_").split("_wildcards")[0]


def test_the_study_through_slurm_is_the_same_bundle(cluster_study: ClusterStudy, local_digest: str) -> None:
    """From reads to bundle; one rule gets too little memory on its first attempt and more on its second."""
    since = now()
    cluster_study.run("--set-resources", "fit_gate:mem_mb=40*50**(attempt-1)")
    assert _digest(cluster_study.study) == local_digest
    rows = accounted(cluster_study.cluster, since)
    gates = [row for row in rows if _rule_of(row) == "fit_gate"]
    assert len(gates) == 2, gates
    assert gates[0]["State"] != "COMPLETED"
    assert gates[1]["State"] == "COMPLETED"
    last = {row["Comment"]: row["State"] for row in rows}
    assert set(last.values()) == {"COMPLETED"}, last
    with_gpu = {_rule_of(row) for row in rows if "gres/gpu=1" in row["AllocTRES"]}
    assert with_gpu == GPU_RULES
    assert all(row["Timelimit"] != "UNLIMITED" for row in rows)
    # Three libraries with three steps each are one job.
    assert len([row for row in rows if "trim_primers" in row["Comment"]]) == 1

"""The workflow on a real Slurm: two node daemons, accounting, a GPU that is only a name."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest
from support.slurm_cluster import NODES, SlurmCluster
from support.slurm_study import ClusterStudy
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


def _accounted(cluster: SlurmCluster, since: str) -> list[dict[str, str]]:
    """Jobs since a time, once accounting has seen the end of all."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        rows = cluster.jobs("JobID", "JobName", "Comment", "State", "ReqTRES", "AllocTRES", "Timelimit", since=since)
        if rows and not any(row["State"] in {"RUNNING", "PENDING", "COMPLETING"} for row in rows):
            return rows
        time.sleep(1)
    pytest.fail("sacct never showed the end of all jobs")


def _now() -> str:
    time.sleep(1)  # sacct counts in whole seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S")


def _rule_of(row: dict[str, str]) -> str:
    return row["Comment"].removeprefix("rule_").split("_wildcards")[0]


def test_the_study_through_slurm_is_the_same_bundle(cluster_study: ClusterStudy, local_digest: str) -> None:
    """From reads to bundle; one rule gets too little memory on its first attempt and more on its second."""
    since = _now()
    cluster_study.run("--set-resources", "fit_gate:mem_mb=40*50**(attempt-1)")
    assert _digest(cluster_study.study) == local_digest
    rows = _accounted(cluster_study.cluster, since)
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


@pytest.mark.slow
def test_a_lost_node_costs_only_its_jobs(cluster_study: ClusterStudy, local_digest: str) -> None:
    """Kill -9 a node with all that runs on it; what it did is done again on the other one."""
    cluster = cluster_study.cluster
    process = cluster_study.start()
    lost: list[str] = []

    def running() -> bool:
        busy = cluster.call("squeue", "-h", "-t", "running", "-o", "%N").split()
        lost[:] = [node for node in NODES if node in busy]
        return bool(lost)

    cluster_study.wait_for(running, "a job ran", process)
    since = _now()
    cluster.kill_node(lost[0])
    try:
        assert process.wait(timeout=1500) == 0, cluster_study.log[-8000:]
    finally:
        cluster.resume_node(lost[0])
    assert _digest(cluster_study.study) == local_digest
    states = {row["State"].split()[0] for row in _accounted(cluster, since)}
    assert "COMPLETED" in states
    assert states - {"COMPLETED"}, "no job was lost with its node"


@pytest.mark.slow
def test_a_restarted_controller_loses_nothing(cluster_study: ClusterStudy, local_digest: str) -> None:
    """Kill -9 the controller while jobs run, start it again after ten seconds."""
    cluster = cluster_study.cluster
    process = cluster_study.start()
    cluster_study.wait_for(
        lambda: bool(cluster.call("squeue", "-h", "-t", "running", "-o", "%A").split()), "a job ran", process
    )
    cluster.kill_controller()
    time.sleep(10)
    cluster.start_controller()
    assert process.wait(timeout=1500) == 0, cluster_study.log[-8000:]
    assert _digest(cluster_study.study) == local_digest


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stop_and_resume(cluster_study: ClusterStudy, local_digest: str, how: signal.Signals) -> None:
    """Ctrl-C cancels the cluster's jobs; after either end the same command finishes the study."""
    cluster = cluster_study.cluster
    process = cluster_study.start()
    made = cluster_study.study.results / "preprocess" / "asvs.fasta"
    cluster_study.wait_for(made.exists, "the ASVs were there", process)
    os.kill(process.pid, how)
    process.wait(timeout=120)
    if how is signal.SIGINT:
        end = time.monotonic() + 30
        while cluster.call("squeue", "-h", "-o", "%A").split():
            assert time.monotonic() < end, "cancelled Snakemake left jobs in the queue"
            time.sleep(1)
    since = _now()
    if how is signal.SIGKILL:
        # What a killed Snakemake left running must end first: two processes would write one file.
        for job in cluster.call("squeue", "-h", "-o", "%A").split():
            cluster.call("scancel", job)
        cluster_study.study.snakemake("--unlock")
    cluster_study.run()
    assert _digest(cluster_study.study) == local_digest
    again = {_rule_of(row) for row in _accounted(cluster, since)}
    assert "denoise" not in again, "finished steps were run again"

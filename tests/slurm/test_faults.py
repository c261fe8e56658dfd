"""What dies on a cluster costs its jobs and no more: nodes, the controller, Snakemake itself.

Three rules under the Slurm profile instead of a study: what is tested is what the profile asks of Slurm and Snakemake.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.slurm_study import ClusterStudy, accounted, now
from support.study import Study

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(1800)]

CHAIN = """
rule last:
    input: "middle.txt"
    output: "last.txt"
    shell: "echo $SLURMD_NODENAME >> tried.last; cp {input} {output}"

rule middle:
    input: "first.txt"
    output: "middle.txt"
    shell: "echo $SLURMD_NODENAME >> tried.middle; sleep 30; cp {input} {output}"

rule first:
    output: "first.txt"
    shell: "echo $SLURMD_NODENAME >> tried.first; echo made > {output}"
"""


@pytest.fixture
def chain(cluster_study: ClusterStudy, tmp_path: Path) -> ClusterStudy:
    """Three rules, one after the other; the second takes half a minute."""
    folder = tmp_path / "chain"
    folder.mkdir()
    (folder / "Snakefile").write_text(CHAIN)
    study = Study(folder, folder, {})
    study.write()
    return replace(cluster_study, study=study)


def tried(chain: ClusterStudy, rule: str) -> list[str]:
    """The nodes that began a rule, one a time."""
    path = chain.study.directory / f"tried.{rule}"
    return path.read_text().split() if path.exists() else []


def start(chain: ClusterStudy) -> int:
    """Start Snakemake and return its process once the long rule runs."""
    process = chain.start()
    chain.wait_for(lambda: bool(tried(chain, "middle")), "the second rule ran", process)
    return process.pid


def finished(chain: ClusterStudy) -> None:
    """Wait for the end of what was started last."""
    assert chain.started[-1].wait(timeout=600) == 0, chain.log[-8000:]
    assert (chain.study.directory / "last.txt").read_text() == "made\n"
    assert len(tried(chain, "first")) == 1, "a finished rule was run again"


def states(chain: ClusterStudy, since: str) -> list[str]:
    """How the jobs since a time ended, oldest first."""
    return [row["State"].split()[0] for row in accounted(chain.cluster, since)]


def test_a_lost_node_costs_only_its_jobs(chain: ClusterStudy) -> None:
    """Kill -9 a node with all that runs on it: Snakemake alone submits its job again, on the other node."""
    since = now()
    start(chain)
    lost = tried(chain, "middle")[0]
    chain.cluster.kill_node(lost)
    try:
        finished(chain)
    finally:
        chain.cluster.resume_node(lost)
    nodes = tried(chain, "middle")
    assert len(nodes) == 2
    assert nodes[1] != lost
    assert states(chain, since) == ["COMPLETED", "NODE_FAIL", "COMPLETED", "COMPLETED"]


def test_a_restarted_controller_loses_nothing(chain: ClusterStudy) -> None:
    """Kill -9 the controller while a job runs, start it again after ten seconds."""
    since = now()
    start(chain)
    time.sleep(10)  # It writes its jobs down every few seconds, and would know nothing of one that it never wrote down.
    chain.cluster.kill_controller()
    time.sleep(10)
    chain.cluster.start_controller()
    finished(chain)
    assert len(tried(chain, "middle")) == 1
    assert states(chain, since) == ["COMPLETED"] * 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stop_and_resume(chain: ClusterStudy, how: signal.Signals) -> None:
    """Ctrl-C cancels the cluster's jobs; after either end the same command finishes the work."""
    since = now()
    os.kill(start(chain), how)
    chain.started[-1].wait(timeout=120)
    if how is signal.SIGINT:
        chain.cluster.wait_until_empty()
    else:
        # What a killed Snakemake left running must end first: two processes would write one file.
        chain.cluster.cancel_all()
        chain.study.snakemake("--unlock")
    chain.start()
    finished(chain)
    assert len(tried(chain, "middle")) == 2
    assert states(chain, since) == ["COMPLETED", "CANCELLED", "COMPLETED", "COMPLETED"]

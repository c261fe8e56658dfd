"""A small study run by the literal ``snakemake --profile slurm``, on a cluster of ``slurm_cluster``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.slurm_cluster import SlurmCluster
from support.study import Study

IMPATIENT = (
    "--cores", "2", "--latency-wait", "5",
    "--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "3",
)  # fmt: skip
"""The profile is made for clusters with a slow file system and many users; a test does not want to wait for either."""


@dataclass(frozen=True)
class ClusterStudy:
    """A small study, and the literal ``snakemake --profile slurm`` on it."""

    study: Study
    cluster: SlurmCluster
    home: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log(self) -> str:
        """What Snakemake printed so far."""
        return (self.study.directory / "snakemake.out").read_text(encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start Snakemake with the Slurm profile as a user finds it after ``make slurm-profile``."""
        command = [
            "snakemake", "--profile", "slurm", "--snakefile", str(self.study.repository / "Snakefile"),
            "--directory", str(self.study.directory), "--configfile", str(self.study.directory / "config.yaml"),
            "--nocolor", *IMPATIENT, *arguments,
        ]  # fmt: skip
        environment = {
            **self.cluster.environment,
            "XDG_CONFIG_HOME": str(self.home),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), self.cluster.environment["PATH"]]),
        }
        with (self.study.directory / "snakemake.out").open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
        self.started.append(process)
        return process

    def stop(self) -> None:
        """Kill what a failed test left running, with its jobs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.cluster.cancel_all()

    def run(self, *arguments: str) -> None:
        """Run Snakemake to its end; a failure shows its last words."""
        code = self.start(*arguments).wait(timeout=1500)
        if code:
            pytest.fail(f"snakemake ended with {code}:\n{self.log[-8000:]}")

    def wait_for(self, happened: Callable[[], bool], what: str, process: subprocess.Popen[bytes]) -> None:
        """Wait until something has happened while Snakemake runs."""
        end = time.monotonic() + 1200
        while not happened():
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"Snakemake ended or 20 minutes passed before {what}:\n{self.log[-8000:]}")
            time.sleep(0.5)


def accounted(cluster: SlurmCluster, since: str) -> list[dict[str, str]]:
    """Jobs since a time, once accounting has seen the end of all."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        rows = cluster.jobs("JobID", "JobName", "Comment", "State", "ReqTRES", "AllocTRES", "Timelimit", since=since)
        if rows and not any(row["State"] in {"RUNNING", "PENDING", "COMPLETING"} for row in rows):
            return rows
        time.sleep(1)
    pytest.fail("sacct never showed the end of all jobs")


def now() -> str:
    """The time from which sacct is asked."""
    time.sleep(1)  # sacct counts in whole seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S")

"""Settings of a worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from abyssal_server.jobs.requests import REPOSITORY
from abyssal_server.places import PlaceSettings


class WorkerSettings(PlaceSettings):
    """Settings of a worker; it runs one job at a time, start several for more."""

    prefix: ClassVar[str] = "ABYSSAL_WORKER_"

    cores: Annotated[int, Field(ge=1, le=1024)] = Field(
        default_factory=lambda: os.cpu_count() or 1, description="CPU cores that a job may use."
    )
    memory_mb: Annotated[int, Field(ge=0)] = Field(
        0, description="Memory that the steps of a job may ask for together (MB); 0 sets no bound."
    )
    job_hours: Annotated[float, Field(gt=0.0)] = Field(168.0, description="Longest time of one attempt.")
    workspaces: Path | None = Field(None, description="Directory of running jobs; none: work in data.")
    keep_workspaces: bool = Field(default=False, description="Keep a job's directory after it succeeded.")
    poll_seconds: Annotated[float, Field(gt=0.0, le=60.0)] = Field(1.0, description="Time between looks for jobs.")
    workflow: Path = Field(REPOSITORY, description="Checkout whose Snakefile is run.")
    profile: Path | None = Field(None, description="Snakemake profile, for example one that submits to Slurm.")

    @property
    def work(self) -> Path:
        """Where jobs run."""
        return self.workspaces or self.data / "work"

"""What the load stage plans: a marker without a reference needs none of the reference's steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.workflow


def test_a_marker_without_a_reference_plans_no_reference_step(repository: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    for marker in config["markers"].values():
        marker["reference"] = marker["truth"] = None
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "-n", "--nocolor", "--forceall", "--nolock", "--configfile"]
    done = subprocess.run(
        [*command, str(tmp_path / "config.yaml")], cwd=repository, check=True, capture_output=True, text=True
    )
    planned = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert {"count_asvs", "cluster", "report"} <= planned
    assert planned.isdisjoint({"build_reference", "fit_gate", "embed_reference"})

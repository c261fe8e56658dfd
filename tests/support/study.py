"""A small study cut from the demo, for tests that run the workflow."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

MARKER = "18S-V4-Zingone"


@dataclass(frozen=True)
class Study:
    """A configured study in its own directory."""

    repository: Path
    directory: Path
    config: dict[str, Any]

    @property
    def results(self) -> Path:
        return self.directory / "results" / self.config["study"] / MARKER

    def write(self, **changes: Any) -> Path:
        """Write the config with changed top-level keys and return its path."""
        path = self.directory / "config.yaml"
        path.write_text(yaml.safe_dump({**self.config, **changes}))
        return path

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Snakemake with the repository's Snakefile in the study's directory."""
        command = [
            sys.executable, "-m", "snakemake", "--snakefile", str(self.repository / "Snakefile"),
            "--directory", str(self.directory), "--configfile", str(self.directory / "config.yaml"),
            "--cores", "2", "--nocolor", *arguments,
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ})
        if check and done.returncode:
            pytest.fail(f"snakemake ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}")
        return done


def small_study(repository: Path, directory: Path, *, samples: int = 2) -> Study:
    """Configure the first samples of the demo and its blank, with cheap settings."""
    rows = (repository / "config" / "samples.tsv").read_text().splitlines()
    header = rows[0].split("\t")
    control = header.index("control")
    body = [row.split("\t") for row in rows[1:]]
    chosen = [row for row in body if not row[control]][:samples] + [row for row in body if row[control]][:1]
    for row in chosen:
        for column in ("r1", "r2"):
            row[header.index(column)] = str(repository / row[header.index(column)])
    (directory / "samples.tsv").write_text("\n".join("\t".join(row) for row in [header, *chosen]) + "\n")
    demo = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    reference = demo["markers"][MARKER]["reference"]
    for key in ("fasta", "lineages"):
        reference[key] = str(repository / reference[key])
    demo["markers"][MARKER].pop("truth", None)
    demo |= {
        "study": "small",
        "samples": "samples.tsv",
        "encoder": {"name": str(repository / "resources" / "encoders" / "abyssal-small")},
        "cluster": {"method": "average-linkage"},
        "evaluate": {"queries": 200},
        "train": {"calibration_queries": 600},
    }
    study = Study(repository, directory, demo)
    study.write()
    return study

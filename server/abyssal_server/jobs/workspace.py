"""The directory of a job on one host: the dataset under neutral names, the config, and what Snakemake makes of it.

A second attempt on the same host finds what the first one finished; on another host it starts from the dataset.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abyssal.errors import DataError
from abyssal.files import atomic_path, sha256_file, write_json, write_text
from abyssal_server.datasets.complete import SHEET
from abyssal_server.jobs.requests import REPOSITORY, SAMPLES
from abyssal_server.places import Places

CONFIG = "config.json"
EVENTS = "events.jsonl"
DATA = "data"


class Workspace:
    """One job's directory below ``root``."""

    def __init__(self, root: Path, job: str) -> None:
        self.directory = root / job
        self.config_file = self.directory / CONFIG
        self.events = self.directory / EVENTS

    def prepare(self, places: Places, dataset: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Put everything in place that is not there yet.

        Raises:
            StoreError: the object store does not answer.
            DataError: what it gave is not what was put.
        """
        data = self.directory / DATA
        data.mkdir(parents=True, exist_ok=True)
        kept = places.objects(f"datasets/{dataset['_id']}")
        for row in dataset["contents"]:
            target = data / row["file"]
            if target.is_file() and target.stat().st_size == row["bytes"]:
                continue
            with atomic_path(target) as temporary:
                with temporary.open("wb") as out:
                    for block in kept.stream(row["file"]):
                        out.write(block)
                if sha256_file(temporary) != row["sha256"]:
                    message = f"{row['name']}: what the object store gave is not what was uploaded; upload it again"
                    raise DataError(message)
        sheet = b"".join(kept.stream(SHEET)).decode("utf-8")
        self._write_once(self.directory / SAMPLES, _below_data(sheet, {row["file"] for row in dataset["contents"]}))
        self._write_once(self.config_file, json.dumps(config, sort_keys=True, indent=2))
        link = self.directory / "resources"
        if not link.is_symlink():
            link.symlink_to(REPOSITORY / "resources")

    def begin_attempt(self, number: int) -> Path:
        """Forget the events of the attempt before and return the log of this one."""
        self.events.unlink(missing_ok=True)
        return self.directory / f"attempt-{number}.log"

    def results(self, config: Mapping[str, Any]) -> Path:
        """Return ``results/<study>/``."""
        return self.directory / "results" / str(config["study"])

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _write_once(target: Path, text: str) -> None:
        """Leave a file alone that says the same: its time is what Snakemake goes by."""
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            write_text(target, text)


def _below_data(sheet: str, files: set[str]) -> str:
    rows = [[f"{DATA}/{cell}" if cell in files else cell for cell in line.split("\t")] for line in sheet.splitlines()]
    return "".join("\t".join(row) + "\n" for row in rows)


def snakemake_environment(events: Path) -> dict[str, str]:
    """Return the environment of a run: this process's, without its credentials, with the logger plugin."""
    plugins = str(Path(__file__).with_name("snakemake_plugins"))
    hidden = ("ABYSSAL_ADMIN_TOKEN", "ABYSSAL_KEYS_FILE", "ABYSSAL_JWT_KEY_FILE", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    paths = [plugins, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "ABYSSAL_EVENTS": str(events)}


def write_outcome(target: Path, value: Mapping[str, Any]) -> None:
    """Write what a job came to, beside its files."""
    write_json(target, dict(value))

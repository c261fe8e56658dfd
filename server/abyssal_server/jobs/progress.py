"""How far a Snakemake run is, from the events of its own logger interface."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MOST_NAMES = 20


@dataclass
class Progress:
    """Jobs done of all, the rules that run now, and the rule that failed."""

    done: int = 0
    total: int = 0
    rule: str = ""
    failed_rule: str = ""
    _names: dict[str, str] = field(default_factory=dict)
    _running: dict[str, str] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        """Take one event."""
        kind = event.get("event")
        job = str(event.get("jobid", event.get("job_id", "")))
        if kind == "progress":
            self.done, self.total = int(event.get("done", 0)), int(event.get("total", 0))
        elif kind == "job_info":
            self._names[job] = str(event.get("rule_name", ""))
            self._start(job)
        elif kind == "job_started":
            for started in event.get("jobs") or event.get("job_ids") or []:
                self._start(str(started))
        elif kind == "job_finished":
            self._running.pop(job, None)
        elif kind == "job_error":
            self._running.pop(job, None)
            self.failed_rule = str(event.get("rule_name") or self._names.get(job, ""))

    def _start(self, job: str) -> None:
        if job in self._names:
            self.rule = self._names[job]
            self._running[job] = self.rule

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        running = sorted(set(self._running.values()))[:_MOST_NAMES]
        return {"done": self.done, "total": self.total, "rule": self.rule, "running": running}


class EventFile:
    """The file that the logger plugin writes, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.progress = Progress()

    def read(self) -> bool:
        """Take the whole lines that are new; returns whether there were any."""
        if not self._path.is_file():
            return False
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self.progress.take(json.loads(line))
        return bool(whole)


class GrowingText:
    """A text file that grows, read in pieces of whole lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self, *, to_the_end: bool = False) -> str:
        """Return the new whole lines, and at the end what has no line end."""
        if not self._path.is_file():
            return ""
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            found = stream.read(1 << 20)
        if not to_the_end:
            found = found[: found.rfind(b"\n") + 1]
        self._offset += len(found)
        return found.decode("utf-8", "replace")

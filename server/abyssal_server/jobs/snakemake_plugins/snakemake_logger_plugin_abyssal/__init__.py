"""Snakemake's own events as JSON lines, for the worker: ``snakemake --logger abyssal``.

The worker puts this folder on the module path of the Snakemake it starts; nobody else imports it. The lines go to the
file that ``ABYSSAL_EVENTS`` names.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase

_KEPT = {
    "job_info": ("jobid", "rule_name", "log"),
    "job_started": ("job_ids", "jobs"),
    "job_finished": ("job_id", "jobid"),
    "job_error": ("jobid", "rule_name", "log"),
    "progress": ("done", "total"),
}


class LogHandler(LogHandlerBase):
    """Appends one line an event."""

    def __post_init__(self) -> None:
        """Open the file."""
        self.baseFilename = os.environ["ABYSSAL_EVENTS"]
        self._file = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    @property
    def writes_to_stream(self) -> bool:
        """It does not: Snakemake's own messages stay on the terminal."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """It does."""
        return True

    @property
    def has_filter(self) -> bool:
        """It picks its records itself."""
        return True

    @property
    def has_formatter(self) -> bool:
        """It writes JSON."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """It does not."""
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Append an event that the worker looks at."""
        event = str(getattr(record, "event", None) or "")
        if event not in _KEPT:
            return
        values: dict[str, Any] = {name: getattr(record, name, None) for name in _KEPT[event]}
        line = json.dumps({"event": event, **{key: value for key, value in values.items() if value is not None}},
                          default=str)  # fmt: skip
        os.write(self._file, f"{line}\n".encode())

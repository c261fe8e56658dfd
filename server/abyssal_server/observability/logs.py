"""Log lines for people or, as JSON, for machines; each says which request it belongs to."""

from __future__ import annotations

import json
import logging
import time
from contextvars import ContextVar
from typing import Literal

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the call at hand."""
FIELDS = ("method", "code", "milliseconds", "client", "trace_id")
"""What the line of a call says beside the message."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if REQUEST.get():
            line["request_id"] = REQUEST.get()
        line |= {name: getattr(record, name) for name in FIELDS if getattr(record, name, "") != ""}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The message, and the request where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = super().format(record)
        return f"{line} [request {REQUEST.get()}]" if REQUEST.get() else line


def use_format(wanted: Literal["text", "json"]) -> None:
    """Let every handler of the root logger write lines of this kind."""
    formatter = JsonFormatter() if wanted == "json" else TextFormatter("%(message)s")
    # Universal time, whatever the machine's.
    formatter.converter = time.gmtime
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter)

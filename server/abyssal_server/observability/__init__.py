"""What operators see: metrics, traces and log lines; nothing here ever holds a sequence."""

from abyssal_server.observability.calls import Observer
from abyssal_server.observability.metrics import Metrics

__all__ = ["Metrics", "Observer"]

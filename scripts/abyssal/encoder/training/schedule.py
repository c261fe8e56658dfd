"""How the learning rate rises and falls within a stage."""

from __future__ import annotations

import math


def rate_share(done: int, steps: int) -> float:
    """Return the share of the peak rate after ``done`` of ``steps``: up over 2 % of them, then down along a cosine."""
    warm_up = max(1, steps // 50)
    if done < warm_up:
        return (done + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up) / max(1, steps - warm_up)))

"""Answers on disk between the jobs: one JSON a case and kind of method, numbers rounded to six places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.evaluation.answers import Answers
from abyssal.files import read_json, write_json

FORMAT = "abyssal-benchmark-answers"


def write_answers(
    target: Path, answers: Sequence[Answers], *, stated: Mapping[str, NDArray[np.float64]] | None = None
) -> None:
    """Write answers, and further confidences by name; methods with equal labels store them once."""
    labels: list[Sequence[Sequence[str | None]]] = []
    methods = {}
    for found in answers:
        place = next((place for place, known in enumerate(labels) if _equal(known, found.labels)), len(labels))
        if place == len(labels):
            labels.append(found.labels)
        methods[found.method] = {
            "commands": list(found.commands),
            "labels": place,
            "confidence": np.round(found.confidence, 6).tolist(),
            "accepted": found.accepted.astype(int).tolist(),
        }
    write_json(
        target,
        {
            "format": FORMAT,
            "labels": [[list(row) for row in known] for known in labels],
            "methods": methods,
            "stated": {name: np.round(values, 6).tolist() for name, values in (stated or {}).items()},
        },
    )


def _equal(first: Sequence[Sequence[str | None]], second: Sequence[Sequence[str | None]]) -> bool:
    return all(tuple(a) == tuple(b) for a, b in zip(first, second, strict=True))


def read_answers(source: Path, ranks: int) -> tuple[list[Answers], dict[str, NDArray[np.float64]]]:
    """Read what ``write_answers`` wrote; ``ranks`` shapes the arrays of a case without queries."""
    stored: dict[str, Any] = read_json(source)
    answers = [
        Answers(
            name,
            tuple(found["commands"]),
            stored["labels"][found["labels"]],
            np.array(found["confidence"], dtype=np.float64).reshape(-1, ranks),
            np.array(found["accepted"], dtype=np.bool_).reshape(-1, ranks),
        )
        for name, found in stored["methods"].items()
    ]
    stated = {name: np.array(values, dtype=np.float64).reshape(-1, ranks) for name, values in stored["stated"].items()}
    return answers, stated

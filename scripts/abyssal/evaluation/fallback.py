"""What the alignment search brings on held-out queries: the same grades with and without it, and its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from abyssal.config.fallback import FallbackConfig
from abyssal.evaluation.answers import Truth
from abyssal.evaluation.split import HeldOutQuery
from abyssal.taxonomy.classifications import Classifications
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fallback import Budget, Fallback


def grade_fallback(
    classifier: Classifier, queries: Sequence[HeldOutQuery], truth: Truth, settings: FallbackConfig
) -> dict[str, Any]:
    """Return under ``fallback`` settings, gain and, per rank, figures without and with the search; empty for ``none``.

    ``top_name``: of queries whose taxon is in the reference, the share whose best name is right. ``recall``: the share
    with the right name accepted. ``over_classified``: of queries whose taxon is absent, the share given a name.
    """
    fallback = Fallback.configured(classifier, settings)
    if fallback is None:
        return {}
    sequences = [query.sequence for query in queries]
    before = classifier.classify(sequences)
    with fallback:
        after, gain = fallback.revise(sequences, before, Budget(settings.max_share, settings.max_seconds))
    counts = {name: value for name, value in asdict(gain).items() if name != "seconds"}
    figures = {"without": _figures(before, truth), "with": _figures(after, truth)}
    return {"fallback": {"settings": settings.model_dump(), "gain": counts, **figures}}


def _figures(answers: Classifications, truth: Truth) -> dict[str, dict[str, float | None]]:
    found = {}
    for place, rank in enumerate(truth.ranks):
        label = [row[place] for row in answers.labels]
        right = np.array([
            name is not None and name == lineage[place] for name, lineage in zip(label, truth.lineages, strict=True)
        ])  # fmt: skip
        given = np.array([name is not None for name in label]) & (answers.accepted >= place)
        present, absent = truth.present[:, place] == 1, truth.present[:, place] == 0
        found[rank] = {
            "top_name": _mean(right[present]),
            "recall": _mean((right & given)[present]),
            "over_classified": _mean(given[absent]),
        }
    return found


def _mean(values: np.ndarray[Any, np.dtype[np.bool_]]) -> float | None:
    return float(values.mean()) if values.size else None

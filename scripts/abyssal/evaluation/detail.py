"""What is measured of a method beyond its grades: averages over taxa, groups of queries, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from abyssal.evaluation.answers import Answers, Truth, right
from abyssal.evaluation.averages import averages, by_group
from abyssal.evaluation.groups import ERROR_RATES, Asked, length_groups, rows_of, size_groups, truth_rows
from abyssal.evaluation.split import HeldOutQuery
from abyssal.references.model import AmpliconReference


def detail(
    answers: Answers, truth: Truth, asked: Asked, fitted: AmpliconReference, queries: Sequence[HeldOutQuery]
) -> dict[str, dict[str, Any]]:
    """Return by rank ``averages`` and ``groups``.

    Args:
        answers: to everything in ``asked``.
        truth: of the held-out queries.
        asked: the held-out queries, and some of them with errors.
        fitted: the reference that was fitted on.
        queries: the held-out queries.
    """
    plain = rows_of(answers, asked.plain)
    good = right(plain, truth)
    by_length = length_groups(queries)
    novelty = np.array(truth.strata, dtype=object)
    errors = _errors(answers, truth, asked)
    found: dict[str, dict[str, Any]] = {}
    for place, rank in enumerate(truth.ranks):
        figures = (good[:, place], plain.accepted[:, place], truth.present[:, place])
        found[rank] = {
            "averages": averages(plain, truth, place),
            "groups": {
                "novelty": by_group(*figures, novelty),
                "size of the taxon": by_group(*figures, size_groups(truth, fitted, place)),
                "length": by_group(*figures, by_length),
                "errors": errors[rank],
            },
        }
    return found


def _errors(answers: Answers, truth: Truth, asked: Asked) -> dict[str, dict[str, Any]]:
    """Return by rank the figures of the same queries without and with errors."""
    found: dict[str, dict[str, Any]] = {rank: {} for rank in truth.ranks}
    true = truth_rows(truth, asked.again)
    for number, rate in [(-1, 0.0), *enumerate(ERROR_RATES)]:
        part = rows_of(answers, asked.at_rate(number))
        good = right(part, true)
        name = f"{100 * rate:g} % substitutions"
        everyone = np.full(asked.again.size, name, dtype=object)
        for place, rank in enumerate(truth.ranks):
            found[rank] |= by_group(good[:, place], part.accepted[:, place], true.present[:, place], everyone)
    return found


def add_detail(grades: Mapping[str, Any], more: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a method's grades with the detail of each rank in its place."""
    return {**grades, "ranks": {rank: {**found, **more[rank]} for rank, found in grades["ranks"].items()}}

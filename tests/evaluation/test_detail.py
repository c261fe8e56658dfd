"""Averages, groups, confusion and cohesion from planted answers; all figures are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from support.evolved_taxa import evolved_reference

from abyssal.evaluation.answers import Answers, Truth, judge
from abyssal.evaluation.averages import averages
from abyssal.evaluation.confusion import ABSENT, NOTHING, cohesion, confusion
from abyssal.evaluation.detail import detail
from abyssal.evaluation.groups import length_groups, size_groups, substituted, with_errors
from abyssal.evaluation.split import HeldOutQuery, split_reference


def told(names: list[str | None]) -> Answers:
    """Answers at one rank; what has no name is not accepted."""
    accepted = np.array([[name is not None] for name in names])
    return Answers("m", (), [[name] for name in names], accepted.astype(np.float64), accepted)


def true(names: list[str | None], present: list[int]) -> Truth:
    """Truth at one rank."""
    strata = tuple("known" if here else "new g" for here in present)
    return Truth(("g",), tuple((name,) for name in names), np.array(present, dtype=np.int8)[:, None], strata)


# Four of A (three right, one taken for B), one of B right, one of C open, two absent (one named A), one unknown.
TRUTH = true(["A", "A", "A", "A", "B", "C", "X", "Y", None], [1, 1, 1, 1, 1, 1, 0, 0, -1])
ANSWERS = told(["A", "A", "A", "B", "B", None, "A", None, "A"])


def test_micro_and_macro_averages() -> None:
    found = averages(ANSWERS, TRUTH, 0)
    assert found["taxa"] == 3
    assert found["precision_micro"] == pytest.approx(4 / 6)
    assert found["recall_micro"] == pytest.approx(4 / 6)
    assert found["precision_macro"] == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert found["recall_macro"] == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert found["f1_macro"] == pytest.approx((3 / 4 + 2 / 3 + 0) / 3)


def test_confusion_counts_every_graded_query_once() -> None:
    found = confusion(ANSWERS, TRUTH, 0)
    counts = np.array(found["counts"])
    assert counts.sum() == 8
    at = {(row, column): counts[i, j] for i, row in enumerate(found["true"]) for j, column in enumerate(found["said"])}
    assert (at["A", "A"], at["A", "B"], at["B", "B"], at["C", NOTHING]) == (3, 1, 1, 1)
    assert (at[ABSENT, "A"], at[ABSENT, NOTHING]) == (1, 1)


def test_vectors_of_a_taxon_that_lie_together_have_a_high_silhouette() -> None:
    rng = np.random.default_rng(1)
    names: list[str | None] = [name for name in "abc" for _ in range(5)]
    centres = np.repeat(np.eye(3, 8), 5, axis=0)
    near = (centres + rng.normal(scale=0.02, size=centres.shape)).astype(np.float32)
    assert cohesion(near, true(names, [1] * 15), 0)["silhouette"] > 0.9
    mixed = cohesion(near[rng.permutation(15)], true(names, [1] * 15), 0)
    assert mixed["silhouette"] < 0.2
    assert cohesion(near[:2], true(["a", "b"], [1, 1]), 0)["silhouette"] is None


def test_groups_by_size_length_and_errors() -> None:
    reference = evolved_reference()
    split = split_reference(reference, 300, 1)
    truth = judge([query.lineage for query in split.queries], split.fitted)
    sizes = size_groups(truth, split.fitted, len(truth.ranks) - 1)
    for name, here in zip(sizes, truth.present[:, -1], strict=True):
        assert (name != "") == (here == 1)
        assert name in {"", "1 amplicon", "2 to 4 amplicons"}
    lengths = length_groups([HeldOutQuery("q", "A" * count, ()) for count in (10, 20, 30, 40, 50, 60)])
    assert lengths.tolist() == ["up to 26 bp"] * 2 + ["27 to 43 bp"] * 2 + ["over 43 bp"] * 2
    asked = with_errors(split.queries, 1)
    assert len(asked.queries) == len(split.queries) + 3 * asked.again.size
    for number, rate in enumerate((0.005, 0.01, 0.02)):
        pairs = [
            (asked.queries[p].sequence, asked.queries[o].sequence)
            for p, o in zip(asked.at_rate(number), asked.again, strict=True)
        ]
        changed = np.mean([a != b for one, two in pairs for a, b in zip(one, two, strict=True)])
        assert changed == pytest.approx(rate, rel=0.5)
    assert substituted("ACGT" * 10, 1.0, np.random.default_rng(1)) != "ACGT" * 10


def test_detail_of_perfect_answers_is_perfect_and_falls_only_where_errors_were_planted() -> None:
    split = split_reference(evolved_reference(), 300, 1)
    truth = judge([query.lineage for query in split.queries], split.fitted)
    asked = with_errors(split.queries, 1)
    known = np.array([[here == 1 for here in row] for row in truth.present])
    labels = [
        [name if here else None for name, here in zip(line, row, strict=True)]
        for line, row in zip(truth.lineages, known, strict=True)
    ]
    again = [labels[row] for row in asked.again.tolist()]
    nothing: list[list[str | None]] = [[None] * len(truth.ranks)] * asked.again.size
    everything = [*labels, *again, *again, *nothing]
    named = np.array([[name is not None for name in row] for row in everything])
    found = detail(Answers("m", (), everything, named * 1.0, named), truth, asked, split.fitted, split.queries)
    for rank in truth.ranks:
        assert found[rank]["averages"]["f1_macro"] == 1.0
        groups = found[rank]["groups"]
        assert groups["errors"]["0 % substitutions"]["recall"] == 1.0
        assert groups["errors"]["1 % substitutions"]["recall"] == 1.0
        assert groups["errors"]["2 % substitutions"]["recall"] == 0.0
        assert {value["over_classified"] for value in groups["novelty"].values()} <= {0.0, None}
        assert set(groups["novelty"]) == set(truth.strata)

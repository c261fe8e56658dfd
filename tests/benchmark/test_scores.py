"""Published figures from planted outcomes: what they must be is worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from abyssal.benchmark.pooled import calibration, compare, operating_points, pool
from abyssal.benchmark.summary import peer_wins
from abyssal.benchmark.tax_credit import above, score, taken
from abyssal.benchmark.taxxi import best_accuracy, count
from abyssal.evaluation.answers import Answers, Truth

LINE = ("k", "o", "f", "g")


def test_tax_credit_counts_short_answers_against_recall_only() -> None:
    # Right, right, too short, nothing, wrong genus, deeper than expected.
    expected = [(*LINE, "s"), (*LINE, None), (*LINE, "s"), (*LINE, "s"), (*LINE, "s"), (*LINE, None)]
    observed = [
        (*LINE, "s"), LINE, ("k", "o", "f"), (), ("k", "o", "f", "h", "t"), (*LINE, "s"),
    ]  # fmt: skip
    found = score(expected, observed)
    assert (found.right, found.wrong, found.short) == (2, 2, 2)
    assert found.precision == pytest.approx(1 / 2)
    assert found.recall == pytest.approx(1 / 3)
    assert found.f == pytest.approx(0.4)
    assert score(expected, expected).f == 1.0
    assert score(expected, [()] * 6).f == 0.0


def test_names_are_taken_down_to_the_threshold_and_no_further() -> None:
    answers = Answers(
        "m", (), [["k", "g", "s"], ["k", None, "s"]], np.array([[0.9, 0.6, 0.8], [0.9, 0.0, 0.7]]),
        np.array([[True, False, False], [True, False, True]]),
    )  # fmt: skip
    assert above(answers, 0.7).tolist() == [[True, False, False], [True, False, True]]
    assert taken(answers, answers.accepted) == [("k",), ("k", None, "s")]


def test_taxxi_rates_by_hand() -> None:
    # Ten known: six right, one wrong, three open. Four novel: one named.
    good = np.array([True] * 6 + [False] * 8)
    accepted = np.array([True] * 7 + [False] * 3 + [True] + [False] * 3)
    present = np.array([1] * 10 + [0] * 4, dtype=np.int8)
    rates = count(good, accepted, present).rates
    assert rates == {"TPR": 0.6, "UCR": 0.3, "MCR": 0.1, "OCR": 0.25, "Acc": pytest.approx(6 / 11)}
    unknown = np.full(14, -1, dtype=np.int8)
    assert count(good, accepted, unknown).rates["Acc"] is None


def test_the_best_threshold_leaves_novel_queries_without_a_name() -> None:
    confidence = np.array([0.9, 0.8, 0.5, 0.4])
    good = np.array([True, True, False, False])
    best = best_accuracy([(confidence, good, np.array([1, 1, 0, 0], dtype=np.int8))])
    assert best == (0.8, 1.0, 0.0)


def planted(name: str, confidence: float, *, right: bool, count: int = 40) -> Answers:
    """A method that is always right, or always wrong, at one confidence."""
    return Answers(
        name, (f"{name} command",), [["g", f"s{row}" if right else "x"] for row in range(count)],
        np.full((count, 2), confidence), np.ones((count, 2), dtype=np.bool_),
    )  # fmt: skip


def truth(count: int = 40) -> Truth:
    """Half known species, half new ones of a known genus."""
    present = np.ones((count, 2), dtype=np.int8)
    present[count // 2 :, 1] = 0
    strata = ("known",) * (count // 2) + ("new species",) * (count // 2)
    return Truth(("genus", "species"), tuple(("g", f"s{row}") for row in range(count)), present, strata)


def test_perfect_answers_beat_wrong_ones_with_an_interval_above_zero() -> None:
    stated = {name: np.full((40, 2), 1.0) for name in ("all", "group")}
    pooled = pool([(truth(), [planted("abyssal", 0.9, right=True), planted("peer", 0.9, right=False)], stated)])
    rows = {
        (row["rank"], row["figure"], row["method"]): row for row in compare(pooled, "abyssal", resamples=20, seed=1)
    }
    assert rows["species", "top-1, known", "abyssal"]["value"] == 1.0
    assert rows["species", "top-1, known", "peer"]["value"] == 0.0
    assert rows["species", "top-1, known", "peer"]["ours_minus_interval"] == [1.0, 1.0]
    assert rows["genus", "top-1", "peer"]["ours_minus"] == 0.0
    assert peer_wins([{"dataset": "d", "compare": list(rows.values())}]) == []
    turned = pool([(truth(), [planted("abyssal", 0.9, right=False), planted("peer", 0.9, right=True)], stated)])
    wins = peer_wins([{"dataset": "d", "compare": compare(turned, "abyssal", resamples=20, seed=1)}])
    assert {win["figure"] for win in wins} >= {"top-1, known"}
    assert all(win["clear"] for win in wins if win["figure"] == "top-1, known")


def test_operating_point_and_calibration_of_planted_answers() -> None:
    stated = {"all": np.full((40, 2), 0.5), "group": np.repeat([[1.0], [0.0]], 20, axis=0) * np.ones((1, 2))}
    pooled = pool([(truth(), [planted("abyssal", 0.9, right=True)], stated)])
    species = next(row for row in operating_points(pooled) if row["rank"] == "species")
    assert (species["over_classified"], species["absent"], species["recall"], species["present"]) == (1.0, 20, 1.0, 20)
    rows = {(row["rank"], row["mix"], row["group"]): row for row in calibration(pooled, "abyssal")}
    # Right in half of all cases: saying .9 is off by .4, saying .5 by nothing.
    assert rows["species", "", "all"]["ece"] == pytest.approx(0.4, abs=0.02)
    assert rows["species", "stated", "known"]["ece"] == 0.0
    assert rows["species", "stated", "new species"]["ece"] == 0.0
    assert rows["species", "stated", "new species"]["novel_share"] == 1.0
    assert rows["species", "stated", "macro over groups"]["ece_debiased"] == 0.0

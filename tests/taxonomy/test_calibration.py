"""Calibrators as plain arrays, prior shift, and the bound on over-classification."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from abyssal.config.models import NoveltyConfig
from abyssal.evaluation.metrics import calibration_error
from abyssal.taxonomy.boosting import CalibrationSet, _fit_rank, _line, fit_calibrators
from abyssal.taxonomy.calibration import EDGE, RankCalibrator, absent_priors, probabilities, shift_prior, stratum_priors
from abyssal.taxonomy.conformal import NEVER, risk_threshold
from abyssal.taxonomy.decision import accepted_rank, novel_rank
from abyssal.taxonomy.evidence import FEATURES
from abyssal.taxonomy.fit import _thresholds
from abyssal.taxonomy.trees import TreeEnsemble, constant, from_arrays, from_scikit


def test_plain_arrays_say_what_scikit_learn_says() -> None:
    rng = np.random.default_rng(2)
    evidence = rng.normal(size=(800, 6))
    evidence[rng.random(evidence.shape) < 0.1] = np.nan
    outcome = (np.nan_to_num(evidence[:, 0]) + rng.normal(size=800) > 0).astype(int)
    model = HistGradientBoostingClassifier(max_iter=40, monotonic_cst=[1, 0, 0, 0, -1, 0]).fit(evidence, outcome)
    trees = from_scikit(model)
    stored = from_arrays(trees.arrays("a"), "a")
    fresh = rng.normal(size=(300, 6))
    fresh[:20, 0] = np.nan
    assert np.abs(stored.probability(fresh) - model.predict_proba(fresh)[:, 1]).max() <= 1e-6


def test_a_constant_says_one_thing() -> None:
    assert constant(0.3).probability(np.zeros((2, 5))) == pytest.approx([0.3, 0.3])


probability = st.floats(0.001, 0.999)


@given(st.lists(probability, min_size=1), probability)
def test_the_same_share_shifts_nothing(values: list[float], share: float) -> None:
    assert np.array_equal(shift_prior(np.array(values), share, share), np.array(values))


@given(probability, probability, probability)
def test_shifting_there_and_back_is_the_identity(value: float, here: float, there: float) -> None:
    once = shift_prior(np.array([value]), here, there)
    assert shift_prior(once, there, here) == pytest.approx([value], abs=1e-6)
    assert (once >= value - 1e-12).all() if there >= here else (once <= value + 1e-12).all()


def test_a_shift_restores_calibration_under_another_mix() -> None:
    rng = np.random.default_rng(0)
    score = np.concatenate([rng.normal(1, 1, 200_000), rng.normal(-1, 1, 20_000)])
    absent = np.concatenate([np.ones(200_000), np.zeros(20_000)])
    balanced = 1.0 / (1.0 + np.exp(-2.0 * score))
    shifted = shift_prior(balanced, 0.5, 200_000 / 220_000)
    near = (shifted > 0.85) & (shifted < 0.95)
    assert absent[near].mean() == pytest.approx(shifted[near].mean(), abs=0.01)


def test_stated_shares_fill_the_strata_from_below() -> None:
    strata = np.repeat([0, 1, 2, 3, 4, 5], [0, 1, 3, 5, 5, 5])
    priors = stratum_priors(NoveltyConfig(species=0.2, genus=0.1, family=0.08), strata, 5)
    assert priors == pytest.approx([0.0, 0.02, 0.06, 0.1, 0.2, 0.62])
    assert absent_priors(priors) == pytest.approx([1e-4, 0.02, 0.08, 0.18, 0.38])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.floats(0.01, 0.5))
def test_the_threshold_is_the_smallest_that_keeps_the_bound(values: list[float], alpha: float) -> None:
    confidence = np.array(values)
    threshold = risk_threshold(confidence, alpha)
    count = confidence.size

    def bound(at: float) -> float:
        return ((confidence > at).sum() + 1) / (count + 1)

    if threshold == NEVER:
        assert 1 / (count + 1) > alpha - 1e-9
        return
    assert bound(threshold) <= alpha + 1e-9
    lower = confidence[confidence < threshold]
    if threshold > 0 and lower.size:
        assert bound(float(lower.max())) > alpha - 1e-9


def test_over_classification_of_new_reads_stays_within_the_bound() -> None:
    rng = np.random.default_rng(4)
    realised = []
    for _ in range(400):
        threshold = risk_threshold(rng.beta(2, 5, size=150), 0.1)
        realised.append((rng.beta(2, 5, size=150) > threshold).mean())
    assert np.mean(realised) <= 0.1 + 0.005
    assert np.mean(realised) > 0.07


def test_a_clump_counts_as_one_taxon() -> None:
    """Nineteen small taxa are hard to tell, one large one is easy: read by read the bound would be the large one's."""
    taxa = np.concatenate([np.arange(19), np.full(500, 19)])
    confidence = np.concatenate([np.linspace(0.8, 0.98, 19), np.full(500, 0.1)])
    assert risk_threshold(confidence, 0.05) == pytest.approx(0.1)
    assert risk_threshold(confidence, 0.1, taxa) == pytest.approx(0.97)
    assert risk_threshold(confidence, 0.04, taxa) == NEVER
    assert risk_threshold(confidence, 0.1, np.arange(confidence.size)) == risk_threshold(confidence, 0.1)


def test_over_classification_of_new_clumps_stays_within_the_bound() -> None:
    rng = np.random.default_rng(9)
    realised = []

    def clumps(count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        taxa = np.repeat(np.arange(count), rng.integers(1, 30, size=count))
        return taxa, np.clip(rng.beta(2, 5, size=count)[taxa] + rng.normal(0, 0.02, size=taxa.size), 0.0, 1.0)

    for _ in range(400):
        taxa, confidence = clumps(60)
        threshold = risk_threshold(confidence, 0.1, taxa)
        new, asked = clumps(60)
        realised.append((np.bincount(new, asked > threshold) / np.bincount(new)).mean())
    assert 0.06 < np.mean(realised) <= 0.1 + 0.005


def test_a_name_proves_those_above_it_and_counts_there() -> None:
    chosen = np.array([[1, 2, 3], [1, -1, 3], [1, 2, -1], [-1, -1, -1]], dtype=np.int32)
    right = np.array([[0.8, 0.8, 0.7], [0.8, 0.0, 0.7], [0.8, 0.6, 0.0], [0.0, 0.0, 0.0]])
    assert accepted_rank(chosen, right, np.array([0.9, 0.9, 0.6])).tolist() == [2, 2, -1, -1]
    assert accepted_rank(chosen, right, np.array([0.7, 0.0, 0.9])).tolist() == [1, 0, 1, -1]
    assert accepted_rank(chosen, right, np.array([0.7, 0.7, 0.6]), stepwise=True).tolist() == [2, 2, 0, -1]
    assert accepted_rank(chosen, right, np.array([0.9, 0.0, 0.6]), stepwise=True).tolist() == [-1, -1, -1, -1]
    rng = np.random.default_rng(2)
    count = 3000
    truth = np.stack([rng.integers(300, size=count) for _ in range(3)], axis=1).astype(np.int32)
    sure = np.sort(rng.beta(2, 2, size=(count, 3)), axis=1)[:, ::-1]
    queries = CalibrationSet(
        np.maximum(truth, 0), truth, rng.integers(4, size=count), np.zeros((count, 3, 1)), truth[:, 1]
    )
    thresholds = np.array(_thresholds(queries, sure, 0.1))
    accepted = accepted_rank(queries.chosen, sure, thresholds)
    for rank in range(3):
        for stratum in range(rank + 1):
            inside = queries.strata == stratum
            assert (accepted[inside] >= rank).mean() <= 0.1
    inside = queries.strata == 0
    by_taxon = np.bincount(truth[inside, 0], accepted[inside] >= 0, 300) / np.maximum(np.bincount(truth[inside, 0]), 1)
    assert by_taxon.mean() <= 0.1


def test_without_absent_queries_there_is_nothing_to_bound() -> None:
    assert risk_threshold(np.zeros(0), 0.05) == 0.0


def test_a_gap_has_no_confidence_and_stops_nothing() -> None:
    calibrators = tuple(RankCalibrator(constant(p), constant(0.95), 0.5) for p in (0.1, 0.9, 0.2, 0.8))
    chosen = np.array([[4, -1, 7, 2], [4, -1, 7, -1]], dtype=np.int32)
    right, absent = probabilities(calibrators, chosen, np.zeros((2, 4, 3)), np.full(4, 0.5))
    assert (right[chosen < 0] == 0).all()
    assert right[0, 0] > right[0, 2] > right[0, 3]
    assert absent[0] == pytest.approx([0.1, 0.1, 0.2, 0.8])
    assert absent[1] == pytest.approx([0.1, 0.1, 0.2, 0.2])
    assert accepted_rank(chosen, right, np.full(4, 0.5)).tolist() == [2, 2]
    assert novel_rank(absent).tolist() == [3, -1]


def test_a_stratum_s_shift_counts_as_far_as_the_stratum_is_probable() -> None:
    shifts = (0.0, 0.0, -1.0, 1.0)
    calibrators = (
        RankCalibrator(constant(0.5), constant(0.8), 0.5),
        RankCalibrator(constant(0.5), constant(0.8), 0.5, shifts),
        RankCalibrator(constant(0.5), constant(0.8), 0.5),
    )
    chosen = np.zeros((1, 3), dtype=np.int32)

    def genus(absent_species: float) -> float:
        stated = np.array([EDGE, EDGE, absent_species])
        return float(probabilities(calibrators, chosen, np.zeros((1, 3, 3)), stated)[0][0, 1])

    def shifted(by: float) -> float:
        return float(1 / (1 + np.exp(-(np.log(4) + by))))

    assert genus(1 - EDGE) == pytest.approx(shifted(-1.0), abs=2e-3)
    assert genus(EDGE) == pytest.approx(shifted(1.0), abs=2e-3)
    assert shifted(-1.0) < genus(0.5) < shifted(1.0)


def test_trees_that_learned_taxa_by_heart_are_made_less_sure() -> None:
    """Every group has its own looks, which say nothing about a group that was never seen."""
    rng = np.random.default_rng(6)
    count = 2000

    def drawn() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        groups = rng.integers(40, size=count)
        evidence = rng.normal(size=(40, len(FEATURES)))[groups] + rng.normal(0, 0.3, (count, len(FEATURES)))
        return groups, evidence

    groups, evidence = drawn()
    strata = np.where(groups % 4 < 2, 0, 1)
    zero = np.zeros((count, 1), dtype=np.int32)
    queries = CalibrationSet(zero, zero, strata, evidence[:, None], groups)
    calibrators, _ = fit_calibrators(queries, np.array([0.5]), 1)
    others, fresh = drawn()
    absent = others % 4 < 2
    said = calibration_error(calibrators[0].absent.probability(fresh), absent)["ece"]
    by_heart = calibration_error(_fit_rank(queries, 0, 1).absent.probability(fresh), absent)["ece"]
    assert said is not None
    assert by_heart is not None
    assert said < by_heart / 2


def few_absent(seed: int) -> CalibrationSet:
    """Sixty queries of absent taxa among 800, told from the others by their evidence."""
    rng = np.random.default_rng(seed)
    absent = np.zeros(800, dtype=np.bool_)
    absent[rng.choice(800, 60, replace=False)] = True
    evidence = np.zeros((800, 1, len(FEATURES)))
    evidence[:, 0, FEATURES.index("best_kmer")] = np.where(absent, rng.normal(0.6, 0.1, 800), rng.normal(0.9, 0.1, 800))
    chosen = np.where(absent, 1, 0).astype(np.int32)[:, None]
    return CalibrationSet(chosen, chosen * 0, np.where(absent, 0, 1), evidence, rng.integers(0, 60, 800))


@pytest.mark.parametrize("seed", [1, 3])
def test_halves_with_too_few_absent_taxa_for_trees_do_not_flatten_those_of_the_whole(seed: int) -> None:
    queries = few_absent(seed)
    (judge,), _ = fit_calibrators(queries, np.array([0.1]), seed)
    said, absent = judge.absent.probability(queries.evidence[:, 0]), queries.absent(0)
    assert said[absent].mean() > 0.4
    assert said[~absent].mean() < 0.1


def test_evidence_that_misleads_leaves_the_share() -> None:
    queries = few_absent(1)
    node = np.array([0, -1, -1], dtype=np.int32)
    wrong = TreeEnsemble(
        0.0, np.full(3, FEATURES.index("best_kmer"), dtype=np.int16), np.full(3, 0.75), np.where(node < 0, -1, 1),
        np.where(node < 0, -1, 2), np.zeros(3, dtype=np.uint8), np.array([0.0, -1.0, 1.0]),
        np.array([0], dtype=np.int32),
    )  # fmt: skip
    judges = [RankCalibrator(wrong, constant(0.9), 0.075)] * 2
    stretched = wrong.stretched(*_line(queries, 0, judges, queries.groups % 2))
    assert stretched.probability(queries.evidence[:, 0]) == pytest.approx(0.075, abs=1e-6)


def test_stretched_trees_have_stretched_log_odds() -> None:
    trees = constant(0.3).stretched(0.5, 0.2)
    assert trees.log_odds(np.zeros((1, 3))) == pytest.approx([0.5 * np.log(0.3 / 0.7) + 0.2])

"""Predictions that saw nothing of a site, errors by hand, and a stage that says when it cannot."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from abyssal.config.benchmark import RegressionConfig
from abyssal.encoder.kmers import kmer_profiles
from abyssal.encoder.vectors import Vectors, write_vectors
from abyssal.errors import UsageError
from abyssal.files import sha256_file
from abyssal.reads.table import CountTable, read_table, write_table
from abyssal.regression.features import bray_curtis, centred_log_ratios, moments
from abyssal.regression.ridge import fit_predict, leave_sites_out, leave_sites_out_mean
from abyssal.regression.score import score
from abyssal.regression.stage import MEAN, OURS, RegressionFiles, regress_files
from abyssal.report.inputs import StudyResults, read_rows
from abyssal.report.regression_section import regression_section
from abyssal.samples.libraries import read_libraries, write_libraries
from abyssal.samples.model import Library
from abyssal.sequences.records import write_fasta

SITES = 8
PER_SITE = 4


def test_ridge_is_scikit_learns_on_the_training_samples() -> None:
    rng = np.random.default_rng(1)
    features, target = rng.normal(size=(20, 6)), rng.normal(size=20)
    train, test = np.arange(15), np.arange(15, 20)
    scale = float(((features[train] - features[train].mean(axis=0)) ** 2).sum()) / 15
    expected = Ridge(alpha=0.5 * scale).fit(features[train], target[train]).predict(features[test])
    assert fit_predict(features @ features.T, target, train, test, 0.5) == pytest.approx(expected)


def test_what_rounding_makes_of_like_samples_is_not_learnt_from() -> None:
    rng = np.random.default_rng(1)
    target = rng.normal(size=12)
    # Inner products of twelve like samples, of which some are off by a last digit.
    kernel = 0.7 + np.spacing(0.7) * (2 * np.eye(12) + rng.integers(0, 2, size=(12, 12)))
    predicted = fit_predict(kernel, target, np.arange(11), np.array([11]), 1e-6)
    assert predicted == pytest.approx([target[:11].mean()])


def test_a_sites_own_values_change_nothing_of_its_predictions() -> None:
    rng = np.random.default_rng(2)
    features, target = rng.normal(size=(12, 4)), rng.normal(size=12)
    sites = np.repeat(np.arange(4), 3)
    kernels = {"linear": features @ features.T, "narrow": features[:, :2] @ features[:, :2].T}
    before, _ = leave_sites_out(kernels, target, sites)
    changed = np.where(sites == 2, target + 100.0, target)
    after, _ = leave_sites_out(kernels, changed, sites)
    assert after[sites == 2] == pytest.approx(before[sites == 2])
    assert not np.allclose(after[sites != 2], before[sites != 2])
    assert leave_sites_out_mean(target, sites)[0] == pytest.approx(target[3:].mean())


def test_features_by_hand() -> None:
    counts = np.array([[3, 0], [1, 5]])
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    assert moments(counts, vectors, 1.0)[0] == pytest.approx([0.75, 0.25, np.sqrt(0.1875), np.sqrt(0.1875)])
    assert moments(counts, vectors, 1.0)[1] == pytest.approx([0.0, 1.0, 0.0, 0.0])
    assert bray_curtis(counts).tolist() == [[0.0, 0.75], [0.75, 0.0]]
    assert centred_log_ratios(counts).sum(axis=1) == pytest.approx([0.0, 0.0])


def test_errors_by_hand() -> None:
    target, predicted = np.array([0.0, 2.0, 4.0]), np.array([0.0, 2.0, 1.0])
    found = score(target, predicted, np.full(3, 2.0), np.arange(3), resamples=20, seed=1)
    assert found["mae"] == pytest.approx(1.0)
    assert found["r2"] == pytest.approx(1 - 9 / 8)
    assert found["mae_below_mean_predictor"] == pytest.approx(4 / 3 - 1.0)


@dataclass(frozen=True)
class Made:
    """Files of a study and where its results go."""

    files: RegressionFiles
    folder: Path

    def run(self, **settings: object) -> dict[str, dict[str, object]]:
        """Run the stage and return what it found by target."""
        outputs = [self.folder / name for name in ("metrics.json", "predictions.tsv", "model.json")]
        chosen = {"site": "site", "resamples": 50, **settings}
        regress_files(self.files, *outputs, settings=RegressionConfig(**chosen), seed=1)  # type: ignore[arg-type]
        found: dict[str, dict[str, object]] = json.loads(outputs[0].read_text())["targets"]
        return found


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Eight sites along a gradient; two kinds of ASVs replace each other, and no ASV is at two sites."""
    rng = np.random.default_rng(3)
    poles = ["".join(rng.choice(list("ACGT"), size=200)) for _ in range(2)]
    sequences, columns, libraries = [], [], []
    for site in range(SITES):
        depth = 500.0 * site
        own = [_varied(pole, rng) for pole in poles for _ in range(4)]
        first = len(sequences)
        sequences += own
        for number in range(PER_SITE):
            name = f"s{site}{number}"
            share = site / (SITES - 1)
            weights = np.r_[np.full(4, 1 - share), np.full(4, share)] / 4
            columns.append((name, first, rng.multinomial(2000, weights)))
            noise = {"site": f"site{site}", "noise": f"{rng.normal():.4f}"}
            libraries.append(
                Library(name, name, "1", "m", "asvs", (tmp_path / "asvs.fasta",), depth_m=depth, metadata=noise)
            )
    ids = [f"a{row:03d}" for row in range(len(sequences))]
    write_fasta(tmp_path / "asvs.fasta", zip(ids, sequences, strict=True))
    counts = np.zeros((len(ids), len(columns)), dtype=np.int64)
    for column, (_, first, reads) in enumerate(columns):
        counts[first : first + reads.size, column] = reads
    write_table(tmp_path / "table.tsv", CountTable(tuple(ids), tuple(name for name, _, _ in columns), counts))
    digest = sha256_file(tmp_path / "asvs.fasta")
    write_vectors(tmp_path / "vectors", Vectors(kmer_profiles(sequences), "0" * 64, "test", digest))
    write_libraries(tmp_path / "libraries.tsv", libraries)
    names = ("libraries.tsv", "table.tsv", "asvs.fasta", "vectors")
    return Made(RegressionFiles(*(tmp_path / name for name in names)), tmp_path)


def _varied(sequence: str, rng: np.random.Generator) -> str:
    letters = np.array(list(sequence))
    letters[rng.random(letters.size) < 0.05] = rng.choice(list("ACGT"))
    return "".join(letters)


def test_a_gradient_is_found_though_no_sample_shares_an_asv_with_another_site(made: Made) -> None:
    found = made.run(targets=["depth_m"])["depth_m"]
    methods: dict[str, dict[str, float]] = found["methods"]  # type: ignore[assignment]
    assert (found["samples"], found["sites"], found["best"]) == (SITES * PER_SITE, SITES, OURS)
    assert methods[OURS]["r2"] > 0.9
    assert methods[OURS]["mae_below_mean_predictor_interval"][0] > 0  # type: ignore[index]
    # The peers see ASVs as names only: nothing connects one site with another.
    assert methods["clr-ridge"]["r2"] < 0.5
    rows = (made.folder / "predictions.tsv").read_text().splitlines()
    assert len(rows) == 1 + 4 * SITES * PER_SITE
    model = json.loads((made.folder / "model.json").read_text())["targets"]["depth_m"]
    assert len(model["coefficients"]) == 4096


def test_the_report_says_who_is_ahead(made: Made) -> None:
    made.run(targets=["depth_m"])
    results = SimpleNamespace(
        regression=json.loads((made.folder / "metrics.json").read_text()),
        predictions=read_rows(made.folder / "predictions.tsv"),
    )
    section = regression_section(cast("StudyResults", results))
    assert section is not None
    assert "better than the mean predictor" in section.paragraphs[0]
    assert [row[1] for row in section.tables[0].rows] == [OURS, MEAN, "clr-ridge", "pcoa-ridge"]
    (figure,) = section.figures
    assert "32 samples of 8 sites" in figure.caption
    # The diagonal and one set of points a site.
    assert {name: len(traces) for name, traces in figure.views.items()}[OURS] == 1 + SITES


def test_a_target_of_small_numbers_is_modelled_and_shown_as_one_of_large_ones(made: Made) -> None:
    libraries = read_libraries(made.files.libraries)
    moles = [{**library.metadata, "moles": f"{1e-9 * (library.depth_m or 0.0):.6g}"} for library in libraries]
    changed = [replace(library, metadata=row) for library, row in zip(libraries, moles, strict=True)]
    write_libraries(made.files.libraries, changed)
    found = made.run(targets=["depth_m", "moles"])
    models = json.loads((made.folder / "model.json").read_text())["targets"]
    large, small = (np.array(models[name]["coefficients"]) for name in ("depth_m", "moles"))
    assert 1e9 * small == pytest.approx(large, rel=1e-3, abs=1e-6)
    results = SimpleNamespace(regression={"targets": found}, predictions=read_rows(made.folder / "predictions.tsv"))
    section = regression_section(cast("StudyResults", results))
    assert section is not None
    shown = {row[0]: float(row[2]) for row in section.tables[0].rows if row[1] == MEAN}
    assert 1e9 * shown["moles"] == pytest.approx(shown["depth_m"], rel=0.01)


def test_noise_is_not_called_predictable(made: Made) -> None:
    found = made.run(targets=["noise"])["noise"]
    methods: dict[str, dict[str, float]] = found["methods"]  # type: ignore[assignment]
    assert methods[OURS]["r2"] < 0.2
    assert methods[MEAN]["mae_below_mean_predictor"] == 0.0


def test_too_few_sites_are_a_result_and_a_wrong_column_is_an_error(made: Made) -> None:
    found = made.run(targets=["depth_m"], min_reads=10_000)["depth_m"]
    assert "0 samples of 0 sites" in str(found["reason"])
    with pytest.raises(UsageError, match="no column salinity in the sample sheet"):
        made.run(targets=["salinity"])
    with pytest.raises(UsageError, match="row 2, column site: 'site0' is no number"):
        made.run(targets=["site"])
    with pytest.raises(UsageError, match="give latitude and longitude"):
        made.run(targets=["depth_m"], site=None)


def test_a_site_on_the_equator_is_one_site(made: Made) -> None:
    libraries = read_libraries(made.files.libraries)
    # Four samples of one dive stand a few metres north and south of the equator, and east and west of Greenwich.
    near = [(0.001, 0.002), (-0.001, 0.002), (-0.002, -0.003), (0.0, -0.004)]
    placed = [
        replace(library, latitude=near[row % PER_SITE][0] + row // PER_SITE, longitude=near[row % PER_SITE][1])
        for row, library in enumerate(libraries)
    ]
    write_libraries(made.files.libraries, placed)
    found = made.run(targets=["depth_m"], site=None)["depth_m"]
    assert (found["samples"], found["sites"]) == (SITES * PER_SITE, SITES)


@pytest.mark.parametrize("cell", ["inf", "1e999", "12 m"])
def test_a_cell_that_is_no_finite_number_is_an_error(made: Made, cell: str) -> None:
    libraries = read_libraries(made.files.libraries)
    changed = [replace(library, metadata={**library.metadata, "salinity": cell}) for library in libraries]
    write_libraries(made.files.libraries, changed)
    with pytest.raises(UsageError, match=f"column salinity: '{cell}' is no number"):
        made.run(targets=["salinity"])


@pytest.mark.parametrize("asvs", [1, 3, 6])
def test_samples_composed_alike_are_told_the_mean(made: Made, asvs: int) -> None:
    table = read_table(made.files.table)
    counts = np.zeros_like(table.counts)
    # Shares that binary fractions only come near to: rounding is all that tells the samples apart.
    counts[:asvs] = np.array([[500], [77], [30], [11], [7], [3]])[:asvs]
    write_table(made.files.table, CountTable(table.features, table.columns, counts))
    methods: dict[str, dict[str, float]] = made.run(targets=["depth_m"])["depth_m"]["methods"]  # type: ignore[assignment]
    assert methods[OURS]["mae"] == pytest.approx(methods[MEAN]["mae"])
    model = json.loads((made.folder / "model.json").read_text())["targets"]["depth_m"]
    assert not any(model["coefficients"])
    assert model["intercept"] == pytest.approx(500.0 * (SITES - 1) / 2)

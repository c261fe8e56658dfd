"""The regression stage: a study's ASV table, vectors and sheet in; honest errors, predictions and a model out."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.config.benchmark import RegressionConfig
from abyssal.encoder.vectors import read_vectors
from abyssal.errors import UsageError
from abyssal.files import open_atomic, write_json
from abyssal.reads.table import CountTable, read_table
from abyssal.regression.features import kernels, moments
from abyssal.regression.ridge import PENALTIES, choose, composed_alike, leave_sites_out, leave_sites_out_mean
from abyssal.regression.score import score
from abyssal.samples.libraries import read_libraries
from abyssal.samples.model import Library, is_missing
from abyssal.sequences.records import read_records

logger = logging.getLogger(__name__)

FORMAT = "abyssal-regression"
FORMAT_VERSION = 1
OURS = "embedding"
MEAN = "mean predictor"
FEWEST_SITES = 3
"""One site is left out, one more to choose the penalty, and something must be left to fit on."""


@dataclass(frozen=True)
class RegressionFiles:
    """Inputs of the stage: the checked sheet, the ASV table by sample, the ASVs and their vectors."""

    libraries: Path
    table: Path
    asvs: Path
    vectors: Path


@dataclass(frozen=True)
class Samples:
    """The samples that can be used for one target.

    Attributes:
        names: of the samples.
        target: (n,) float64.
        sites: (n,) int64 numbers of sites.
        site_names: name of each number.
        columns: places of the samples in the table.
    """

    names: tuple[str, ...]
    target: NDArray[np.float64]
    sites: NDArray[np.int64]
    site_names: tuple[str, ...]
    columns: NDArray[np.int64]


def regress_files(
    files: RegressionFiles, metrics: Path, predictions: Path, model: Path, *, settings: RegressionConfig, seed: int
) -> None:
    """Write ``metrics.json``, ``predictions.tsv`` and ``model.json`` for every target, or why there is none."""
    libraries = read_libraries(files.libraries)
    table = read_table(files.table)
    order = {record.id: row for row, record in enumerate(read_records(files.asvs))}
    vectors = read_vectors(files.vectors, fasta=files.asvs)
    values = vectors.values[[order[name] for name in table.features]]
    found: dict[str, Any] = {}
    rows: list[tuple[str, ...]] = []
    models: dict[str, Any] = {}
    for target in settings.targets:
        samples = usable_samples(libraries, table, target, settings)
        if len(samples.site_names) < FEWEST_SITES:
            reason = f"{len(samples.names)} samples of {len(samples.site_names)} sites; at least {FEWEST_SITES} sites"
            found[target] = {"reason": f"{reason} with a number in {target} and {settings.min_reads} reads are needed"}
            continue
        counts = table.counts[:, samples.columns]
        kept = counts.any(axis=1)
        found[target], told = _measure(samples, counts[kept], values[kept], settings, seed)
        rows += _rows(target, samples, told)
        models[target] = _model(samples, counts[kept], values[kept])
    write_json(metrics, {"format": FORMAT, "format_version": FORMAT_VERSION, "seed": seed, "targets": found})
    write_json(model, {"encoder": vectors.encoder_digest, "targets": models})
    with open_atomic(predictions) as out:
        out.write("target\tsample\tsite\tobserved\tmethod\tpredicted\n")
        out.writelines("\t".join(row) + "\n" for row in rows)


def usable_samples(libraries: Sequence[Library], table: CountTable, target: str, settings: RegressionConfig) -> Samples:
    """Return the samples with a number, a site and enough reads; a number differing between libraries is averaged.

    Raises:
        UsageError: no library has the column, or a cell is no number.
    """
    numbers: dict[str, list[float]] = {}
    places: dict[str, str] = {}
    seen = False
    for library in libraries:
        cell = _cell(library, target)
        seen |= cell is not None
        if library.control or cell is None or is_missing(cell):
            continue
        numbers.setdefault(library.sample, []).append(_number(cell, target, library))
        places[library.sample] = _site(library, settings.site)
    if not seen:
        message = f"regression.targets: no column {target} in the sample sheet; add it, or name a column that is there"
        raise UsageError(message)
    totals = table.totals()
    names = [name for name in table.columns if name in numbers and totals[name] >= settings.min_reads]
    site_names = sorted({places[name] for name in names})
    return Samples(
        tuple(names),
        np.array([float(np.mean(numbers[name])) for name in names]),
        np.array([site_names.index(places[name]) for name in names], dtype=np.int64),
        tuple(site_names),
        np.array([table.columns.index(name) for name in names], dtype=np.int64),
    )


def _cell(library: Library, column: str) -> str | None:
    if column in {"depth_m", "latitude", "longitude"}:
        value = getattr(library, column)
        return None if value is None else f"{value:.10g}"
    return library.metadata.get(column)


def _number(cell: str, column: str, library: Library) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        message = (
            f"sample sheet row {library.row}, column {column}: {cell!r} is no number; regression.targets needs "
            "numbers, or an empty cell where it is not known"
        )
        raise UsageError(message)
    return value


def _site(library: Library, column: str | None) -> str:
    if column is not None:
        found = _cell(library, column)
        if found is None or is_missing(found):
            message = f"sample sheet row {library.row}: no site in column {column}, which regression.site names"
            raise UsageError(message)
        return found
    if library.latitude is None or library.longitude is None:
        message = (
            f"sample sheet row {library.row}: no position; give latitude and longitude, or name the column of the site "
            "in regression.site"
        )
        raise UsageError(message)
    # Adding 0 takes the sign off -0.0: both sides of the equator and of Greenwich are one place there.
    latitude, longitude = (round(degrees, 2) + 0.0 for degrees in (library.latitude, library.longitude))
    return f"{latitude:.2f} {longitude:.2f}"


def _measure(
    samples: Samples, counts: NDArray[np.int64], vectors: NDArray[np.float32], settings: RegressionConfig, seed: int
) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    baseline = leave_sites_out_mean(samples.target, samples.sites)
    told = {MEAN: baseline}
    chosen: dict[str, list[str]] = {}
    for method, candidates in kernels(counts, vectors).items():
        told[method], choices = leave_sites_out(candidates, samples.target, samples.sites)
        chosen[method] = [f"{choice.kernel}; penalty {choice.penalty:.3g}" for choice in choices]
    methods = {
        method: score(samples.target, predicted, baseline, samples.sites, resamples=settings.resamples, seed=seed)
        | {"chosen": chosen.get(method, [])}
        for method, predicted in told.items()
    }
    logger.info("%d samples of %d sites", len(samples.names), len(samples.site_names))
    summary = {
        "samples": len(samples.names), "sites": len(samples.site_names), "asvs": int(counts.shape[0]),
        "least": float(samples.target.min()), "most": float(samples.target.max()),
        "best": min(methods, key=lambda method: methods[method]["mae"]), "methods": methods,
    }  # fmt: skip
    return summary, told


def _rows(target: str, samples: Samples, told: dict[str, NDArray[np.float64]]) -> list[tuple[str, ...]]:
    return [
        (target, name, samples.site_names[samples.sites[row]], f"{samples.target[row]:.6g}", method,
         f"{predicted[row]:.6g}")
        for method, predicted in told.items()
        for row, name in enumerate(samples.names)
    ]  # fmt: skip


def _model(samples: Samples, counts: NDArray[np.int64], vectors: NDArray[np.float32]) -> dict[str, Any]:
    """Return a linear model on the mean vector of a sample's shares, fitted on all samples: small enough for JSON."""
    features = np.hsplit(moments(counts, vectors, 1.0), 2)[0]
    everyone = np.arange(samples.target.size)
    kernel = features @ features.T
    penalty = choose({"mean": kernel}, samples.target, samples.sites, everyone).penalty
    centre = features.mean(axis=0)
    centred = features - centre
    scale = float((centred**2).sum()) / len(centred)
    mean = float(samples.target.mean())
    slope = np.zeros(centred.shape[1])
    if not composed_alike(scale, kernel):
        system = centred @ centred.T + penalty * scale * np.eye(len(centred))
        slope = centred.T @ np.linalg.solve(system, samples.target - mean)
    return {
        "features": "mean of the ASVs' vectors, weighted by their share of the sample's reads",
        "penalty": penalty, "penalties_tried": list(PENALTIES), "intercept": _short(mean - float(centre @ slope)),
        "coefficients": [_short(value) for value in slope.tolist()],
    }  # fmt: skip


def _short(value: float) -> float:
    """Return a number to eight digits, whatever the target's unit: moles a litre have none before the sixth decimal."""
    return float(f"{value:.8g}")

"""A fitted classifier and the files it is kept in.

``classifier.safetensors`` holds every array, ``calibration.json`` what the numbers mean, ``preprocessing.json`` what is
done to a read before, ``taxonomy.tsv`` and ``reference.fasta.gz`` the reference. The same model gives the same bytes.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from abyssal.config.models import NoveltyConfig
from abyssal.encoder.identity import copy_encoder
from abyssal.encoder.strand import StrandProfile
from abyssal.errors import BundleError
from abyssal.files import atomic_path, read_json, write_json
from abyssal.references.model import AmpliconReference, read_reference, write_reference
from abyssal.taxonomy.approximate import CoarseLists
from abyssal.taxonomy.calibration import RankCalibrator
from abyssal.taxonomy.decoys import OffTargetFloors
from abyssal.taxonomy.evidence import FEATURES
from abyssal.taxonomy.index import ReferenceIndex, build_index
from abyssal.taxonomy.trees import from_arrays

CLASSIFIER_FILE = "classifier.safetensors"
CALIBRATION_FILE = "calibration.json"
PREPROCESSING_FILE = "preprocessing.json"
TAXONOMY_FILE = "taxonomy.tsv"
REFERENCE_FILE = "reference.fasta.gz"
ENCODER_FOLDER = "encoder"
PUTATIVE_FILE = "putative_taxa.tsv"
EXEMPLAR_FILE = "exemplars.fasta"

CENTROIDS = "lists.centroids"
ASSIGNED = "lists.assigned"
ADDED = "added"

CALIBRATION_FORMAT = "abyssal-calibration"
PREPROCESSING_FORMAT = "abyssal-preprocessing"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class MarkerSpec:
    """What reads of the marker look like.

    Attributes:
        name: the marker's name.
        forward_primer, reverse_primer: IUPAC letters, 5' to 3'; "" when unknown.
        min_length, max_length: shortest and longest amplicon without primers (bases).
    """

    name: str
    forward_primer: str
    reverse_primer: str
    min_length: int
    max_length: int


@dataclass(frozen=True)
class Model:
    """Everything that answers depend on, but for the encoder.

    Attributes:
        index: the reference.
        local: (n, R, 2) float32 surroundings of each amplicon.
        calibrators: one pair a rank.
        thresholds: (R,) float64, a name is accepted when its confidence is above.
        novelty: the mix for which confidences hold unless a request states another.
        drawn_strata: (R + 1,) int64 calibration queries per stratum; they share out "family or beyond".
        floors: off-target floors.
        strand: tells which way round a read is.
        neighbours: reference amplicons that vote.
        summary: what ``calibration.json`` says beside the above: counts, mixes, all thresholds.
        stepwise: thresholds suppose that a name needs all names above it to pass theirs; so in older models.
    """

    index: ReferenceIndex
    local: NDArray[np.float32]
    calibrators: tuple[RankCalibrator, ...]
    thresholds: NDArray[np.float64]
    novelty: NoveltyConfig
    drawn_strata: NDArray[np.int64]
    floors: OffTargetFloors
    strand: StrandProfile
    neighbours: int
    summary: dict[str, Any]
    stepwise: bool = False

    @property
    def ranks(self) -> tuple[str, ...]:
        return self.index.taxa.ranks


def save_model(model: Model, directory: Path, *, encoder: Path | None, marker: MarkerSpec, batch_size: int) -> None:
    """Write the model's files and a copy of the encoder's into ``directory``.

    Args:
        model: what ``fit_model`` returned.
        directory: made when it is not there; files with these names are replaced.
        encoder: folder of the encoder; None for the k-mer encoder, which has no files.
        marker: what reads of the marker look like.
        batch_size: rows of the encoder's fixed batch shape; part of the results' identity.
    """
    directory.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {
        "vectors": model.index.vectors.astype(np.float16),
        "local": model.local,
        "strand": model.strand.weights,
    }
    if model.index.lists is not None:
        arrays |= {CENTROIDS: model.index.lists.centroids, ASSIGNED: model.index.lists.assigned}
    if model.index.taxa.added is not None:
        arrays[ADDED] = model.index.taxa.added.astype(np.uint8)
    for rank, calibrator in enumerate(model.calibrators):
        arrays |= calibrator.absent.arrays(f"absent.{rank}") | calibrator.right.arrays(f"right.{rank}")
    with atomic_path(directory / CLASSIFIER_FILE) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
    write_json(directory / CALIBRATION_FILE, _calibration(model))
    write_json(
        directory / PREPROCESSING_FILE,
        {
            "format": PREPROCESSING_FORMAT, "format_version": FORMAT_VERSION, "marker": marker.name,
            "forward_primer": marker.forward_primer, "reverse_primer": marker.reverse_primer,
            "min_length": marker.min_length, "max_length": marker.max_length, "batch_size": batch_size,
            "k": model.index.profiles.k, "encoder": "kmers" if encoder is None else ENCODER_FOLDER,
        },
    )  # fmt: skip
    write_reference(model.index.reference, directory / REFERENCE_FILE, directory / TAXONOMY_FILE)
    if encoder is not None:
        shutil.rmtree(directory / ENCODER_FOLDER, ignore_errors=True)
        copy_encoder(encoder, directory / ENCODER_FOLDER)


def _calibration(model: Model) -> dict[str, Any]:
    return {
        "format": CALIBRATION_FORMAT,
        "format_version": FORMAT_VERSION,
        "ranks": list(model.ranks),
        "features": list(FEATURES),
        "neighbours": model.neighbours,
        "novelty": model.novelty.model_dump(),
        "drawn_strata": model.drawn_strata.tolist(),
        "thresholds": model.thresholds.tolist(),
        "stepwise": model.stepwise,
        "absent_priors": [calibrator.prior for calibrator in model.calibrators],
        "right_shifts": [list(calibrator.shifts) for calibrator in model.calibrators],
        "off_target": {"kmer": model.floors.kmer, "identity": model.floors.identity},
        "summary": model.summary,
    }


def load_model(directory: Path) -> Model:
    """Read what ``save_model`` wrote.

    Raises:
        BundleError: a file is missing, damaged, of a newer format, or does not fit the others.
    """
    calibration = _read_format(directory / CALIBRATION_FILE, CALIBRATION_FORMAT)
    try:
        arrays = load_file(directory / CLASSIFIER_FILE)
    except (SafetensorError, OSError) as error:
        message = f"{directory / CLASSIFIER_FILE}: not a readable file of arrays ({error}); make the model again"
        raise BundleError(message) from error
    if tuple(calibration["features"]) != FEATURES[: len(calibration["features"])]:
        message = f"{directory / CALIBRATION_FILE}: made for other evidence than this version gathers; fit it again"
        raise BundleError(message)
    reference = _read_reference(directory, ranked=bool(calibration["ranks"]))
    if list(reference.ranks) != calibration["ranks"] or arrays["vectors"].shape[0] != len(reference):
        message = f"{directory}: {TAXONOMY_FILE}, {REFERENCE_FILE} and {CLASSIFIER_FILE} do not belong together"
        raise BundleError(message)
    floors = calibration["off_target"]
    return Model(
        index=build_index(
            reference, arrays["vectors"], lists=_stored_lists(arrays, len(reference)), added=_stored_added(arrays)
        ),
        local=arrays["local"],
        calibrators=_calibrators(calibration, arrays),
        thresholds=np.array(calibration["thresholds"], dtype=np.float64),
        novelty=NoveltyConfig(**calibration["novelty"]),
        drawn_strata=np.array(calibration["drawn_strata"], dtype=np.int64),
        floors=OffTargetFloors(floors["kmer"], floors["identity"]),
        strand=StrandProfile(arrays["strand"]),
        neighbours=int(calibration["neighbours"]),
        summary=calibration["summary"],
        stepwise=calibration.get("stepwise", True),
    )


def _stored_lists(arrays: dict[str, NDArray[Any]], count: int) -> CoarseLists | None:
    if CENTROIDS not in arrays:
        return None
    lists = CoarseLists(arrays[CENTROIDS], arrays[ASSIGNED])
    if lists.assigned.shape != (count,) or not 0 <= lists.assigned.min() <= lists.assigned.max() < len(lists.centroids):
        message = f"{CLASSIFIER_FILE}: {ASSIGNED} does not name a list for each amplicon; make the model again"
        raise BundleError(message)
    return lists


def _stored_added(arrays: dict[str, NDArray[Any]]) -> NDArray[np.bool_] | None:
    return arrays[ADDED].astype(np.bool_) if ADDED in arrays else None


def _calibrators(calibration: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> tuple[RankCalibrator, ...]:
    priors = calibration["absent_priors"]
    # The first bundles of this format have no shifts.
    shifts = calibration.get("right_shifts", [()] * len(priors))
    return tuple(
        RankCalibrator(
            from_arrays(arrays, f"absent.{rank}"), from_arrays(arrays, f"right.{rank}"), prior, tuple(shifts[rank])
        )
        for rank, prior in enumerate(priors)
    )


def _read_reference(directory: Path, *, ranked: bool) -> AmpliconReference:
    """Read the reference; a model that names nothing has one without ranks, which is no valid table of lineages."""
    if not ranked:
        return AmpliconReference((), (), (), ())
    return read_reference(directory / REFERENCE_FILE, directory / TAXONOMY_FILE)


def read_preprocessing(directory: Path) -> tuple[MarkerSpec, dict[str, Any]]:
    """Return the marker of a model directory and all of its ``preprocessing.json``."""
    found = _read_format(directory / PREPROCESSING_FILE, PREPROCESSING_FORMAT)
    marker = MarkerSpec(
        found["marker"], found["forward_primer"], found["reverse_primer"], found["min_length"], found["max_length"]
    )
    return marker, found


def _read_format(source: Path, name: str) -> dict[str, Any]:
    if not source.is_file():
        message = f"{source}: no such file; expected the directory of a trained model or a bundle"
        raise BundleError(message)
    try:
        found = read_json(source)
    except ValueError as error:
        message = f"{source}: not JSON ({error}); make the model again"
        raise BundleError(message) from error
    if not isinstance(found, dict) or found.get("format") != name:
        message = f"{source}: not a file of format {name}"
        raise BundleError(message)
    if found.get("format_version") != FORMAT_VERSION:
        message = f"{source}: format version {found.get('format_version')}, this Abyssal reads {FORMAT_VERSION}"
        raise BundleError(message)
    return found

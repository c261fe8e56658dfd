"""The train stage: files of a study in, a model directory and the study's classified ASVs out."""

from __future__ import annotations

import logging
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from abyssal.config.fallback import FallbackConfig
from abyssal.config.models import TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.encoder.vectors import read_vectors
from abyssal.errors import DataError
from abyssal.files import open_atomic, write_json
from abyssal.references.model import AmpliconReference, read_reference
from abyssal.sequences.records import read_records
from abyssal.taxonomy.classifications import tsv_header, tsv_rows
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fallback import Budget, Fallback, Revision
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.mixture import KINDS, estimate_mixture, kinds_of
from abyssal.taxonomy.model import EXEMPLAR_FILE, PUTATIVE_FILE, MarkerSpec, save_model
from abyssal.taxonomy.pseudo import read_exemplars, with_pseudo_labels
from abyssal.taxonomy.threads import usable_threads

logger = logging.getLogger(__name__)

CHUNK = 4096
"""Records read, classified and written at a time."""


@dataclass(frozen=True)
class TrainFiles:
    """Inputs of the train stage; the reference's files are None for a marker without a reference."""

    encoder: Path
    putative_taxa: Path
    exemplars: Path
    reference: Path | None = None
    lineages: Path | None = None
    reference_vectors: Path | None = None


def train_files(
    files: TrainFiles, model_directory: Path, *, settings: TrainConfig, marker: MarkerSpec, batch_size: int, seed: int
) -> None:
    """Fit a model on a study's reference and write its directory, putative taxa included.

    Raises:
        DataError: the vectors were made from another FASTA or by another encoder.
    """
    stored = encoder_files(files.encoder)
    encoder = load_encoder("kmers" if stored is None else stored, batch_size=batch_size)
    if files.reference is None or files.lineages is None or files.reference_vectors is None:
        reference = AmpliconReference((), (), (), ())
        vectors = np.zeros((0, encoder.dimension), dtype=np.float32)
    else:
        reference = read_reference(files.reference, files.lineages)
        vectors = read_vectors(files.reference_vectors, fasta=files.reference, encoder_digest=encoder.digest).values
    model = fit_model(reference, vectors, encoder, settings=settings, seed=seed)
    if settings.pseudo_labels:
        model = with_pseudo_labels(model, encoder, marker, read_exemplars(files.exemplars))
    save_model(model, model_directory, encoder=stored, marker=marker, batch_size=batch_size)
    shutil.copyfile(files.putative_taxa, model_directory / PUTATIVE_FILE)
    shutil.copyfile(files.exemplars, model_directory / EXEMPLAR_FILE)


def encoder_files(directory: Path) -> Path | None:
    """Return the folder of a stored encoder; None when it holds no weights: the k-mer encoder has none."""
    return directory if (directory / "model.safetensors").is_file() else None


def classify_file(classifier: Classifier, fasta: Path, target: Path, fallback: FallbackConfig | None = None) -> int:
    """Classify the records of a FASTA and write the classification TSV; returns the number of records.

    Args:
        classifier, fasta, target: model, sequences and table.
        fallback: settings of the search for reads that the model leaves open; None searches for none.

    Raises:
        DataError: two records have the same id.
    """
    records = list(read_records(fasta))
    if len({record.id for record in records}) != len(records):
        message = f"{fasta}: two records have the same id; ids must be distinct"
        raise DataError(message)
    with open_atomic(target) as out, ExitStack() as opened:
        out.write(tsv_header(classifier.ranks) + "\n")
        revision = _revision(classifier, fallback, opened)
        for start in range(0, len(records), CHUNK):
            part = records[start : start + CHUNK]
            sequences = [record.sequence for record in part]
            answers = classifier.classify(sequences)
            if revision is not None:
                answers = revision(sequences, answers)
            out.writelines(row + "\n" for row in tsv_rows([record.id for record in part], answers))
    if revision is not None:
        logger.info("fallback: %s", revision.report())
    logger.info("classified %d sequences", len(records))
    return len(records)


def estimate_novelty(classifier: Classifier, fasta: Path, target: Path, seed: int = 1) -> None:
    """Estimate from the records of a FASTA how many are of new species, genera and families, and write it.

    ``seed`` is that of the interval's resamples; the estimate has none.
    """
    stated = classifier.model.novelty
    absent = classifier.absence([record.sequence for record in read_records(fasta)])
    # A model that names nothing has no ranks, and so nothing to be new at.
    kinds = kinds_of(absent) if classifier.ranks else np.zeros((0, len(KINDS)))
    write_json(target, estimate_mixture(kinds, stated, np.random.default_rng(seed)).as_json(stated))


def _revision(classifier: Classifier, settings: FallbackConfig | None, opened: ExitStack) -> Revision | None:
    fallback = None if settings is None else Fallback.configured(classifier, settings, threads=usable_threads())
    if fallback is None or settings is None:
        return None
    return Revision(opened.enter_context(fallback), Budget(settings.max_share, settings.max_seconds))

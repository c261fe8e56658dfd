"""Datasets on disk: a checked reference with the vectors of its amplicons, made once for all cases."""

from __future__ import annotations

import logging
from pathlib import Path

from abyssal.benchmark.datasets import build_dataset
from abyssal.encoder.load import load_encoder
from abyssal.encoder.vectors import embed_fasta, write_vectors
from abyssal.references.model import write_reference

logger = logging.getLogger(__name__)


def write_dataset(
    folder: Path, dataset: str, scale: float, encoder: str, outputs: dict[str, Path], batch_size: int
) -> None:
    """Write a dataset's ``reference``, ``lineages`` and ``vectors``."""
    reference = build_dataset(folder, dataset, scale)
    write_reference(reference, outputs["reference"], outputs["lineages"])
    logger.info("%s: %d amplicons", dataset, len(reference))
    write_vectors(outputs["vectors"], embed_fasta(load_encoder(encoder, batch_size=batch_size), outputs["reference"]))

"""Vectors on disk: one safetensors file that knows which encoder and which FASTA it belongs to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from abyssal.encoder.interface import Encoder
from abyssal.errors import DataError
from abyssal.files import atomic_path, sha256_file
from abyssal.sequences.records import read_records

FORMAT = "abyssal-vectors"
FORMAT_VERSION = "1"
TENSOR = "vectors"
METADATA_KEY = "abyssal"
"""One key that holds JSON: safetensors writes several keys in an order that changes from run to run."""


@dataclass(frozen=True)
class Vectors:
    """Vectors of the records of one FASTA, in its order.

    Attributes:
        values: (n, dimension) float32.
        encoder_digest: ``Encoder.digest`` of what made them.
        engine: ``Encoder.engine`` of what made them.
        fasta_sha256: hex SHA-256 of the FASTA's bytes.
    """

    values: NDArray[np.float32]
    encoder_digest: str
    engine: str
    fasta_sha256: str


def embed_fasta(encoder: Encoder, fasta: Path) -> Vectors:
    """Embed every record of a FASTA; an empty one gives a (0, dimension) array."""
    values = encoder.embed([record.sequence for record in read_records(fasta)])
    return Vectors(values, encoder.digest, encoder.engine, sha256_file(fasta))


def write_vectors(target: Path, vectors: Vectors) -> None:
    """Write vectors atomically; the same vectors give the same bytes."""
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "encoder": vectors.encoder_digest,
        "engine": vectors.engine,
        "fasta_sha256": vectors.fasta_sha256,
    }
    values = np.ascontiguousarray(vectors.values, dtype=np.float32)
    with atomic_path(target) as temporary:
        save_file({TENSOR: values}, temporary, metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True)})


def read_vectors(source: Path, *, fasta: Path | None = None, encoder_digest: str | None = None) -> Vectors:
    """Read vectors, and check where asked that they belong to this FASTA and this encoder.

    Raises:
        DataError: the file is missing, damaged, of another format, or belongs to something else.
    """
    try:
        with safe_open(source, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            if metadata.get("format") != FORMAT or metadata.get("format_version") != FORMAT_VERSION:
                message = (
                    f"{source}: format {metadata.get('format')!r} version {metadata.get('format_version')!r}, "
                    f"expected {FORMAT} version {FORMAT_VERSION}; embed the sequences again"
                )
                raise DataError(message)
            vectors = Vectors(
                file.get_tensor(TENSOR), metadata["encoder"], metadata["engine"], metadata["fasta_sha256"]
            )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        message = f"{source}: not a readable file of vectors ({error}); embed the sequences again"
        raise DataError(message) from error
    if fasta is not None and vectors.fasta_sha256 != sha256_file(fasta):
        message = f"{source}: made from another file than {fasta} (SHA-256 differs); embed the sequences again"
        raise DataError(message)
    if encoder_digest is not None and vectors.encoder_digest != encoder_digest:
        message = (
            f"{source}: made by encoder {vectors.encoder_digest[:12]}, expected {encoder_digest[:12]}; "
            "embed the sequences again"
        )
        raise DataError(message)
    return vectors

"""Vectors on disk: one safetensors file that knows which encoder and which FASTA it belongs to.

A file is embedded and written window by window, so that memory does not grow with the number of sequences.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from abyssal.encoder.interface import Encoder
from abyssal.errors import DataError
from abyssal.files import atomic_path, sha256_file
from abyssal.sequences.records import read_records

FORMAT = "abyssal-vectors"
FORMAT_VERSION = "1"
TENSOR = "vectors"
METADATA_KEY = "abyssal"
"""One key that holds JSON: safetensors writes several keys in an order that changes from run to run."""
_ALIGNMENT = 8
"""safetensors fills its header up to a multiple of this many bytes."""


@dataclass(frozen=True)
class Origin:
    """What vectors were made by and from.

    Attributes:
        encoder: ``Encoder.digest`` of what made them.
        engine: ``Encoder.engine`` of what made them.
        fasta_sha256: hex SHA-256 of the FASTA's bytes.
    """

    encoder: str
    engine: str
    fasta_sha256: str


@dataclass(frozen=True)
class Vectors:
    """Vectors of the records of one FASTA, in its order.

    Attributes:
        values: (n, dimension) float32.
        encoder_digest, engine, fasta_sha256: as in ``Origin``.
    """

    values: NDArray[np.float32]
    encoder_digest: str
    engine: str
    fasta_sha256: str


def origin_of(encoder: Encoder, fasta: Path) -> Origin:
    """Return the origin of what ``encoder`` makes of ``fasta``."""
    return Origin(encoder.digest, encoder.engine, sha256_file(fasta))


def embed_fasta(encoder: Encoder, fasta: Path) -> Vectors:
    """Embed every record of a FASTA in memory; an empty one gives a (0, dimension) array."""
    values = encoder.embed([record.sequence for record in read_records(fasta)])
    return Vectors(values, *asdict(origin_of(encoder, fasta)).values())


def write_vectors(target: Path, vectors: Vectors) -> None:
    """Write vectors atomically; the same vectors give the same bytes."""
    origin = Origin(vectors.encoder_digest, vectors.engine, vectors.fasta_sha256)
    rows, dimension = vectors.values.shape
    write_blocks(target, origin, (rows, dimension), [vectors.values])


def write_blocks(target: Path, origin: Origin, shape: tuple[int, int], blocks: Iterable[NDArray[np.float32]]) -> None:
    """Write the rows of ``blocks`` one after the other, atomically: the bytes of one array of ``shape``.

    Raises:
        DataError: the blocks do not add up to the shape.
    """
    header = _header(origin, shape)
    with atomic_path(target) as temporary, temporary.open("wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        for block in blocks:
            out.write(np.ascontiguousarray(block, dtype="<f4").tobytes())
        if (found := out.tell() - 8 - len(header)) != _bytes(shape):
            message = f"{target}: {found} bytes of vectors, expected {_bytes(shape)} for {shape[0]} × {shape[1]}"
            raise DataError(message)


def _bytes(shape: tuple[int, int]) -> int:
    return 4 * shape[0] * shape[1]


def _header(origin: Origin, shape: tuple[int, int]) -> bytes:
    """Return the header as safetensors itself writes it (its format has eight bytes of length, JSON, the numbers)."""
    metadata = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(origin)}
    content = {
        "__metadata__": {METADATA_KEY: json.dumps(metadata, sort_keys=True)},
        TENSOR: {"dtype": "F32", "shape": list(shape), "data_offsets": [0, _bytes(shape)]},
    }
    header = json.dumps(content, separators=(",", ":")).encode()
    return header + b" " * (-len(header) % _ALIGNMENT)


def read_vectors(source: Path, *, fasta: Path | None = None, encoder_digest: str | None = None) -> Vectors:
    """Read vectors, and check where asked that they belong to this FASTA and this encoder.

    Raises:
        DataError: the file is missing, damaged, of another format, or belongs to something else.
    """
    origin = read_origin(source)
    with safe_open(source, framework="numpy") as file:
        values = file.get_tensor(TENSOR)
    if fasta is not None:
        check_fasta(source, origin, fasta, sha256_file(fasta))
    if encoder_digest is not None and origin.encoder != encoder_digest:
        message = (
            f"{source}: made by encoder {origin.encoder[:12]}, expected {encoder_digest[:12]}; "
            "embed the sequences again"
        )
        raise DataError(message)
    return Vectors(values, origin.encoder, origin.engine, origin.fasta_sha256)


def check_fasta(source: Path, origin: Origin, fasta: Path, digest: str) -> None:
    """Raise DataError when the vectors of ``source`` are not of ``fasta``, whose hex SHA-256 is ``digest``."""
    if origin.fasta_sha256 != digest:
        message = f"{source}: made from another file than {fasta} (SHA-256 differs); embed the sequences again"
        raise DataError(message)


def read_origin(source: Path) -> Origin:
    """Read what a file of vectors was made by and from.

    Raises:
        DataError: the file is missing, damaged or of another format.
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
            file.get_slice(TENSOR)
            return Origin(metadata["encoder"], metadata["engine"], metadata["fasta_sha256"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        message = f"{source}: not a readable file of vectors ({error}); embed the sequences again"
        raise DataError(message) from error

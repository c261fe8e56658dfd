"""A FASTA embedded in shards, for as many machines as there are: the same vectors as in one piece, to the last bit.

Shards are made of whole batches of the fixed shape, sorted by length and dealt out in turn: each gets its share of
short and long sequences, and a sequence stands in the same batch whatever the number of shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.encoder.engine import batches_by_length
from abyssal.encoder.interface import Encoder
from abyssal.encoder.vectors import Vectors, read_vectors
from abyssal.errors import DataError
from abyssal.files import sha256_file
from abyssal.sequences.records import read_records


def shard_places(lengths: Sequence[int], batch_size: int, shard: int, shards: int) -> NDArray[np.int64]:
    """Return the places of the sequences that belong to a shard, batch by batch.

    Args:
        lengths: of all sequences (bases).
        batch_size: rows of a batch.
        shard: 1 to ``shards``.
        shards: how many there are; some are empty where there are fewer batches.
    """
    batches = list(batches_by_length(lengths, batch_size))[shard - 1 :: shards]
    return np.array([place for _, batch in batches for place in batch], dtype=np.int64)


def embed_shard(encoder: Encoder, fasta: Path, *, batch_size: int, shard: int, shards: int) -> Vectors:
    """Embed one shard of a FASTA; rows are in the order of ``shard_places``."""
    sequences = [record.sequence for record in read_records(fasta)]
    places = shard_places([len(sequence) for sequence in sequences], batch_size, shard, shards)
    values = encoder.embed([sequences[place] for place in places])
    return Vectors(values, encoder.digest, encoder.engine, sha256_file(fasta))


def gather_shards(fasta: Path, parts: Sequence[Path], *, batch_size: int) -> Vectors:
    """Return the vectors of all shards in the order of the FASTA.

    Raises:
        DataError: a shard belongs to another FASTA, has another size, or was made by another encoder or engine.
    """
    lengths = [len(record.sequence) for record in read_records(fasta)]
    read = [read_vectors(part, fasta=fasta) for part in parts]
    first = read[0]
    values = np.zeros((len(lengths), first.values.shape[1]), dtype=np.float32)
    for number, (part, vectors) in enumerate(zip(parts, read, strict=True), start=1):
        places = shard_places(lengths, batch_size, number, len(parts))
        if (vectors.encoder_digest, vectors.engine) != (first.encoder_digest, first.engine):
            message = (
                f"{part}: made by {vectors.engine} with encoder {vectors.encoder_digest[:12]}, {parts[0]} by "
                f"{first.engine} with {first.encoder_digest[:12]}; embed all shards on machines of one kind"
            )
            raise DataError(message)
        if len(vectors.values) != len(places):
            message = f"{part}: {len(vectors.values)} vectors, expected {len(places)}; embed this shard again"
            raise DataError(message)
        values[places] = vectors.values
    return Vectors(values, first.encoder_digest, first.engine, first.fasta_sha256)

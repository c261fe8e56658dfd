"""A FASTA embedded window by window, in one job or in shards: the same vectors to the last bit, in flat memory.

A shard takes every n-th window of the FASTA. A vector does not depend on what stands beside its sequence, so neither
the size of a window nor the number of shards changes anything.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from abyssal.encoder.interface import Encoder
from abyssal.encoder.vectors import TENSOR, Origin, check_fasta, origin_of, read_origin, write_blocks
from abyssal.errors import DataError
from abyssal.files import sha256_file
from abyssal.sequences.records import read_records

logger = logging.getLogger(__name__)

WINDOW = 8192
"""Sequences embedded at a time."""


def window_sizes(count: int, shards: int, *, window: int = WINDOW) -> list[int]:
    """Return how many sequences stand in each window: few enough for every shard to get one, ``window`` at most."""
    size = max(1, min(window, -(-count // shards)))
    return [min(size, count - start) for start in range(0, count, size)]


def embed_file(
    encoder: Encoder, fasta: Path, target: Path, *, shard: int = 1, shards: int = 1, window: int = WINDOW
) -> None:
    """Embed the windows of a FASTA that are a shard's and write them atomically.

    Args:
        encoder: makes the vectors.
        fasta: the sequences; read twice.
        target: file of vectors.
        shard: 1 to ``shards``.
        shards: how many there are; some are empty where there are fewer sequences.
        window: sequences embedded at a time.
    """
    sizes = window_sizes(sum(1 for _ in read_records(fasta)), shards, window=window)
    rows = sum(sizes[shard - 1 :: shards])
    blocks = _with_progress((encoder.embed(sequences) for sequences in _windows(fasta, sizes, shard, shards)), rows)
    write_blocks(target, origin_of(encoder, fasta), (rows, encoder.dimension), blocks)


def _with_progress(blocks: Iterator[NDArray[np.float32]], rows: int) -> Iterator[NDArray[np.float32]]:
    done = 0
    for block in blocks:
        done += len(block)
        logger.info("embedded %d of %d sequences", done, rows)
        yield block


def _windows(fasta: Path, sizes: Sequence[int], shard: int, shards: int) -> Iterator[list[str]]:
    sequences = (record.sequence for record in read_records(fasta))
    for number, size in enumerate(sizes):
        if number % shards == shard - 1:
            yield list(islice(sequences, size))
        else:
            next(islice(sequences, size, size), None)


def gather_shards(fasta: Path, parts: Sequence[Path], target: Path, *, window: int = WINDOW) -> None:
    """Write the vectors of all shards in the order of the FASTA, atomically.

    Raises:
        DataError: a shard belongs to another FASTA, has another size, or was made by another encoder or engine.
    """
    sizes = window_sizes(sum(1 for _ in read_records(fasta)), len(parts), window=window)
    origin = _common_origin(fasta, parts)
    with ExitStack() as stack:
        slices = [stack.enter_context(safe_open(part, framework="numpy")).get_slice(TENSOR) for part in parts]
        for number, (part, rows) in enumerate(zip(parts, slices, strict=True)):
            found, expected = rows.get_shape()[0], sum(sizes[number :: len(parts)])
            if found != expected:
                message = f"{part}: {found} vectors, expected {expected}; embed this shard again"
                raise DataError(message)
        dimension = slices[0].get_shape()[1]
        write_blocks(target, origin, (sum(sizes), dimension), _in_turn(slices, sizes))


def _in_turn(slices: Sequence[Any], sizes: Sequence[int]) -> Iterator[NDArray[np.float32]]:
    for number, size in enumerate(sizes):
        turn, shard = divmod(number, len(slices))
        # All windows but the last have the size of the first.
        start = turn * sizes[0]
        yield slices[shard][start : start + size]


def _common_origin(fasta: Path, parts: Sequence[Path]) -> Origin:
    origins = [read_origin(part) for part in parts]
    digest = sha256_file(fasta)
    for part, origin in zip(parts, origins, strict=True):
        check_fasta(part, origin, fasta, digest)
        if origin != origins[0]:
            message = (
                f"{part}: made by {origin.engine} with encoder {origin.encoder[:12]}, {parts[0]} by "
                f"{origins[0].engine} with {origins[0].encoder[:12]}; embed all shards on machines of one kind"
            )
            raise DataError(message)
    return origins[0]

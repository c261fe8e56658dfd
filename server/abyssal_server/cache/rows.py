"""One answer as bytes for a store that others can write to: checked whole before a byte of it is believed.

Layout: check (16 bytes), ranks (1), accepted, novel (2 each, signed), source (1), identity, coverage (float32), taxa
(uint32 a rank), confidences (float32 a rank), then JSON: alternatives, putative taxon, nearest id, error. The check is
a BLAKE2b over the rest, keyed by what was asked, so neither rubbish nor the answer to something else passes.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from abyssal.errors import BundleError
from abyssal.inference.taxa import NumberedTaxa
from abyssal.taxonomy.classifications import Classifications, ReadError, ReadErrorCode, Source

_CHECK = 16
_HEAD = struct.Struct("<BhhBff")
_SOURCES = (int(Source.MODEL), int(Source.REJECTED))


def encode_row(answers: Classifications, index: int, taxa: NumberedTaxa, key: bytes) -> bytes:
    """Return the bytes of one answer; ``key`` (at most 64 bytes) stands for model, settings and read."""
    ranks = len(answers.ranks)
    head = _HEAD.pack(
        ranks,
        int(answers.accepted[index]),
        int(answers.novel_at[index]),
        int(answers.source[index]),
        float(answers.nearest_identity[index]),
        float(answers.nearest_coverage[index]),
    )
    numbers = struct.pack(f"<{ranks}I", *taxa.numbers(answers.labels[index]))
    error = answers.errors[index]
    texts: list[Any] = [answers.alternatives[index], answers.putative_taxon[index], answers.nearest_id[index]]
    texts.append([int(error.code), error.message] if error else None)
    body: bytes = head + numbers + answers.confidence[index].astype("<f4").tobytes() + json.dumps(texts).encode()
    return _check(body, key) + body


def decode_rows(
    raw: Sequence[bytes | None], keys: Sequence[bytes], taxa: NumberedTaxa, engine: str
) -> tuple[list[int], Classifications | None, int]:
    """Return the positions of the sound answers, these answers, and the number of damaged ones; never raises."""
    rows: list[int] = []
    decoded: list[tuple[Any, ...]] = []
    damaged = 0
    for position, (value, key) in enumerate(zip(raw, keys, strict=True)):
        if value is None:
            continue
        row = _decode(value, key, taxa)
        if row is None:
            damaged += 1
        else:
            rows.append(position)
            decoded.append(row)
    return rows, _joined(decoded, taxa, engine) if rows else None, damaged


def _check(body: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK, key=key).digest()


def _decode(value: bytes, key: bytes, taxa: NumberedTaxa) -> tuple[Any, ...] | None:
    body = value[_CHECK:]
    if _check(body, key) != value[:_CHECK]:
        return None
    # From here on it is what some service of this version wrote; what does not fit is of another version.
    try:
        ranks, accepted, novel, source, identity, coverage = _HEAD.unpack_from(body)
        columns = np.frombuffer(body, dtype="<u4", count=2 * ranks, offset=_HEAD.size)
        alternatives, putative, nearest, error = json.loads(body[_HEAD.size + 8 * ranks :])
        labels = taxa.labels(columns[:ranks].tolist())
        problem = ReadError(ReadErrorCode(error[0]), error[1]) if error else None
    except (struct.error, ValueError, IndexError, TypeError, BundleError):
        return None
    if ranks != len(taxa.ranks) or source not in _SOURCES:
        return None
    confidence = columns[ranks:].view("<f4")
    return (
        labels,
        confidence,
        accepted,
        novel,
        tuple(alternatives),
        putative,
        nearest,
        identity,
        coverage,
        source,
        problem,
    )


def _joined(rows: list[tuple[Any, ...]], taxa: NumberedTaxa, engine: str) -> Classifications:
    (labels, confidence, accepted, novel, alternatives, putative, nearest, identity, coverage, source, errors) = zip(
        *rows, strict=True
    )
    return Classifications(
        ranks=taxa.ranks,
        labels=list(labels),
        confidence=np.array(confidence, dtype=np.float32).reshape(len(rows), len(taxa.ranks)),
        accepted=np.array(accepted, dtype=np.int16),
        novel_at=np.array(novel, dtype=np.int16),
        alternatives=list(alternatives),
        putative_taxon=list(putative),
        nearest_id=list(nearest),
        nearest_identity=np.array(identity, dtype=np.float32),
        nearest_coverage=np.array(coverage, dtype=np.float32),
        source=np.array(source, dtype=np.int8),
        errors=list(errors),
        engine=engine,
    )

"""Vectors that were computed before, shared by studies: a growing study embeds only its new sequences.

One SQLite file an encoder, engine, batch shape, code version, PyTorch and kind of CPU: all that may change a bit of a
vector. A row is found by the hash of its sequence and carries a checksum. Several jobs may read and write at a time.
A cache that cannot be used costs time, never a result: it is left out with a warning.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from abyssal.encoder.interface import Encoder
from abyssal.files import to_json
from abyssal.sequences.alphabet import normalise

logger = logging.getLogger(__name__)

VARIABLE = "ABYSSAL_VECTOR_CACHE"
DEFAULT_FOLDER = ".cache/abyssal/vectors"
OFF = "off"
_WAIT_SECONDS = 60.0
_KEYS_A_QUERY = 500
_CHECKSUM_BYTES = 4


def cache_folder(
    environment: Mapping[str, str], variable: str = VARIABLE, default: str = DEFAULT_FOLDER
) -> Path | None:
    """Return the folder that ``variable`` names, ``default`` below the working directory, or None for ``off``."""
    named = environment.get(variable) or default
    return None if named == OFF else Path(named)


class CachedEncoder:
    """An ``Encoder`` that computes only what its cache does not hold; the vectors are the same to the last bit.

    Args:
        encoder: computes what is missing.
        folder: where the SQLite files lie; made when missing.
        code: identity of the code that computes (``code_digest``).
        batch_size: rows of the encoder's fixed batch shape.
    """

    def __init__(self, encoder: Encoder, folder: Path, *, code: str, batch_size: int) -> None:
        self._encoder = encoder
        self._about = {
            "encoder": encoder.digest, "engine": encoder.engine, "batch_size": batch_size, "code": code,
            "pytorch": torch.__version__, "cpu": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        }  # fmt: skip
        self._file = folder / f"{hashlib.sha256(to_json(self._about).encode()).hexdigest()[:32]}.sqlite"
        self._usable = True

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    @property
    def digest(self) -> str:
        return self._encoder.digest

    @property
    def engine(self) -> str:
        return self._encoder.engine

    def embed(self, sequences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dimension) rounded unit rows; equal sequences are computed once."""
        letters = [normalise(sequence) for sequence in sequences]
        keys = [hashlib.sha256(one.encode("ascii")).digest()[:16] for one in letters]
        known = self._read(list(dict.fromkeys(keys)))
        missing = {key: one for key, one in zip(keys, letters, strict=True) if key not in known}
        computed = self._encoder.embed(list(missing.values()))
        fresh = dict(zip(missing, computed, strict=True))
        self._write(fresh)
        logger.info("%d sequences: %d vectors known, %d computed", len(keys), len(known), len(fresh))
        vectors = np.zeros((len(keys), self.dimension), dtype=np.float32)
        for row, key in enumerate(keys):
            vectors[row] = known[key] if key in known else fresh[key]
        return vectors

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        found: dict[bytes, NDArray[np.float32]] = {}
        try:
            if not self._usable or not self._file.is_file():
                return {}
            with closing(self._open()) as table:
                for start in range(0, len(keys), _KEYS_A_QUERY):
                    asked = keys[start : start + _KEYS_A_QUERY]
                    marks = ",".join("?" * len(asked))
                    rows = table.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", asked)
                    found.update((key, row) for key, stored in rows if (row := self._unpack(stored)) is not None)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
            return {}
        return found

    def _write(self, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:
        if not self._usable or not vectors:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._open()) as table, table:
                table.execute("CREATE TABLE IF NOT EXISTS about (json TEXT PRIMARY KEY)")
                table.execute("INSERT OR IGNORE INTO about VALUES (?)", (to_json(self._about),))
                # With row ids, so that vectors are appended and only the small keys are kept in order.
                table.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")
                packed = ((key, _pack(row)) for key, row in vectors.items())
                # A row that failed its checksum is there already and must give way.
                table.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", packed)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=_WAIT_SECONDS)

    def _unpack(self, stored: bytes) -> NDArray[np.float32] | None:
        content, checksum = stored[:-_CHECKSUM_BYTES], stored[-_CHECKSUM_BYTES:]
        if len(content) != 4 * self.dimension or zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little") != checksum:
            return None
        return np.frombuffer(content, dtype="<f4")

    def _give_up(self, error: Exception) -> None:
        self._usable = False
        logger.warning("%s: the cache of vectors is left out (%s); delete the file if this goes on", self._file, error)


def _pack(row: NDArray[np.float32]) -> bytes:
    content = np.ascontiguousarray(row, dtype="<f4").tobytes()
    return content + zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")


def with_cache(encoder: Encoder, *, code: str, batch_size: int) -> Encoder:
    """Return the encoder behind the cache that the environment asks for."""
    folder = cache_folder(os.environ)
    return encoder if folder is None else CachedEncoder(encoder, folder, code=code, batch_size=batch_size)

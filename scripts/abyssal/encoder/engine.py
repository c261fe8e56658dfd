"""The reference engine: an Abyssal encoder in PyTorch fp32, in batches whose shape depends on nothing but the sequence.

A matrix product may round differently when its shape changes. So that a sequence gets the same vector whatever stands
beside it, each batch has a fixed number of rows and only sequences of one padded length, and vectors are rounded. So
that it gets the same vector however many cores there are, each batch is computed by one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from abyssal.encoder.engines.programs import Program
from abyssal.encoder.kmers import kmer_profiles
from abyssal.encoder.letters import letter_ids
from abyssal.encoder.network import DeepBranch, EncoderNetwork
from abyssal.sequences.alphabet import normalise

LENGTH_STEP = 64
"""Sequences are padded to a multiple of this many bases."""
VECTOR_DECIMALS = 6
"""Digits after the point that vectors keep: twenty times coarser than fp32's noise, a tenth of the promised 1e-5."""


def round_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vectors rounded to ``VECTOR_DECIMALS``; never a negative zero."""
    return (np.round(vectors.astype(np.float64), VECTOR_DECIMALS) + 0.0).astype(np.float32)


def engine_name(device: str) -> str:
    """Return the engine id of fp32 arithmetic in PyTorch on ``device``."""
    return "torch-fp32" if device == "cpu" else f"torch-fp32-{device.partition(':')[0]}"


def padded_length(length: int, step: int = LENGTH_STEP) -> int:
    """Return the length rounded up to a multiple of ``step``, at least one step."""
    return max(1, -(-length // step)) * step


def batches_by_length(
    lengths: Sequence[int], batch_size: int, *, step: int = LENGTH_STEP
) -> Iterator[tuple[int, list[int]]]:
    """Yield (padded length, at most ``batch_size`` indices), shortest first, input order within a length."""
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(padded_length(length, step), []).append(index)
    for columns in sorted(groups):
        indices = groups[columns]
        for start in range(0, len(indices), batch_size):
            yield columns, indices[start : start + batch_size]


class BatchWorkers:
    """Computes batches side by side on the CPU, each in one thread: a sum split over threads rounds differently."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._pool: ThreadPoolExecutor | None = None

    def vectors(
        self, compute: Callable[[int, list[int]], NDArray[np.float32]], batches: Sequence[tuple[int, list[int]]]
    ) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Yield the indices of each (columns, indices) and what ``compute`` makes of it, in order."""
        workers = torch.get_num_threads() if self._device == "cpu" else 1
        if self._pool is None and workers > 1:
            self._pool = ThreadPoolExecutor(workers, initializer=_compute_alone, initargs=(workers,))
        spread = map if self._pool is None else self._pool.map
        results = spread(lambda batch: compute(*batch), batches)
        yield from zip((indices for _, indices in batches), results, strict=True)


def _compute_alone(threads: int) -> None:
    """Let this thread compute with one thread, and those that begin later with as many as before.

    PyTorch gives a thread, when it first asks, the number that any thread set last.
    """
    torch.get_num_threads()
    torch.set_num_threads(1)
    last = threading.Thread(target=torch.set_num_threads, args=(threads,))
    last.start()
    last.join()


class TorchEncoder:
    """An ``Encoder`` around an ``EncoderNetwork``.

    Args:
        network: the weights; put into evaluation mode, fp32, on ``device``.
        digest: hex SHA-256 of its files.
        batch_size: rows of every batch; short batches are filled with empty rows.
        use_deep: False switches the deep branch off (ablation); None runs it unless its gate is closed.
        program: computes the deep branch in PyTorch's place.
        engine: what the program is called.
    """

    input_names: tuple[str, ...] = ("letters",)

    def __init__(
        self,
        network: EncoderNetwork,
        *,
        digest: str,
        batch_size: int = 64,
        device: str = "cpu",
        use_deep: bool | None = None,
        program: Program | None = None,
        engine: str | None = None,
    ) -> None:
        self._network = network.eval().to(device=device, dtype=torch.float32)
        self._digest = digest
        self._batch_size = batch_size
        self._device = device
        self._use_deep = network.reads_letters if use_deep is None else use_deep
        self._workers = BatchWorkers(device)
        self._program = program
        self._engine = engine or engine_name(device)

    @property
    def dimension(self) -> int:
        return int(self._network.sizes.dimension)

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def engine(self) -> str:
        return self._engine

    def part(self) -> nn.Module | None:
        """Return the deep branch, letters to unit rows; None where it is not run."""
        return None if self._network.deep is None or not self._use_deep else _UnitRows(self._network.deep)

    def batches(self, sequences: Sequence[str]) -> Iterator[tuple[NDArray[np.uint8], ...]]:
        """Yield the letters of sequences in batches of fixed shape."""
        letters = [normalise(sequence) for sequence in sequences]
        for columns, indices in batches_by_length([self._read(one) for one in letters], self._batch_size):
            yield (letter_ids([letters[index] for index in indices], rows=self._batch_size, columns=columns),)

    def computed_by(self, program: Program, engine: str) -> TorchEncoder:
        """Return the same encoder with the deep branch computed by a program."""
        return TorchEncoder(
            self._network, digest=self._digest, batch_size=self._batch_size, device=self._device,
            use_deep=self._use_deep, program=program, engine=engine,
        )  # fmt: skip

    def embed(self, sequences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dimension) rounded unit rows; a sequence without one whole k-mer may be a row of zeros."""
        letters = [normalise(sequence) for sequence in sequences]
        vectors = np.zeros((len(letters), self.dimension), dtype=np.float32)
        batches = list(batches_by_length([self._read(one) for one in letters], self._batch_size))

        def compute(columns: int, indices: list[int]) -> NDArray[np.float32]:
            return self._embed_batch([letters[index] for index in indices], columns)

        for indices, computed in self._workers.vectors(compute, batches):
            vectors[indices] = computed
        return round_vectors(vectors)

    def _read(self, letters: str) -> int:
        """Return how many letters are padded: the wide branch counts k-mers, so without the deep one it is none."""
        return min(len(letters), self._network.sizes.max_bases) if self._use_deep else 0

    @torch.inference_mode()
    def _embed_batch(self, batch: list[str], columns: int) -> NDArray[np.float32]:
        sizes = self._network.sizes
        profiles = np.zeros((self._batch_size, 4**sizes.kmer_size), dtype=np.float32)
        profiles[: len(batch)] = kmer_profiles(batch, k=sizes.kmer_size, skip=sizes.kmer_skip)
        ids = letter_ids(batch if self._use_deep else [], rows=self._batch_size, columns=columns)
        counted = torch.from_numpy(profiles).to(self._device)
        if self._program is None:
            rows = self._network(torch.from_numpy(ids).to(self._device), counted, use_deep=self._use_deep).embedding
        else:
            rows = self._network.joined(counted, torch.from_numpy(self._program(ids)).to(self._device))
        return rows[: len(batch)].cpu().numpy()  # type: ignore[no-any-return]


class _UnitRows(nn.Module):
    """A deep branch without the states that only training looks at."""

    def __init__(self, deep: DeepBranch, *, is_unpadded: bool = False) -> None:
        super().__init__()
        self.deep = deep
        self.is_unpadded = is_unpadded

    def unpadded(self) -> nn.Module:
        """Return the same without work for padding."""
        return _UnitRows(self.deep, is_unpadded=True)

    def forward(self, letters: Tensor) -> Tensor:
        rows: Tensor = self.deep(letters, unpadded=self.is_unpadded)[0]
        return rows

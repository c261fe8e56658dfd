"""Any encoder that ``transformers`` can load, pooled and normalised: DNABERT-2, ESM, Nucleotide Transformer ...

Only safetensors weights are accepted. Code that comes with weights runs only when the configuration says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from abyssal.encoder.engine import BatchWorkers, batches_by_length, engine_name, round_vectors
from abyssal.encoder.engines.half import with_half_precision
from abyssal.encoder.engines.names import bf16_pays
from abyssal.encoder.engines.programs import Program
from abyssal.encoder.identity import SETTINGS_FILE, VOCABULARY_FILES, read_config
from abyssal.encoder.interface import Encoder
from abyssal.errors import DataError, UsageError
from abyssal.files import read_json, write_json
from abyssal.sequences.alphabet import normalise

logger = logging.getLogger(__name__)

TOKEN_STEP = 32
"""Token rows are padded to a multiple of this many tokens."""

Pooling = Literal["mean", "max", "first"]
Dtype = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class HubSettings:
    """How token states become a vector.

    Attributes:
        pooling: mean or maximum over the tokens of the sequence, or the first token's state.
        max_tokens: longer sequences are cut.
        dtype: of the matrix products, where the hardware gains by it; float32 elsewhere.
    """

    pooling: Pooling = "mean"
    max_tokens: int = 512
    dtype: Dtype = "float32"


def write_settings(directory: Path, settings: HubSettings) -> None:
    """Write the settings beside the weights, where they are part of the digest."""
    write_json(directory / SETTINGS_FILE, {"format": "abyssal-hub-encoder", "format_version": 1, **asdict(settings)})


def read_settings(directory: Path) -> HubSettings:
    """Read what ``write_settings`` wrote; defaults where there is no such file.

    Raises:
        DataError: the file holds something else.
    """
    if not (directory / SETTINGS_FILE).is_file():
        return HubSettings()
    try:
        values = read_json(directory / SETTINGS_FILE)
        settings = HubSettings(values["pooling"], int(values["max_tokens"]), values.get("dtype", "float32"))
    except (ValueError, KeyError, TypeError) as error:
        message = f"{directory / SETTINGS_FILE}: expected pooling and max_tokens ({type(error).__name__}: {error})"
        raise DataError(message) from error
    known = settings.pooling in get_args(Pooling) and settings.dtype in get_args(Dtype)
    if not known or settings.max_tokens < 1:
        message = (
            f"{directory / SETTINGS_FILE}: pooling {settings.pooling!r}, max_tokens {settings.max_tokens} and dtype "
            f"{settings.dtype!r}, expected one of {', '.join(get_args(Pooling))}, at least 1, and one of "
            f"{', '.join(get_args(Dtype))}"
        )
        raise DataError(message)
    return settings


class HubEncoder:
    """An ``Encoder`` around a model and a tokenizer of ``transformers``.

    Args:
        model: returns token states as its first output.
        tokenizer: takes strings.
        settings: pooling and the longest input.
        digest: hex SHA-256 of its files.
        batch_size: rows of every batch; short batches are filled by repeating their last row.
        device: what PyTorch computes on.
        program: computes the token states in PyTorch's place.
        engine: what the program is called.
    """

    input_names: tuple[str, ...] = ("input_ids", "attention_mask")

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        settings: HubSettings,
        *,
        digest: str,
        batch_size: int = 64,
        device: str = "cpu",
        program: Program | None = None,
        engine: str | None = None,
    ) -> None:
        self._model = model.eval().to(device=device, dtype=torch.float32)
        self._tokenizer = tokenizer
        self._settings = settings
        self._digest = digest
        self._batch_size = batch_size
        self._device = device
        self._workers = BatchWorkers(device)
        self._program = program
        self._engine = engine or engine_name(device)

    @classmethod
    def load(
        cls, directory: Path, *, digest: str, batch_size: int = 64, device: str = "cpu", trust_remote_code: bool = False
    ) -> Encoder:
        """Load a directory with config, safetensors weights and a tokenizer.

        Raises:
            UsageError: the model needs code of its own and the configuration does not trust it.
            DataError: the files cannot be loaded.
        """
        # Imported here: the shipped encoder does without, and the import takes seconds.
        from transformers import AutoModel, AutoTokenizer

        if not trust_remote_code and "auto_map" in read_config(directory):
            message = (
                f"{directory}: this encoder brings Python code of its own; read it, then set "
                "encoder.trust_remote_code: true, or choose another encoder"
            )
            raise UsageError(message)
        _check_tokenizer(directory)
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trust_remote_code}
        try:
            tokenizer = AutoTokenizer.from_pretrained(directory, **options)
            model = AutoModel.from_pretrained(directory, use_safetensors=True, dtype=torch.float32, **options)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            problem = " ".join(str(error).split())[:300]
            message = (
                f"{directory}: transformers cannot load this encoder; config.json, weights and tokenizer must be whole "
                f"and of one model ({type(error).__name__}: {problem})"
            )
            raise DataError(message) from error
        settings = read_settings(directory)
        encoder = cls(model, tokenizer, settings, digest=digest, batch_size=batch_size, device=device)
        if settings.dtype == "float32" or not bf16_pays(device):
            if settings.dtype != "float32":
                logger.warning("%s: computed in float32, as %s is slower than that here", directory, settings.dtype)
            return encoder
        return with_half_precision(encoder, device)

    @property
    def dimension(self) -> int:
        return int(self._model.config.hidden_size)

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def engine(self) -> str:
        return self._engine

    def part(self) -> nn.Module:
        """Return the model, token ids and mask to token states."""
        return _TokenStates(self._model)

    def batches(self, sequences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], ...]]:
        """Yield token ids and masks of sequences in batches of fixed shape."""
        rows = [self._token_ids(normalise(sequence)) for sequence in sequences]
        for columns, indices in self._batches(rows):
            yield self._filled([rows[index] for index in indices], columns)

    def computed_by(self, program: Program, engine: str) -> HubEncoder:
        """Return the same encoder with the token states computed by a program."""
        return HubEncoder(
            self._model, self._tokenizer, self._settings, digest=self._digest, batch_size=self._batch_size,
            device=self._device, program=program, engine=engine,
        )  # fmt: skip

    def embed(self, sequences: Sequence[str]) -> NDArray[np.float32]:
        """Return (n, dimension) rounded unit rows."""
        rows = [self._token_ids(normalise(sequence)) for sequence in sequences]
        vectors = np.zeros((len(rows), self.dimension), dtype=np.float32)

        def compute(columns: int, indices: list[int]) -> NDArray[np.float32]:
            return self._embed_batch([rows[index] for index in indices], columns)

        for indices, computed in self._workers.vectors(compute, self._batches(rows)):
            vectors[indices] = computed
        return round_vectors(vectors)

    def _batches(self, rows: Sequence[Sequence[int]]) -> list[tuple[int, list[int]]]:
        """Return (columns, indices) of rows of one padded length."""
        return list(batches_by_length([len(row) for row in rows], self._batch_size, step=TOKEN_STEP))

    def _token_ids(self, sequence: str) -> list[int]:
        encoded = self._tokenizer(sequence, truncation=True, max_length=self._settings.max_tokens)
        return list(encoded["input_ids"])

    def _filled(self, rows: list[list[int]], columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the (batch size, columns) token ids and mask; missing rows repeat the last one."""
        ids = np.full((self._batch_size, columns), self._tokenizer.pad_token_id or 0, dtype=np.int64)
        mask = np.zeros((self._batch_size, columns), dtype=np.int64)
        for place in range(self._batch_size):
            row = rows[min(place, len(rows) - 1)]
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        return ids, mask

    @torch.inference_mode()
    def _embed_batch(self, rows: list[list[int]], columns: int) -> NDArray[np.float32]:
        ids, mask = self._filled(rows, columns)
        inside = torch.from_numpy(mask).to(self._device)
        if self._program is None:
            states = self._model(input_ids=torch.from_numpy(ids).to(self._device), attention_mask=inside)[0]
        else:
            states = torch.from_numpy(self._program(ids, mask)).to(self._device)
        pooled = _pool(states.float(), inside.bool(), self._settings.pooling)
        return functional.normalize(pooled, dim=1)[: len(rows)].cpu().numpy()


class _TokenStates(nn.Module):
    """A model of ``transformers`` with its first output only."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask)[0]
        return states


def _check_tokenizer(directory: Path) -> None:
    """Raise DataError when no file says what a token is: ``transformers`` would make an empty tokenizer up."""
    if not any((directory / name).is_file() for name in VOCABULARY_FILES) and not any(directory.glob("*.py")):
        message = f"{directory}: no tokenizer; expected one of {', '.join(VOCABULARY_FILES)} beside the weights"
        raise DataError(message)


def _pool(states: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    if pooling == "first":
        return states[:, 0]
    inside = mask.unsqueeze(-1)
    if pooling == "max":
        return states.masked_fill(~inside, float("-inf")).amax(dim=1)
    return (states * inside).sum(dim=1) / inside.sum(dim=1)

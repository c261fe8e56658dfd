"""One door to every encoder: the shipped one, a directory, a pinned Hub id, or plain k-mers."""

from __future__ import annotations

from pathlib import Path

import torch

from abyssal.encoder.baseline import KMER_ENCODER_NAME, KmerEncoder
from abyssal.encoder.configuration import MODEL_TYPE
from abyssal.encoder.engine import TorchEncoder
from abyssal.encoder.interface import Encoder
from abyssal.encoder.modeling import AbyssalEncoderModel
from abyssal.encoder.store import CONFIG_FILE, encoder_digest, quiet_transformers
from abyssal.errors import ConfigError, UsageError
from abyssal.files import read_json


def load_encoder(
    path: str | Path,
    *,
    revision: str | None = None,
    batch_size: int = 64,
    device: str = "cpu",
    use_deep: bool | None = None,
) -> Encoder:
    """Load an encoder; the number of threads is the caller's business (``torch.set_num_threads``).

    Args:
        path: a directory with config.json and model.safetensors, a Hub id, or ``kmers``.
        revision: commit of a Hub id.
        batch_size: rows of the fixed batch shape.
        device: what PyTorch computes on.
        use_deep: False switches the Abyssal encoder's deep branch off; None lets its gate decide.

    Raises:
        ConfigError: a Hub id without a revision, or a path that is neither a directory nor a Hub id.
        UsageError: a directory without the files of an encoder.
    """
    directory = Path(path)
    if str(path) == KMER_ENCODER_NAME and not directory.exists():
        return KmerEncoder()
    if not directory.is_dir():
        message = f"encoder.name: {path} is not a directory"
        raise ConfigError(message)
    digest = encoder_digest(directory)
    model_type = read_json(directory / CONFIG_FILE).get("model_type")
    if model_type != MODEL_TYPE:
        message = f"{directory}/{CONFIG_FILE}: model_type {model_type!r}, expected {MODEL_TYPE!r}"
        raise UsageError(message)
    with quiet_transformers():
        model = AbyssalEncoderModel.from_pretrained(directory, dtype=torch.float32, local_files_only=True)
    return TorchEncoder(model, digest=digest, batch_size=batch_size, device=device, use_deep=use_deep)

"""One door to every encoder: the shipped one, a directory, a pinned Hub id, or plain k-mers."""

from __future__ import annotations

import tempfile
from pathlib import Path

from abyssal.config.models import EncoderConfig
from abyssal.encoder.baseline import KmerEncoder
from abyssal.encoder.engine import TorchEncoder
from abyssal.encoder.fetch import fetch_encoder
from abyssal.encoder.identity import (
    CONFIG_FILE,
    KMER_ENCODER_NAME,
    KMER_MODEL_TYPE,
    MODEL_TYPE,
    encoder_digest,
    model_type,
    read_config,
)
from abyssal.encoder.interface import Encoder
from abyssal.encoder.network import LARGEST_KMER
from abyssal.encoder.store import load_network
from abyssal.errors import DataError


def load_encoder(
    path: str | Path,
    *,
    revision: str | None = None,
    batch_size: int = 64,
    device: str = "cpu",
    use_deep: bool | None = None,
    trust_remote_code: bool = False,
) -> Encoder:
    """Load an encoder; the number of threads is the caller's business (``torch.set_num_threads``).

    Args:
        path: a directory with config.json and model.safetensors, a Hub id, or ``kmers``.
        revision: commit of a Hub id.
        batch_size: rows of the fixed batch shape.
        device: what PyTorch computes on.
        use_deep: False switches the Abyssal encoder's deep branch off; None lets its gate decide.
        trust_remote_code: let a Hub encoder run code that comes with its weights.

    Raises:
        ConfigError: a Hub id without a revision, or a path that is neither a directory nor a Hub id.
        UsageError: a directory without the files of an encoder, or one that needs code of its own.
        DataError: files that do not fit each other.
    """
    directory = Path(path)
    if str(path) == KMER_ENCODER_NAME and not directory.is_dir():
        return KmerEncoder()
    if not directory.is_dir():
        with tempfile.TemporaryDirectory(prefix="abyssal-encoder-") as folder:
            config = EncoderConfig(name=str(path), revision=revision, trust_remote_code=trust_remote_code)
            fetch_encoder(config, Path(folder))
            return load_encoder(
                folder, batch_size=batch_size, device=device, trust_remote_code=trust_remote_code
            )  # fmt: skip
    return _load_directory(directory, batch_size, device, use_deep=use_deep, trust_remote_code=trust_remote_code)


def _load_directory(
    directory: Path, batch_size: int, device: str, *, use_deep: bool | None, trust_remote_code: bool
) -> Encoder:
    digest = encoder_digest(directory)
    kind = model_type(directory)
    if kind == KMER_MODEL_TYPE:
        return KmerEncoder(k=_kmer_size(directory), digest=digest)
    if kind == MODEL_TYPE:
        network = load_network(directory)
        return TorchEncoder(network, digest=digest, batch_size=batch_size, device=device, use_deep=use_deep)
    # Imported here: it is needed for foreign encoders only.
    from abyssal.encoder.hub import HubEncoder

    return HubEncoder.load(
        directory, digest=digest, batch_size=batch_size, device=device, trust_remote_code=trust_remote_code
    )


def _kmer_size(directory: Path) -> int:
    size = read_config(directory).get("kmer_size")
    if not isinstance(size, int) or not 1 <= size <= LARGEST_KMER:
        message = f"{directory / CONFIG_FILE}: kmer_size is {size!r}, expected 1 to {LARGEST_KMER}"
        raise DataError(message)
    return size

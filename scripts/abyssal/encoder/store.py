"""An encoder as a directory: which files make its identity, how weights are written."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers.utils import logging

from abyssal.encoder.modeling import AbyssalEncoderModel
from abyssal.errors import UsageError
from abyssal.files import sha256_file

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILES = (
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the library's progress bars off the screen for a while."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def encoder_files(directory: Path) -> list[Path]:
    """Return the files that inference needs and the digest covers, in a fixed order.

    Raises:
        UsageError: the directory, its config.json or its model.safetensors is missing.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (directory / name).is_file():
            message = f"{directory}: no {name}; expected a directory written by save_pretrained (safetensors)"
            raise UsageError(message)
    names = (CONFIG_FILE, WEIGHTS_FILE, *TOKENIZER_FILES)
    return [directory / name for name in names if (directory / name).is_file()]


def encoder_digest(directory: Path) -> str:
    """Return the hex SHA-256 over names and contents of ``encoder_files``."""
    digest = hashlib.sha256()
    for file in encoder_files(directory):
        digest.update(f"{file.name}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


def copy_encoder(source: Path, target: Path) -> None:
    """Copy what inference needs of an encoder into ``target``, which is made."""
    files = encoder_files(source)
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, target / file.name)


def save_encoder(model: AbyssalEncoderModel, directory: Path) -> None:
    """Write config.json and model.safetensors, weights as fp16; loading turns them into fp32 without loss.

    The model's own weights are rounded to fp16 first, so that what is in memory is what is on disk.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    halves = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    model.config.dtype = "float32"
    with quiet_transformers():
        model.save_pretrained(directory, state_dict=halves)
    # The writer leaves the weights readable by their owner only.
    (directory / WEIGHTS_FILE).chmod(0o644)

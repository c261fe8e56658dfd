"""An encoder as a directory: which files it is made of and what its digest is. Needs no PyTorch."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

from abyssal.errors import ConfigError, DataError, UsageError
from abyssal.files import read_json, sha256_file
from abyssal.references.shipped import shipped_path

MODEL_TYPE = "abyssal-encoder"
KMER_MODEL_TYPE = "abyssal-kmers"
KMER_ENCODER_NAME = "kmers"

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
SETTINGS_FILE = "abyssal_encoder.json"
TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
_RESOURCES = "resources/"
VOCABULARY_FILES = ("tokenizer.json", "vocab.json", "vocab.txt")
"""The tokenizer files of which one says what a token is."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def encoder_files(directory: Path) -> list[Path]:
    """Return the files that inference needs and the digest covers, in a fixed order.

    Raises:
        UsageError: the directory, its config.json or its weights are missing.
        DataError: config.json is no JSON object.
    """
    needed = [CONFIG_FILE]
    if (directory / CONFIG_FILE).is_file() and model_type(directory) != KMER_MODEL_TYPE:
        needed.append(WEIGHTS_FILE)
    for name in needed:
        if not (directory / name).is_file():
            message = f"{directory}: no {name}; expected a directory written by save_pretrained (safetensors)"
            raise UsageError(message)
    if len(needed) > 1 and model_type(directory) == MODEL_TYPE:
        # Its tokenizer files are for others; letters become ids in ``abyssal.encoder.letters``.
        return [directory / name for name in needed]
    names = (CONFIG_FILE, WEIGHTS_FILE, SETTINGS_FILE, *TOKENIZER_FILES)
    code = sorted(path.name for path in directory.glob("*.py"))
    return [directory / name for name in (*names, *code) if (directory / name).is_file()]


def read_config(directory: Path) -> dict[str, Any]:
    """Return config.json.

    Raises:
        DataError: it is no JSON object.
    """
    try:
        values = read_json(directory / CONFIG_FILE)
    except ValueError as error:
        message = f"{directory / CONFIG_FILE}: not JSON ({error}); take the file from where the encoder came from"
        raise DataError(message) from error
    if not isinstance(values, dict):
        message = f"{directory / CONFIG_FILE}: expected a JSON object, found {type(values).__name__}"
        raise DataError(message)
    return values


def model_type(directory: Path) -> str:
    """Return ``model_type`` of config.json; empty when there is none."""
    return str(read_config(directory).get("model_type", ""))


def encoder_digest(directory: Path) -> str:
    """Return the hex SHA-256 over names and contents of ``encoder_files``."""
    digest = hashlib.sha256()
    for file in encoder_files(directory):
        digest.update(f"{file.name}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


def encoder_directory(name: str) -> Path | None:
    """Return the directory that ``encoder.name`` means; None for ``kmers`` and Hub ids.

    A relative path is looked for in the working directory; a shipped one (``resources/encoders/...``), if it is not
    there, where Abyssal is installed, so that studies may lie anywhere.
    """
    if Path(name).is_dir():
        return Path(name)
    return shipped_path(name.removeprefix(_RESOURCES)) if name.startswith(_RESOURCES) else None


def configured_identity(name: str, revision: str | None) -> str:
    """Return what tells whether ``encoder.name`` still means the same encoder: a digest, or a pinned Hub id.

    Raises:
        ConfigError: neither a directory nor ``kmers`` nor a Hub id with a commit.
        UsageError: a directory without the files of an encoder.
    """
    directory = encoder_directory(name)
    if directory is not None:
        return encoder_digest(directory)
    if name == KMER_ENCODER_NAME:
        return name
    return f"{name}@{check_hub_id(name, revision)}"


def check_hub_id(name: str, revision: str | None) -> str:
    """Return the commit of a Hub id.

    Raises:
        ConfigError: not a Hub id, or without a pinned commit: what a branch points to may change under a bundle.
    """
    if not _HUB_ID.fullmatch(name):
        message = f"encoder.name: {name!r} is neither a directory, nor {KMER_ENCODER_NAME!r}, nor a Hub id (owner/name)"
        raise ConfigError(message)
    if revision is None or not _COMMIT.fullmatch(revision):
        message = (
            f"encoder.revision: {revision!r} for {name} (no such directory, so taken as a Hub id); "
            "pin the 40-digit commit of the repository, or correct the path"
        )
        raise ConfigError(message)
    return revision


def copy_encoder(source: Path, target: Path) -> None:
    """Copy what inference needs of an encoder into ``target``, which is made."""
    files = encoder_files(source)
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, target / file.name)

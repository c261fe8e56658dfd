"""From ``encoder.name`` to a directory that holds all of the encoder, for the embed stage and the bundle."""

from __future__ import annotations

import logging
from pathlib import Path

from abyssal.config.models import EncoderConfig
from abyssal.encoder.identity import (
    CONFIG_FILE,
    KMER_ENCODER_NAME,
    KMER_MODEL_TYPE,
    MODEL_TYPE,
    SETTINGS_FILE,
    TOKENIZER_FILES,
    WEIGHTS_FILE,
    check_hub_id,
    copy_encoder,
    encoder_digest,
    encoder_directory,
    model_type,
)
from abyssal.encoder.kmers import DEFAULT_K
from abyssal.errors import DataError
from abyssal.files import write_json

logger = logging.getLogger(__name__)


def fetch_encoder(config: EncoderConfig, target: Path) -> None:
    """Copy or download the configured encoder into ``target``, which is made.

    Raises:
        ConfigError: the name is neither a directory nor a pinned Hub id.
        DataError: the Hub does not have it, or cannot be reached.
    """
    source = encoder_directory(config.name)
    if source is not None:
        copy_encoder(source, target)
    elif config.name == KMER_ENCODER_NAME:
        write_json(target / CONFIG_FILE, {"model_type": KMER_MODEL_TYPE, "kmer_size": DEFAULT_K})
    else:
        copy_encoder(_download(config), target)
    if model_type(target) not in (MODEL_TYPE, KMER_MODEL_TYPE) and not (target / SETTINGS_FILE).is_file():
        # Imported here: it needs PyTorch, which the two encoders of our own do not at this point.
        from abyssal.encoder.hub import HubSettings, write_settings

        write_settings(target, HubSettings(config.pooling, config.max_tokens, config.dtype))
    logger.info("encoder %s has digest %s", config.name, encoder_digest(target))


def _download(config: EncoderConfig) -> Path:
    revision = check_hub_id(config.name, config.revision)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = [CONFIG_FILE, WEIGHTS_FILE, *TOKENIZER_FILES, *(["*.py"] if config.trust_remote_code else [])]
    try:
        return Path(snapshot_download(config.name, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        message = f"encoder {config.name} at {revision[:12]} cannot be fetched from the Hub: {error}"
        raise DataError(message) from error

"""The Abyssal encoder's weights: how they are written and read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from abyssal.encoder.identity import CONFIG_FILE, WEIGHTS_FILE, read_config
from abyssal.encoder.network import EncoderNetwork, EncoderSizes
from abyssal.errors import DataError

if TYPE_CHECKING:
    from abyssal.encoder.modeling import AbyssalEncoderModel

_PREFIX = "network."


def save_encoder(model: AbyssalEncoderModel, directory: Path) -> None:
    """Write config.json and model.safetensors, weights as fp16; loading turns them into fp32 without loss.

    The model's own weights are rounded to fp16 first, so that what is in memory is what is on disk.
    """
    from transformers.utils import logging

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    halves = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    model.config.dtype = "float32"
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model.save_pretrained(directory, state_dict=halves)
    # The writer leaves the weights readable by their owner only.
    (directory / WEIGHTS_FILE).chmod(0o644)


def load_network(directory: Path) -> EncoderNetwork:
    """Load an Abyssal encoder's weights as fp32 without importing ``transformers``.

    Raises:
        DataError: config.json describes no encoder, or the weights are damaged or do not fit it.
    """
    try:
        sizes = EncoderSizes.from_mapping(read_config(directory))
    except (ValueError, TypeError) as error:
        message = f"{directory / CONFIG_FILE}: not the sizes of an encoder: {error}"
        raise DataError(message) from error
    network = EncoderNetwork(sizes)
    try:
        tensors = load_file(directory / WEIGHTS_FILE)
        named = {name.removeprefix(_PREFIX): tensor.float() for name, tensor in tensors.items()}
        network.load_state_dict(named)
    except (SafetensorError, RuntimeError) as error:
        problem = " ".join(str(error).split())[:300]
        message = f"{directory / WEIGHTS_FILE}: damaged, or not the weights that {CONFIG_FILE} describes: {problem}"
        raise DataError(message) from error
    return network.eval()

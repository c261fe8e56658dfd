"""Shape of the Abyssal encoder: what ``config.json`` holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from abyssal.encoder.identity import MODEL_TYPE
from abyssal.encoder.network import EncoderSizes


class AbyssalEncoderConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """The sizes of ``EncoderSizes`` as attributes, next to what every ``transformers`` configuration has."""

    model_type = MODEL_TYPE

    def __init__(self, **values: Any) -> None:
        for name, default in asdict(EncoderSizes()).items():
            setattr(self, name, values.pop(name, default))
        super().__init__(**values)


AutoConfig.register(MODEL_TYPE, AbyssalEncoderConfig)

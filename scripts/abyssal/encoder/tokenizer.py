"""The Abyssal encoder's letters as tokenizer files, for those who load it with ``AutoModel`` and ``AutoTokenizer``.

Abyssal itself reads letters with ``abyssal.encoder.letters``: the files belong neither to an encoder's digest nor to a
bundle.
"""

from __future__ import annotations

import json
from pathlib import Path

from abyssal.encoder.letters import LETTER_IDS, PADDING
from abyssal.files import write_json

TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
_PAD = "<pad>"
_UNKNOWN = "n"


def write_tokenizer(directory: Path, *, max_bases: int) -> None:
    """Write tokenizer.json and tokenizer_config.json: one id a letter, any case, U as T, other signs as N.

    Args:
        directory: of the encoder.
        max_bases: letters that the deep branch reads; longer sequences are cut where truncation is asked for.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {_PAD: PADDING, **{letter.lower(): number for letter, number in LETTER_IDS.items()}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace("u", "t")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    write_json(directory / TOKENIZER_FILE, json.loads(tokenizer.to_str()))
    write_json(
        directory / TOKENIZER_CONFIG_FILE,
        {
            "tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids"], "pad_token": _PAD,
            "unk_token": _UNKNOWN, "padding_side": "right", "model_max_length": max_bases,
            "clean_up_tokenization_spaces": False,
        },
    )  # fmt: skip

"""Directories that are no encoder: one error that names the file, never a traceback, never a guess."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from abyssal.encoder.load import load_encoder
from abyssal.errors import DataError, UsageError

Harm = Callable[[Path], object]


def changed(**values: object) -> Harm:
    """Change keys of config.json; None takes one out."""

    def harm(directory: Path) -> None:
        file = directory / "config.json"
        config = json.loads(file.read_text()) | values
        file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))

    return harm


def cut(directory: Path) -> None:
    """Keep half of the weights."""
    file = directory / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def written(name: str, content: bytes) -> Harm:
    """Write something else into a file."""
    return lambda directory: (directory / name).write_bytes(content)


def without(*names: str) -> Harm:
    """Remove files."""
    return lambda directory: [(directory / name).unlink(missing_ok=True) for name in names]


OURS: dict[str, tuple[Harm, str]] = {
    "truncated weights": (cut, r"model\.safetensors: damaged"),
    "no weights inside": (written("model.safetensors", b""), r"model\.safetensors: damaged"),
    "weights of another shape": (
        changed(dimension=24),
        r"not the weights that config\.json describes: .*mismatch",
    ),
    "a size is missing": (changed(dimension=None), r"not the weights that config\.json describes"),
    "a size is no number": (changed(width="wide"), r"config\.json: not the sizes of an encoder: .*'wide'"),
    "a size that cannot be": (changed(dimension=10**9), r"config\.json: not the sizes of an encoder: .*0 to 65536"),
    "windows that keep no letter": (changed(kmer_skip=1), r"config\.json: not the sizes .*kmer_skip is 1; expected 0"),
    "heads that do not fit": (
        changed(heads=7),
        r"config\.json: not the sizes of an encoder: .*even number of channels",
    ),
    "config is cut": (written("config.json", b'{"model_type": "abys'), r"config\.json: not JSON"),
    "config is binary": (written("config.json", b"\xff\xfe\x00"), r"config\.json: not JSON"),
    "config is a list": (written("config.json", b"[1]"), r"config\.json: expected a JSON object, found list"),
    "model type is missing": (changed(model_type=None), "no tokenizer; expected one of"),
    "k-mers without their size": (changed(model_type="abyssal-kmers", kmer_size=None), "kmer_size is None, expected 1"),
}
HUB: dict[str, tuple[Harm, str]] = {
    "truncated weights": (cut, "must be whole and of one model .SafetensorError"),
    "weights of another shape": (changed(hidden_size=64), "must be whole and of one model .RuntimeError"),
    "heads that do not fit": (changed(num_attention_heads=5), "must be whole and of one model .ValueError"),
    "unknown architecture": (changed(model_type="no-such"), "must be whole and of one model"),
    "no tokenizer": (without("tokenizer.json", "vocab.txt"), r"no tokenizer; expected one of tokenizer\.json"),
    "another tokenizer": (written("tokenizer.json", b"{}"), "must be whole and of one model"),
    "settings without pooling": (written("abyssal_encoder.json", b"{}"), "expected pooling and max_tokens"),
    "settings with another pooling": (
        written("abyssal_encoder.json", b'{"pooling": "median", "max_tokens": 5}'), "expected one of mean, max, first",
    ),
    "settings with another dtype": (
        written("abyssal_encoder.json", b'{"pooling": "max", "max_tokens": 5, "dtype": "int4"}'), "float32, bfloat16",
    ),
}  # fmt: skip


def check(source: Path, directory: Path, harm: Harm, problem: str) -> None:
    shutil.copytree(source, directory)
    harm(directory)
    with pytest.raises(DataError, match=problem) as found:
        load_encoder(directory)
    assert re.match(re.escape(str(directory)), str(found.value))
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 700


@pytest.mark.parametrize("case", OURS)
def test_an_abyssal_encoder_that_is_not_whole(case: str, tiny_encoder: Path, tmp_path: Path) -> None:
    check(tiny_encoder, tmp_path / "broken", *OURS[case])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", HUB)
def test_a_hub_encoder_that_is_not_whole(case: str, bert_directory: Path, tmp_path: Path) -> None:
    check(bert_directory, tmp_path / "broken", *HUB[case])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, tiny_encoder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_encoder, tmp_path / "broken")
    (tmp_path / "broken" / name).unlink()
    with pytest.raises(UsageError, match=rf"no {re.escape(name)}; expected a directory written by save_pretrained"):
        load_encoder(tmp_path / "broken")

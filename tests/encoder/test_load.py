"""Finding, fetching and identifying encoders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from abyssal.config.models import EncoderConfig
from abyssal.encoder import hub
from abyssal.encoder.fetch import fetch_encoder
from abyssal.encoder.identity import configured_identity, encoder_digest
from abyssal.encoder.load import load_encoder
from abyssal.errors import ConfigError, UsageError


@pytest.mark.parametrize("revision", [None, "main", "abc123"])
def test_a_hub_id_needs_a_pinned_commit(revision: str | None) -> None:
    with pytest.raises(ConfigError, match="40-digit commit"):
        load_encoder("zhihan1996/DNABERT-2-117M", revision=revision)


def test_a_wrong_path_says_what_may_stand_there() -> None:
    with pytest.raises(ConfigError, match="neither a directory, nor 'kmers', nor a Hub id"):
        load_encoder("resources/encoders/no-such")


def test_a_shipped_encoder_is_found_from_any_folder(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "resources/encoders/abyssal-small"
    expected = encoder_digest(repository / name)
    monkeypatch.chdir(tmp_path)
    assert configured_identity(name, None) == expected
    fetch_encoder(EncoderConfig(name=name), tmp_path / "fetched")
    assert encoder_digest(tmp_path / "fetched") == expected


def test_a_directory_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match=r"no model\.safetensors"):
        load_encoder(tmp_path)


def test_code_that_comes_with_weights_needs_trust(bert_directory: Path, tmp_path: Path) -> None:
    directory = tmp_path / "remote"
    shutil.copytree(bert_directory, directory)
    config = json.loads((directory / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "bert_layers.BertModel"}
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"encoder\.trust_remote_code"):
        load_encoder(directory)


@pytest.mark.parametrize("fixture", ["tiny_encoder", "bert_directory", "esm_directory"])
def test_a_fetched_copy_answers_like_the_original(fixture: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    source = request.getfixturevalue(fixture)
    fetch_encoder(EncoderConfig(name=str(source)), tmp_path / "copy")
    original, copy = (load_encoder(path, batch_size=2) for path in (source, tmp_path / "copy"))
    sequences = ["ACGTACGTTGCA" * 10]
    assert copy.embed(sequences).tobytes() == original.embed(sequences).tobytes()


def test_a_fetched_abyssal_encoder_keeps_its_digest(tiny_encoder: Path, tmp_path: Path) -> None:
    fetch_encoder(EncoderConfig(name=str(tiny_encoder)), tmp_path / "copy")
    assert encoder_digest(tmp_path / "copy") == encoder_digest(tiny_encoder)


def test_kmers_become_a_directory_that_loads(tmp_path: Path) -> None:
    fetch_encoder(EncoderConfig(name="kmers"), tmp_path / "copy")
    encoder = load_encoder(tmp_path / "copy")
    assert encoder.dimension == 4096
    assert encoder.embed(["ACGTACGT"]).tobytes() == load_encoder("kmers").embed(["ACGTACGT"]).tobytes()


def test_pooling_is_part_of_a_hub_encoders_identity(bert_directory: Path, tmp_path: Path) -> None:
    sequences = ["ACGTACGTTGCAGGATC" * 8]
    found = {}
    for pooling in ("mean", "max", "first"):
        fetch_encoder(EncoderConfig(name=str(bert_directory), pooling=pooling), tmp_path / pooling)
        encoder = load_encoder(tmp_path / pooling, batch_size=2)
        found[encoder.digest] = encoder.embed(sequences).tobytes()
    assert len(found) == 3
    assert len(set(found.values())) == 3


def test_new_weights_below_an_old_name_are_another_encoder(tiny_encoder: Path, tmp_path: Path) -> None:
    directory = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, directory)
    before = configured_identity(str(directory), None)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"note": "changed"}))
    assert configured_identity(str(directory), None) != before
    (directory / "README.md").write_text("a card is no part of the identity")
    assert configured_identity(str(directory), None) == encoder_digest(directory)


def test_bfloat16_is_computed_where_it_pays_only(
    bert_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fetch_encoder(EncoderConfig(name=str(bert_directory), dtype="bfloat16"), tmp_path / "copy")
    sequences = ["ACGTACGTTGCAGGATC" * 8, "GGATTACA" * 20]
    monkeypatch.setattr(hub, "bf16_pays", lambda _: False)
    plain = load_encoder(tmp_path / "copy", batch_size=2)
    assert plain.engine == "torch-fp32"
    assert "computed in float32" in caplog.text
    monkeypatch.setattr(hub, "bf16_pays", lambda _: True)
    half = load_encoder(tmp_path / "copy", batch_size=2)
    assert half.engine == "torch-bf16-cpu"
    cosines = (half.embed(sequences) * plain.embed(sequences)).sum(axis=1)
    assert 0.999 < cosines.min() < 1 - 1e-7

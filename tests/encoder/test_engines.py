"""Converted engines: the same encoder, computed faster where that agrees with PyTorch fp32."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from abyssal.encoder.engines import choose
from abyssal.encoder.engines.choose import CHOICE_FILE, Trial, passes, prepare, ready
from abyssal.encoder.engines.names import bf16_pays, cpu_flags, engines_here
from abyssal.encoder.engines.programs import HalfPrecisionProgram, open_program
from abyssal.encoder.engines.samples import FEWEST, MOST, QUERY_SHARE, draw_samples
from abyssal.encoder.interface import Convertible, Encoder
from abyssal.encoder.load import load_encoder
from abyssal.errors import DataError

from .conftest import CONVERTED_ON as REFERENCES
from .conftest import with_choice

pytest.importorskip("onnxruntime", reason="the extra 'engines' is not installed")


def tiny(directory: Path) -> Convertible:
    encoder = load_encoder(directory, batch_size=8)
    assert isinstance(encoder, Convertible)
    return encoder


def test_every_engine_was_tried_and_the_choice_is_the_fastest_that_agrees(prepared: Path) -> None:
    (noted,) = prepared.glob(f"*/{CHOICE_FILE}")
    choice = json.loads(noted.read_text())
    trials = [Trial(**trial) for trial in choice["trials"]]
    assert [trial.engine for trial in trials] == ["torch-fp32", *engines_here()]
    assert all(passes(trial) for trial in trials if trial.engine.endswith("fp32"))
    assert all(trial.cosine > (0.99999 if trial.engine.endswith("fp32") else 0.98) for trial in trials)
    allowed = [t for t in trials[1:] if passes(t) and t.sequences_per_second >= 1.1 * trials[0].sequences_per_second]
    best = max(allowed, key=lambda trial: trial.sequences_per_second, default=trials[0])
    assert choice["engine"] == best.engine


def test_a_prepared_engine_is_opened_without_any_conversion(
    prepared: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(choose, "export_onnx")
    (noted,) = prepared.glob(f"*/{CHOICE_FILE}")
    found = ready(tiny(tiny_encoder), prepared)
    assert found is not None
    assert found.engine == json.loads(noted.read_text())["engine"]
    assert found.digest == load_encoder(tiny_encoder).digest


@pytest.mark.parametrize("engine", engines_here())
def test_the_chosen_engine_computes(prepared: Path, tiny_encoder: Path, tmp_path: Path, engine: str) -> None:
    with_choice(prepared, tmp_path, engine)
    encoder = tiny(tiny_encoder)
    found = ready(encoder, tmp_path)
    assert found is not None
    assert found.engine == engine
    apart = np.abs(found.embed(REFERENCES) - encoder.embed(REFERENCES)).max()
    assert apart < (1e-5 if engine.endswith("fp32") else 0.1)
    assert (apart > 1e-5) == engine.endswith("int8")


def test_openvino_computes_as_many_batches_at_a_time_as_there_are_threads(
    prepared: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = pytest.importorskip("openvino", reason="the extra 'engines' is not installed")
    compile_model, asked = openvino.Core.compile_model, []

    def noted(core: object, model: object, device: str, settings: dict[str, object]) -> object:
        asked.append((settings["NUM_STREAMS"], settings["INFERENCE_NUM_THREADS"]))
        return compile_model(core, model, device, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", noted)
    (model,) = prepared.glob("*/fp32.onnx")
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        program = open_program("openvino-fp32", model)
        tiny(tiny_encoder).computed_by(program, "openvino-fp32").embed(REFERENCES)
    finally:
        torch.set_num_threads(threads)
    assert set(asked) == {(2, 2)}


@pytest.mark.parametrize("harm", ["altered", "missing", "garbage", "choice", "no JSON"])
def test_a_damaged_conversion_is_made_again(
    prepared: Path, tiny_encoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    place = with_choice(prepared, tmp_path, "onnx-int8")
    if harm == "altered":
        (place / "int8.onnx").write_bytes((place / "int8.onnx").read_bytes() + b"\0")
    elif harm == "missing":
        (place / "int8.onnx").unlink()
    elif harm == "choice":
        (place / CHOICE_FILE).write_text("{}")
    elif harm == "no JSON":
        (place / CHOICE_FILE).write_bytes(b"\xff")
    else:
        (place / "int8.onnx").write_bytes(b"no model")
        with pytest.raises(DataError, match="cannot open this converted encoder"):
            open_program("onnx-int8", place / "int8.onnx")
        with pytest.raises(DataError, match="cannot open this converted encoder"):
            open_program("openvino-int8", place / "int8.onnx")
    with caplog.at_level(logging.WARNING):
        assert ready(tiny(tiny_encoder), tmp_path) is None
    assert "made again" in caplog.text


def test_nothing_that_was_left_behind_is_trusted(
    prepared: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "_SAMPLE_SECONDS", 0.0)
    place = with_choice(prepared, tmp_path, "onnx-int8")
    for name in ("fp32.onnx", "int8.onnx"):
        (place / name).write_bytes(b"no model")
    (place / ".converting-killed").mkdir()
    os.utime(place / ".converting-killed", (0, 0))
    prepare(tiny(tiny_encoder), REFERENCES, tmp_path)
    choice = json.loads((place / CHOICE_FILE).read_text())
    assert [trial["problem"] for trial in choice["trials"]] == [""] * (1 + len(engines_here()))
    assert ready(tiny(tiny_encoder), tmp_path) is not None
    assert sorted(file.name for file in place.iterdir()) == [CHOICE_FILE, "fp32.onnx", "int8.onnx"]


@pytest.mark.parametrize("package", ["onnxruntime", "openvino", "onnxscript"])
def test_a_package_that_cannot_be_imported_is_a_problem_of_its_engines(
    prepared: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setattr(choose, "_SAMPLE_SECONDS", 0.0)
    with_choice(prepared, tmp_path, "openvino-int8" if package == "openvino" else "onnx-int8")
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    # Found, as an installed package is, and then its libraries fail to load.
    (tmp_path / "broken" / package).mkdir(parents=True)
    (tmp_path / "broken" / package / "__init__.py").write_text("raise ImportError('libbroken.so: cannot open')\n")
    monkeypatch.syspath_prepend(tmp_path / "broken")
    assert (ready(tiny(tiny_encoder), tmp_path) is None) == (package != "onnxscript")
    prepare(tiny(tiny_encoder), REFERENCES, tmp_path)
    (noted,) = tmp_path.glob(f"*/{CHOICE_FILE}")
    trials = [Trial(**trial) for trial in json.loads(noted.read_text())["trials"]]
    problems = {trial.engine for trial in trials if trial.problem}
    # ONNX Runtime makes the int8 of both, and nothing is made without onnxscript.
    beginnings = {"onnxruntime": ("onnx-", "openvino-int8"), "openvino": ("openvino-",)}.get(package, ("",))
    assert problems == {engine for engine in engines_here() if engine.startswith(beginnings)}


def test_a_folder_that_cannot_be_looked_into_holds_no_choice(tiny_encoder: Path, tmp_path: Path) -> None:
    assert ready(tiny(tiny_encoder), tmp_path / ("long" * 80)) is None


class Stubborn:
    """An engine that gives every sequence the same vector."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.dimension, self.digest, self.engine = encoder.dimension, encoder.digest, "stubborn"

    def embed(self, sequences: Sequence[str]) -> np.ndarray:
        return np.repeat(self._encoder.embed(["ACGT" * 30]), len(sequences), axis=0)


def test_a_fast_engine_that_disagrees_is_refused(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = tiny(tiny_encoder)
    monkeypatch.setattr(choose, "_candidates", lambda *_: [("stubborn", Stubborn(encoder))])
    with caplog.at_level(logging.INFO):
        assert prepare(encoder, REFERENCES, tmp_path) is encoder
    assert "engine torch-fp32 is chosen" in caplog.text
    assert ready(encoder, tmp_path) is encoder


def test_what_cannot_be_converted_stays_with_pytorch(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Strange(torch.nn.Module):
        """Looks at its values, which no exporter can follow."""

        def forward(self, letters: torch.Tensor) -> torch.Tensor:
            return letters.float() * float(np.frombuffer(letters.numpy().tobytes(), dtype=np.uint8).sum())

    encoder = tiny(tiny_encoder)
    monkeypatch.setattr(type(encoder), "part", lambda _: Strange())
    with caplog.at_level(logging.INFO):
        assert prepare(encoder, REFERENCES, tmp_path) is encoder
    assert "cannot be converted to ONNX" in caplog.text
    assert ready(encoder, tmp_path) is encoder


def test_where_no_other_engine_can_run_nothing_is_tried_and_the_extra_is_named(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = tiny(tiny_encoder)
    monkeypatch.setattr(choose, "bf16_pays", lambda _: False)
    monkeypatch.setattr(choose, "can_convert", lambda: False)
    with caplog.at_level(logging.INFO):
        assert prepare(encoder, REFERENCES, tmp_path) is encoder
    assert "install abyssal[engines]" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_what_has_no_costly_part_is_left_alone(repository: Path, tmp_path: Path) -> None:
    for encoder in (load_encoder("kmers"), load_encoder(repository / "resources/encoders/abyssal-small")):
        assert prepare(encoder, REFERENCES, tmp_path) is encoder
        assert ready(encoder, tmp_path) is encoder
    assert list(tmp_path.iterdir()) == []


def test_samples_cover_lengths_and_few_references_are_used_again() -> None:
    few = draw_samples(REFERENCES[:3], np.random.default_rng(1))
    assert len(few.queries) == QUERY_SHARE * MOST
    assert set(few.references) == set(REFERENCES[:3])
    many = draw_samples(REFERENCES, np.random.default_rng(1))
    assert many == draw_samples(REFERENCES, np.random.default_rng(1))
    lengths = [len(sequence) for sequence in many.calibration]
    assert min(lengths) < 50
    assert max(lengths) > 140
    least = draw_samples(REFERENCES, np.random.default_rng(1), most=1)
    assert len(least.queries) + len(least.references) == FEWEST


def test_bf16_waits_for_hardware_that_gains_by_it(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nflags : fpu avx512f avx512_bf16 avx512_vnni\n")
    assert not bf16_pays("cpu", cpu_flags(info))
    info.write_text("processor : 0\nflags : fpu avx512_bf16 amx_bf16 amx_int8\n")
    assert bf16_pays("cpu", cpu_flags(info))
    assert cpu_flags(tmp_path / "none") == frozenset()


def test_bf16_computes_the_same_vectors_coarsely(tiny_encoder: Path) -> None:
    encoder = tiny(tiny_encoder)
    part = encoder.part()
    assert part is not None
    half = encoder.computed_by(HalfPrecisionProgram(part, "cpu"), "torch-bf16-cpu")
    expected, found = encoder.embed(REFERENCES), half.embed(REFERENCES)
    assert (expected * found).sum(axis=1).min() > 0.999
    assert np.abs(found - expected).max() > 1e-5
    assert half.embed(REFERENCES[::-1]).tobytes() == found[::-1].tobytes()

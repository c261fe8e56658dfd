"""Which engine computes an encoder: the fastest that agrees with PyTorch fp32, found once for each kind of CPU.

``prepare`` converts, measures and notes its choice in a folder outside of any bundle; ``ready`` opens what was chosen
before, which takes a moment. Until then the reference answers.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from abyssal.code_digest import code_digest
from abyssal.encoder.engines.convert import export_onnx, quantise
from abyssal.encoder.engines.half import half_precision_engines
from abyssal.encoder.engines.names import INT8, bf16_pays, can_convert, cpu_type, engines_here
from abyssal.encoder.engines.programs import Program, engine_errors, open_program
from abyssal.encoder.engines.samples import FEWEST, Samples, draw_samples
from abyssal.encoder.interface import Convertible, Encoder
from abyssal.errors import DataError
from abyssal.files import read_json, sha256_file, to_json, write_json

logger = logging.getLogger(__name__)

VARIABLE = "ABYSSAL_ENGINE_CACHE"
DEFAULT_FOLDER = ".cache/abyssal/engines"
LEAST_AGREEMENT = 0.999
"""Share of queries whose nearest reference must stay the same."""
LEAST_GAIN = 1.1
"""How many times faster than the reference an engine must be to be worth another rounding."""
CHOICE_FILE = "choice.json"
_TIE = 1e-5
_TIMED_ROUNDS = 2
_SAMPLE_SECONDS = 20.0
_CONVERTING = ".converting-"
_ABANDONED_SECONDS = 86_400.0


@dataclass(frozen=True)
class Trial:
    """What an engine did on the samples.

    Attributes:
        engine: its name.
        sequences_per_second: on the clock, all threads.
        agreement: share of queries whose nearest reference is that of the reference engine, ties aside.
        cosine: smallest cosine between its vector of a query and the reference engine's.
        problem: why it could not be tried, else empty.
    """

    engine: str
    sequences_per_second: float = 0.0
    agreement: float = 0.0
    cosine: float = 0.0
    problem: str = ""


def ready(encoder: Encoder, folder: Path, *, device: str = "cpu") -> Encoder | None:
    """Return the encoder with the engine that was chosen before; None when nothing has been chosen yet.

    That may be ``encoder`` itself: where it has no part worth converting, or nothing was faster and agreed.
    """
    if not isinstance(encoder, Convertible) or encoder.part() is None:
        return encoder
    place = _place(encoder, folder, device)
    try:
        if not (place / CHOICE_FILE).is_file():
            return None
        choice = read_json(place / CHOICE_FILE)
        return _opened(encoder, str(choice["engine"]), str(choice["sha256"]), place, device)
    except (DataError, OSError, KeyError, TypeError, ValueError) as error:
        logger.warning("%s: what was converted cannot be used (%s); it is made again", place, error)
        return None


def _opened(encoder: Convertible, engine: str, sha256: str, place: Path, device: str) -> Encoder:
    if engine == encoder.engine:
        return encoder
    if engine.startswith("torch"):
        return half_precision_engines(encoder, device)[engine]
    if sha256_file(_file(place, engine)) != sha256:
        message = "the converted encoder was altered"
        raise DataError(message)
    return encoder.computed_by(open_program(engine, _file(place, engine)), engine)


def prepare(
    encoder: Encoder, references: Sequence[str], folder: Path, *, device: str = "cpu", seed: int = 1
) -> Encoder:
    """Convert, try every engine that can run here, note the choice and return the encoder with it.

    Args:
        encoder: computed by the reference engine.
        references: amplicons of the reference in primer orientation: what calibrates int8 and what is searched.
        folder: where converted encoders lie, see ``VARIABLE``.
        device: what PyTorch computes on.
        seed: of the samples.
    """
    if not isinstance(encoder, Convertible) or encoder.part() is None or not references:
        return encoder
    if not bf16_pays(device) and (device != "cpu" or not can_convert()):
        remedy = "; install abyssal[engines] to have some tried" if device == "cpu" else ""
        logger.info("no engine but %s can be tried here%s", encoder.engine, remedy)
        return encoder
    place = _place(encoder, folder, device)
    place.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    # A folder of its own: nothing vouches for what was left behind, and others may be converting, too.
    with tempfile.TemporaryDirectory(dir=place, prefix=_CONVERTING) as converting:
        chosen, trials = _tried(encoder, references, Path(converting), device=device, seed=seed)
        _note(place, Path(converting), chosen, trials)
    return chosen


def _sweep(place: Path) -> None:
    """Remove what processes that were killed while they converted left behind."""
    for left in place.glob(f"{_CONVERTING}*"):
        if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _tried(
    encoder: Convertible, references: Sequence[str], place: Path, *, device: str, seed: int
) -> tuple[Encoder, list[Trial]]:
    """Return the fastest encoder that agrees, converted in ``place``, and what every engine did."""
    samples = draw_samples(references, np.random.default_rng(seed), most=_affordable(encoder, references))
    queries, speed = _timed(encoder, samples.queries)
    expected = queries, encoder.embed(samples.references)
    trials = [Trial(encoder.engine, speed, 1.0, 1.0)]
    chosen: Encoder = encoder
    best = speed * LEAST_GAIN
    for engine, candidate in _candidates(encoder, samples, place, device):
        trial = _trial(engine, candidate, samples, expected)
        trials.append(trial)
        if not isinstance(candidate, str) and passes(trial) and trial.sequences_per_second >= best:
            chosen, best = candidate, trial.sequences_per_second
    return chosen, trials


def _affordable(encoder: Convertible, references: Sequence[str]) -> int:
    """Return how many sequences the reference engine embeds in ``_SAMPLE_SECONDS``."""
    _, speed = _timed(encoder, references[: FEWEST // 4])
    return int(speed * _SAMPLE_SECONDS)


def _timed(encoder: Encoder, sequences: Sequence[str]) -> tuple[NDArray[np.float32], float]:
    """Return the vectors of sequences and how many a second were embedded, without what an engine does once a shape."""
    seconds = []
    for _ in range(_TIMED_ROUNDS):
        start = time.perf_counter()
        vectors = encoder.embed(sequences)
        seconds.append(time.perf_counter() - start)
    return vectors, round(len(sequences) / min(seconds), 1)


def passes(trial: Trial) -> bool:
    """Whether an engine agrees with the reference closely enough to answer in its place."""
    return not trial.problem and trial.agreement >= LEAST_AGREEMENT


def _candidates(encoder: Convertible, samples: Samples, place: Path, device: str) -> list[tuple[str, Encoder | str]]:
    """Return every engine by name, ready to be tried, or why it cannot be."""
    found: list[tuple[str, Encoder | str]] = []
    if bf16_pays(device):
        found += half_precision_engines(encoder, device).items()
    if device != "cpu" or not can_convert():
        return found
    # What a foreign network breaks in the converters is theirs to say; the reference engine goes on.
    unconvertible: tuple[type[Exception], ...] = (DataError, LookupError, TypeError, ValueError, *engine_errors())
    for engine in engines_here():
        try:
            found.append((engine, encoder.computed_by(_converted(encoder, engine, samples, place), engine)))
        except unconvertible as error:
            found.append((engine, " ".join(str(error).split())[:300] or type(error).__name__))
    return found


def _converted(encoder: Convertible, engine: str, samples: Samples, place: Path) -> Program:
    plain = _file(place, "fp32")
    if not plain.is_file():
        part = encoder.part()
        if part is None:
            message = "nothing of this encoder is worth converting"
            raise DataError(message)
        export_onnx(part, encoder.input_names, next(iter(encoder.batches(samples.calibration))), plain)
    if engine.endswith(INT8) and not _file(place, engine).is_file():
        quantise(plain, _file(place, engine), encoder.batches(samples.calibration), encoder.input_names)
    return open_program(engine, _file(place, engine))


def _trial(
    engine: str, candidate: Encoder | str, samples: Samples, expected: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> Trial:
    if isinstance(candidate, str):
        return Trial(engine, problem=candidate)
    try:
        found, speed = _timed(candidate, samples.queries)
    except engine_errors() as error:
        return Trial(engine, problem=" ".join(str(error).split())[:300])
    queries, references = expected
    similar = queries @ references.T
    nearest = (found @ references.T).argmax(axis=1)
    # Where two references are equally near in fp32 neither is wrong.
    agreed = similar[np.arange(len(nearest)), nearest] >= similar.max(axis=1) - _TIE
    return Trial(engine, speed, float(agreed.mean()), round(float((found * queries).sum(axis=1).min()), 6))


def _note(place: Path, converting: Path, chosen: Encoder, trials: Sequence[Trial]) -> None:
    for trial in trials:
        logger.info(
            "engine %s: %.0f sequences/s, nearest reference as in fp32 for %.2f %%, smallest cosine %.5f%s",
            trial.engine, trial.sequences_per_second, 100 * trial.agreement, trial.cosine,
            f"; {trial.problem}" if trial.problem else "",
        )  # fmt: skip
    logger.info("engine %s is chosen and noted in %s", chosen.engine, place)
    file = _file(converting, chosen.engine)
    choice = {"engine": chosen.engine, "sha256": sha256_file(file) if file.is_file() else "",
              "trials": [asdict(trial) for trial in trials]}  # fmt: skip
    for converted in converting.iterdir():
        converted.replace(place / converted.name)
    write_json(place / CHOICE_FILE, choice)


def _file(place: Path, engine: str) -> Path:
    """Return the converted file that an engine computes from: one for fp32, one for int8, whatever the library."""
    return place / ("int8.onnx" if engine.endswith(INT8) else "fp32.onnx")


def _place(encoder: Convertible, folder: Path, device: str) -> Path:
    """Return the folder of an encoder on this kind of CPU with these versions of code and libraries."""
    rows = next(iter(encoder.batches(["A"])))[0].shape[0]
    about: dict[str, Any] = {
        "encoder": encoder.digest, "rows": rows, "device": device, "cpu": cpu_type(), "pytorch": torch.__version__,
        "threads": torch.get_num_threads(), "code": code_digest("encoder.engines"),
        "libraries": {name: metadata.version(name) for name in _installed()},
    }  # fmt: skip
    return folder / hashlib.sha256(to_json(about).encode()).hexdigest()[:32]


def _installed() -> list[str]:
    return [name for name in ("onnx", "onnxruntime", "onnxscript", "openvino") if _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True

"""From a part of an encoder in PyTorch to ONNX, and from there to static int8.

Activations are quantised with ranges fixed beforehand on calibration batches, never by what a batch holds, or a vector
would depend on its company. Only products with weights are quantised; attention, norms and softmax stay fp32.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from abyssal.encoder.engines.programs import Arrays
from abyssal.errors import DataError
from abyssal.files import atomic_path

_OPSET = 18
_MOST_COLUMNS = 8192


def export_onnx(part: nn.Module, names: tuple[str, ...], example: Arrays, target: Path) -> None:
    """Write a part of an encoder as ONNX, atomically; the number of columns stays open, that of rows does not.

    Raises:
        DataError: PyTorch cannot express this network in ONNX.
    """
    columns = torch.export.Dim("columns", min=2, max=_MOST_COLUMNS)
    tensors = tuple(torch.from_numpy(array) for array in example)
    with _quiet(), atomic_path(target) as temporary:
        try:
            torch.onnx.export(
                part, tensors, temporary, input_names=list(names), output_names=["output"], opset_version=_OPSET,
                dynamo=True, external_data=False, verbose=False,
                dynamic_shapes=tuple({1: columns} for _ in names),
            )  # fmt: skip
        except (RuntimeError, torch.onnx.OnnxExporterError) as error:
            problem = " ".join(str(error).split())[:300]
            message = f"this network cannot be converted to ONNX: {problem}"
            raise DataError(message) from error


def quantise(source: Path, target: Path, batches: Iterable[Arrays], names: tuple[str, ...]) -> None:
    """Write an int8 copy of an ONNX file, atomically; activation ranges are the extremes over ``batches``."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with _quiet(), atomic_path(target) as temporary:
        quantize_static(
            str(source), str(temporary), _Reader(batches, names), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
            extra_options={"MatMulConstBOnly": True},
        )  # fmt: skip


class _Reader:
    """Calibration batches as ONNX Runtime wants them."""

    def __init__(self, batches: Iterable[Arrays], names: tuple[str, ...]) -> None:
        self._batches = iter([dict(zip(names, arrays, strict=True)) for arrays in batches])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return the next batch, None after the last."""
        return next(self._batches, None)

    def __iter__(self) -> Iterator[dict[str, NDArray[np.generic]]]:
        return self._batches


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' advice to their developers out of our log; what goes wrong is raised."""
    talkers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [talker.level for talker in talkers]
    for talker in talkers:
        talker.setLevel(logging.ERROR)
    # ONNX Runtime's quantiser writes to the root logger itself; what others pass on to its handlers is not filtered.
    logging.root.addFilter(_nothing)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.root.removeFilter(_nothing)
        for talker, level in zip(talkers, levels, strict=True):
            talker.setLevel(level)


def _nothing(_: logging.LogRecord) -> bool:
    return False

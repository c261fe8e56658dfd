"""What computes a part of an encoder in place of PyTorch fp32: one batch of arrays in, one array out.

Each batch is computed by one thread; several threads may call at a time. Shapes stay fixed, as in ``encoder.engine``.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from abyssal.encoder.engines.names import ONNX
from abyssal.errors import DataError

Arrays = tuple[NDArray[Any], ...]


class Program(Protocol):
    """A network ready to compute."""

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[np.float32]:
        """Return the output for one batch; every array has the same rows and columns."""


def open_program(engine: str, model: Path) -> Program:
    """Open a converted file with the library that an engine's name begins with.

    Raises:
        DataError: the library cannot read the file.
    """
    unreadable: tuple[type[Exception], ...] = (*engine_errors(), ValueError, OSError)
    try:
        return OnnxProgram(model) if engine.startswith(ONNX) else OpenVinoProgram(model)
    except unreadable as error:
        problem = " ".join(str(error).split())[:300]
        message = f"{model}: {engine} cannot open this converted encoder: {problem}"
        raise DataError(message) from error


def engine_errors() -> tuple[type[Exception], ...]:
    """Return what engines raise about what they cannot compute; ONNX Runtime's errors have no common base.

    ImportError is among them: a package may be there and its libraries not fit this machine.
    """
    try:
        from onnxruntime.capi import onnxruntime_pybind11_state as raised
    except ImportError:
        return (ImportError, RuntimeError)
    return (
        ImportError, RuntimeError, raised.Fail, raised.InvalidArgument, raised.InvalidGraph, raised.InvalidProtobuf,
        raised.NoSuchFile, raised.NotImplemented, raised.RuntimeException,
    )  # fmt: skip


class OnnxProgram:
    """ONNX Runtime on the CPU."""

    def __init__(self, model: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._names = [item.name for item in self._session.get_inputs()]

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[np.float32]:
        """Return the output for one batch."""
        return self._session.run(None, dict(zip(self._names, arrays, strict=True)))[0]  # type: ignore[no-any-return]


class OpenVinoProgram:
    """OpenVINO on the CPU, compiled once for each number of columns: fixed shapes are a third faster than open ones."""

    def __init__(self, model: Path) -> None:
        import openvino

        self._core = openvino.Core()
        self._model = self._core.read_model(model)
        # Asked here: the threads that compute a batch each say one.
        self._threads = torch.get_num_threads()
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._compiling = threading.Lock()

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[np.float32]:
        """Return the output for one batch."""
        request = self._compiled_for(arrays[0].shape).create_infer_request()
        return np.array(request.infer(list(arrays))[0], dtype=np.float32)

    def _compiled_for(self, shape: tuple[int, ...]) -> Any:
        with self._compiling:
            if shape not in self._compiled:
                self._model.reshape({item.any_name: list(shape) for item in self._model.inputs})
                # Its own default is bf16 on CPUs that have the instructions, which is slower without AMX, and not fp32.
                settings = {
                    "INFERENCE_NUM_THREADS": self._threads, "NUM_STREAMS": self._threads,
                    "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False,
                }  # fmt: skip
                self._compiled[shape] = self._core.compile_model(self._model, "CPU", settings)
            return self._compiled[shape]


class HalfPrecisionProgram:
    """PyTorch with matrix products in bf16: for GPUs, and CPUs with AMX."""

    def __init__(self, part: nn.Module, device: str) -> None:
        self._part = part
        self._device = device

    @torch.inference_mode()
    def __call__(self, *arrays: NDArray[Any]) -> NDArray[np.float32]:
        """Return the output for one batch."""
        tensors = [torch.from_numpy(array).to(self._device) for array in arrays]
        with torch.autocast(self._device.partition(":")[0], dtype=torch.bfloat16):
            output = self._part(*tensors)
        return output.float().cpu().numpy()  # type: ignore[no-any-return]

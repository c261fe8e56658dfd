"""The engines by name: which there are, and which can run here."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path

import torch

ONNX = "onnx"
OPENVINO = "openvino"
INT8 = "int8"
BF16 = "bf16"

CONVERTED = ("openvino-int8", "onnx-int8", "openvino-fp32", "onnx-fp32")
"""Engines that compute from a converted file."""
_NEEDED = {"onnx-fp32": ("onnxruntime",), "onnx-int8": ("onnxruntime",),
           "openvino-fp32": ("openvino",), "openvino-int8": ("openvino",)}  # fmt: skip
CONVERTER = ("onnx", "onnxscript", "onnxruntime")
"""Packages that conversion needs, whatever runs its result."""
_TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
_CPU_INFO = Path("/proc/cpuinfo")


def engines_here() -> tuple[str, ...]:
    """Return the converted engines whose packages are installed."""
    return tuple(name for name in CONVERTED if all(find_spec(module) for module in _NEEDED[name]))


def can_convert() -> bool:
    """Whether the packages that conversion needs are installed."""
    return all(find_spec(module) for module in CONVERTER)


def cpu_flags(info: Path = _CPU_INFO) -> frozenset[str]:
    """Return the instruction sets that decide which engine is fastest; empty where nothing tells them."""
    if not info.is_file():
        return frozenset()
    line = next((line for line in info.read_text().splitlines() if line.startswith(("flags", "Features"))), "")
    return frozenset(line.split()) & frozenset(_TELLING_FLAGS)


def cpu_type() -> str:
    """Return what stands for this kind of CPU: what is fastest on one may be slowest on another."""
    capability = torch.backends.cpu.get_cpu_capability()
    return " ".join([platform.machine(), capability, *sorted(cpu_flags())])


def bf16_pays(device: str, flags: frozenset[str] | None = None) -> bool:
    """Whether bf16 can be faster than fp32: on a GPU that has it, on a CPU with AMX only (else it is slower)."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    return "amx_bf16" in (cpu_flags() if flags is None else flags)

"""The Open Inference Protocol (KServe, Triton) for clients that speak nothing else: reads in, tensors out."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
import numpy as np

from abyssal import __version__
from abyssal.inference.kserve import kserve_pb2 as kserve
from abyssal.inference.kserve import kserve_pb2_grpc
from abyssal.inference.v1.classification_pb2 import ClassifyConfig
from abyssal.inference.v1.common_pb2 import ModelSelector
from abyssal.taxonomy.classifications import Classifications, Source, accepted_taxon
from abyssal_server.errors import InvalidRequest, NotFound, NotReady
from abyssal_server.parts import ServiceParts
from abyssal_server.requests import deadline_of
from abyssal_server.unary import UnaryAnswer, answer_now

SERVICE = "inference.GRPCInferenceService"
_PLATFORM = "abyssal"
_INPUT = "sequence"
_BYTES = "BYTES"
_NUMBERS = "FP32"
_OUTPUTS = {
    "taxon": _BYTES,
    "confidence": _NUMBERS,
    "labels": _BYTES,
    "label_confidence": _NUMBERS,
    "source": _BYTES,
    "error": _BYTES,
}
_PER_RANK = ("labels", "label_confidence")
_LENGTH = struct.Struct("<I")

Context = grpc.aio.ServicerContext[kserve.ModelInferRequest, kserve.ModelInferResponse]


@dataclass(frozen=True)
class _Tensor:
    """An output: its values are bytes or float32 by its name, row by row."""

    name: str
    shape: Sequence[int]
    values: Sequence[bytes] | Sequence[float]

    def raw(self) -> bytes:
        if _OUTPUTS[self.name] == _NUMBERS:
            return np.asarray(self.values, dtype="<f4").tobytes()
        return b"".join(_LENGTH.pack(len(value)) + value for value in self.values if isinstance(value, bytes))

    def typed(self) -> kserve.InferTensorContents:
        kind = "fp32_contents" if _OUTPUTS[self.name] == _NUMBERS else "bytes_contents"
        return kserve.InferTensorContents(**{kind: self.values})  # type: ignore[arg-type]


class KServeService(kserve_pb2_grpc.GRPCInferenceServiceServicer):
    """``inference.GRPCInferenceService``."""

    def __init__(self, parts: ServiceParts) -> None:
        self._parts = parts

    async def ServerLive(self, request: kserve.ServerLiveRequest, context: object) -> kserve.ServerLiveResponse:
        """Say that the process runs."""
        return kserve.ServerLiveResponse(live=True)

    async def ServerReady(self, request: kserve.ServerReadyRequest, context: object) -> kserve.ServerReadyResponse:
        """Say whether reads are answered."""
        return kserve.ServerReadyResponse(ready=bool(self._parts.models.names) and not self._parts.calls.draining)

    async def ModelReady(self, request: kserve.ModelReadyRequest, context: object) -> kserve.ModelReadyResponse:
        """Say whether a model answers."""
        try:
            self._parts.models.choose(ModelSelector(name=request.name, version=request.version))
        except (NotFound, NotReady):
            return kserve.ModelReadyResponse(ready=False)
        return kserve.ModelReadyResponse(ready=not self._parts.calls.draining)

    async def ServerMetadata(
        self, request: kserve.ServerMetadataRequest, context: object
    ) -> kserve.ServerMetadataResponse:
        """Say what the server is."""
        return kserve.ServerMetadataResponse(name=_PLATFORM, version=__version__)

    async def ModelMetadata(
        self, request: kserve.ModelMetadataRequest, context: object
    ) -> kserve.ModelMetadataResponse:
        """Say what a model takes and gives."""
        model = self._parts.models.choose(ModelSelector(name=request.name, version=request.version)).identity
        tensor = kserve.ModelMetadataResponse.TensorMetadata
        outputs = [
            tensor(name=name, datatype=kind, shape=[-1, len(model.ranks)] if name in _PER_RANK else [-1])
            for name, kind in _OUTPUTS.items()
        ]
        inputs = [tensor(name=_INPUT, datatype=_BYTES, shape=[-1])]
        return kserve.ModelMetadataResponse(
            name=model.name, versions=[model.version], platform=_PLATFORM, inputs=inputs, outputs=outputs
        )

    async def ModelInfer(self, request: kserve.ModelInferRequest, context: Context) -> kserve.ModelInferResponse:
        """Classify reads."""
        wanted = _wanted(request)
        config = ClassifyConfig(model=ModelSelector(name=request.model_name, version=request.model_version))
        answer = await answer_now(self._parts, "ModelInfer", config, reads_of(request), deadline_of(context))
        return _response(request, answer, wanted)


def _wanted(request: kserve.ModelInferRequest) -> list[str]:
    for position, output in enumerate(request.outputs):
        if output.name not in _OUTPUTS:
            message = f"no output is named {output.name[:100]!r}; there are {', '.join(_OUTPUTS)}"
            raise InvalidRequest(message, field=f"outputs[{position}].name")
    return [output.name for output in request.outputs] or list(_OUTPUTS)


def reads_of(request: kserve.ModelInferRequest) -> list[bytes]:
    """Return the reads of a request.

    Raises:
        InvalidRequest: there is not exactly one tensor of them, or its shape is another.
    """
    if len(request.inputs) != 1 or request.inputs[0].name != _INPUT or request.inputs[0].datatype != _BYTES:
        message = f"expected one input tensor {_INPUT!r} of datatype {_BYTES}"
        raise InvalidRequest(message, field="inputs")
    tensor = request.inputs[0]
    if not request.raw_input_contents:
        reads = list(tensor.contents.bytes_contents)
    elif len(request.raw_input_contents) == 1 and not tensor.HasField("contents"):
        reads = _unpacked(request.raw_input_contents[0])
    else:
        message = "expected one raw input, and then no contents in the tensor"
        raise InvalidRequest(message, field="raw_input_contents")
    shape = list(tensor.shape)
    if shape not in ([len(reads)], [len(reads), 1]):
        message = f"the shape is {shape} and there are {len(reads)} reads; expected [{len(reads)}]"
        raise InvalidRequest(message, field="inputs[0].shape")
    return reads


def _unpacked(raw: bytes) -> list[bytes]:
    """Return the elements of a raw BYTES tensor.

    Raises:
        InvalidRequest: a length points beyond the end.
    """
    elements: list[bytes] = []
    position = 0
    while position < len(raw):
        start = position + _LENGTH.size
        end = start + _LENGTH.unpack_from(raw, position)[0] if start <= len(raw) else len(raw) + 1
        if end > len(raw):
            message = f"element {len(elements)} at byte {position} ends beyond the {len(raw)} bytes of the tensor"
            raise InvalidRequest(message, field="raw_input_contents[0]")
        elements.append(raw[start:end])
        position = end
    return elements


def _tensors(answers: Classifications) -> list[_Tensor]:
    reads, ranks = len(answers), len(answers.ranks)
    depth = answers.accepted.astype(np.int64)
    accepted = np.where(depth >= 0, answers.confidence[np.arange(reads), np.maximum(depth, 0)], np.float32(0.0))
    sources = {int(source): source.name.lower().encode() for source in Source}
    return [
        _Tensor("taxon", [reads], [accepted_taxon(answers, row).encode() for row in range(reads)]),
        _Tensor("confidence", [reads], accepted.tolist()),
        _Tensor("labels", [reads, ranks], [(name or "").encode() for row in answers.labels for name in row]),
        _Tensor("label_confidence", [reads, ranks], answers.confidence.ravel().tolist()),
        _Tensor("source", [reads], [sources[source] for source in answers.source.tolist()]),
        _Tensor("error", [reads], [f"{e.code.name}: {e.message}".encode() if e else b"" for e in answers.errors]),
    ]


def _response(request: kserve.ModelInferRequest, answer: UnaryAnswer, wanted: list[str]) -> kserve.ModelInferResponse:
    model = answer.model.identity
    response = kserve.ModelInferResponse(model_name=model.name, model_version=model.version, id=request.id)
    response.parameters["model_digest"].string_param = model.digest
    response.parameters["engine"].string_param = model.engine
    tensors = {tensor.name: tensor for tensor in _tensors(answer.answers)}
    for name in wanted:
        tensor = tensors[name]
        output = response.outputs.add(name=name, datatype=_OUTPUTS[name], shape=tensor.shape)
        if request.raw_input_contents:
            response.raw_output_contents.append(tensor.raw())
        else:
            output.contents.CopyFrom(tensor.typed())
    return response

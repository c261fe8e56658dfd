"""The Open Inference Protocol, spoken by a client that knows only its proto."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import grpc
import numpy as np
import pytest
from support.serving import LINEAGES, RANKS, PacedClassifier, RunningServer, paced_model, running_server

from abyssal.inference.kserve import kserve_pb2 as kserve
from abyssal.inference.kserve import kserve_pb2_grpc
from abyssal.taxonomy.classifications import accepted_taxon

pytestmark = pytest.mark.timeout(60)
READS = [f"ACGTACGT{'ACGT'[i % 4]}{'ACGT'[i // 4 % 4]}" for i in range(16)] + ["AC", "ACGTACGT!!"]
EXPECTED = PacedClassifier().classify(READS)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(paced_model(PacedClassifier())) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> Iterator[kserve_pb2_grpc.GRPCInferenceServiceStub]:
    with grpc.insecure_channel(server.target) as channel:
        yield kserve_pb2_grpc.GRPCInferenceServiceStub(channel)


def typed(reads: Sequence[str], **fields: object) -> kserve.ModelInferRequest:
    """Return a request with its reads in the tensor."""
    request = kserve.ModelInferRequest(**fields)  # type: ignore[arg-type]
    tensor = request.inputs.add(name="sequence", datatype="BYTES", shape=[len(reads)])
    tensor.contents.bytes_contents.extend(read.encode() for read in reads)
    return request


def raw(reads: Sequence[str], shape: Sequence[int] | None = None) -> kserve.ModelInferRequest:
    """Return a request with its reads beside the tensor, as tritonclient and perf_analyzer send them."""
    request = kserve.ModelInferRequest(model_name="paced")
    request.inputs.add(name="sequence", datatype="BYTES", shape=shape or [len(reads), 1])
    request.raw_input_contents.append(b"".join(struct.pack("<I", len(read)) + read.encode() for read in reads))
    return request


def strings(data: bytes) -> list[str]:
    """Return the elements of a raw BYTES tensor."""
    found = []
    while data:
        (length,) = struct.unpack_from("<I", data)
        found.append(data[4 : 4 + length].decode())
        data = data[4 + length :]
    return found


def test_server_and_model_say_what_they_are(stub: kserve_pb2_grpc.GRPCInferenceServiceStub) -> None:
    assert stub.ServerLive(kserve.ServerLiveRequest()).live
    assert stub.ServerReady(kserve.ServerReadyRequest()).ready
    assert stub.ServerMetadata(kserve.ServerMetadataRequest()).name == "abyssal"
    assert stub.ModelReady(kserve.ModelReadyRequest(name="paced", version="1")).ready
    assert not stub.ModelReady(kserve.ModelReadyRequest(name="other")).ready
    metadata = stub.ModelMetadata(kserve.ModelMetadataRequest(name="paced"))
    assert (metadata.name, list(metadata.versions)) == ("paced", ["1"])
    assert [(one.name, one.datatype, list(one.shape)) for one in metadata.inputs] == [("sequence", "BYTES", [-1])]
    shapes = {one.name: list(one.shape) for one in metadata.outputs}
    assert shapes["taxon"] == [-1]
    assert shapes["labels"] == [-1, len(RANKS)]


def test_typed_answers_are_the_classifiers(stub: kserve_pb2_grpc.GRPCInferenceServiceStub) -> None:
    response = stub.ModelInfer(typed(READS, id="mine"))
    assert (response.id, response.model_name, response.model_version) == ("mine", "paced", "1")
    assert response.parameters["model_digest"].string_param == "d" * 64
    outputs = {one.name: one for one in response.outputs}
    taxa = [taxon.decode() for taxon in outputs["taxon"].contents.bytes_contents]
    assert taxa == [accepted_taxon(EXPECTED, row) for row in range(len(READS))]
    assert any(taxon == "; ".join(lineage) for taxon in taxa for lineage in LINEAGES if None not in lineage)
    confidences = np.array(outputs["label_confidence"].contents.fp32_contents, dtype=np.float32)
    assert (confidences.reshape(-1, len(RANKS)) == EXPECTED.confidence).all()
    assert list(outputs["labels"].shape) == [len(READS), len(RANKS)]
    errors = [error.decode() for error in outputs["error"].contents.bytes_contents]
    assert [bool(error) for error in errors] == [error is not None for error in EXPECTED.errors]
    assert errors[16].startswith("TOO_SHORT")


def test_raw_requests_get_raw_answers(stub: kserve_pb2_grpc.GRPCInferenceServiceStub) -> None:
    plain = {one.name: one.contents for one in stub.ModelInfer(typed(READS)).outputs}
    response = stub.ModelInfer(raw(READS))
    found = {one.name: content for one, content in zip(response.outputs, response.raw_output_contents, strict=True)}
    for name in ("taxon", "labels", "error"):
        assert strings(found[name]) == [value.decode() for value in plain[name].bytes_contents]
    for name in ("confidence", "label_confidence"):
        assert np.frombuffer(found[name], "<f4").tolist() == list(plain[name].fp32_contents)
    assert not any(one.HasField("contents") for one in response.outputs)


def test_only_wanted_outputs_are_sent(stub: kserve_pb2_grpc.GRPCInferenceServiceStub) -> None:
    request = typed(READS)
    for name in ("confidence", "taxon"):
        request.outputs.add(name=name)
    assert [one.name for one in stub.ModelInfer(request).outputs] == ["confidence", "taxon"]


def test_no_reads_are_no_answers(stub: kserve_pb2_grpc.GRPCInferenceServiceStub) -> None:
    response = stub.ModelInfer(typed([]))
    assert list({one.name: one for one in response.outputs}["labels"].shape) == [0, len(RANKS)]


def broken(change: str) -> kserve.ModelInferRequest:
    """Return a request with one thing wrong."""
    request = raw(READS) if change.startswith("raw") else typed(READS)
    if change == "name":
        request.inputs[0].name = "sequences"
    elif change == "datatype":
        request.inputs[0].datatype = "FP32"
    elif change == "shape":
        request.inputs[0].shape[0] = 3
    elif change == "two":
        request.inputs.add(name="sequence", datatype="BYTES", shape=[0])
    elif change == "output":
        request.outputs.add(name="logits")
    elif change == "raw short":
        request.raw_input_contents[0] = request.raw_input_contents[0][:-1]
    elif change == "raw length":
        request.raw_input_contents[0] += b"\xff\xff\xff\xff"
    elif change == "raw twice":
        request.raw_input_contents.append(b"")
    elif change == "raw both":
        request.inputs[0].contents.bytes_contents.append(b"ACGT")
    return request


@pytest.mark.parametrize(
    ("change", "field"),
    [("name", "inputs"), ("datatype", "inputs"), ("two", "inputs"), ("shape", "inputs[0].shape"),
     ("output", "outputs[0].name"), ("raw short", "raw_input_contents[0]"), ("raw length", "raw_input_contents[0]"),
     ("raw twice", "raw_input_contents"), ("raw both", "raw_input_contents")],
)  # fmt: skip
def test_what_is_wrong_is_named(stub: kserve_pb2_grpc.GRPCInferenceServiceStub, change: str, field: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(broken(change))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
    assert field.encode() in details


def test_an_unknown_model_is_not_found(stub: kserve_pb2_grpc.GRPCInferenceServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as unknown:
        stub.ModelInfer(typed(READS, model_name="other"))
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND

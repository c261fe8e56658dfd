"""Same read, same answer, whatever stands beside it and however it travels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from support.serving import running_server
from support.tiny_bundle import reads_like_users_send

from abyssal.client import AsyncClient, Client
from abyssal.inference.batches import classify_distinct
from abyssal.inference.kserve import kserve_pb2, kserve_pb2_grpc
from abyssal.inference.messages import to_classifications
from abyssal.inference.v1 import classification_pb2, classification_pb2_grpc
from abyssal.taxonomy.classifications import Classifications, accepted_taxon
from abyssal.taxonomy.classifier import Classifier

TOLERANCE = 1e-5
Ask = Callable[[list[str]], Classifications]


@dataclass
class Alone:
    """What each read is answered when nothing stands beside it."""

    reads: list[str]
    answers: list[Classifications]

    def check(self, chosen: Sequence[int], found: Classifications) -> None:
        """Compare the answers to some of the reads, in their order."""
        assert len(found) == len(chosen)
        for row, number in enumerate(chosen):
            alone = self.answers[number]
            assert found.labels[row] == alone.labels[0]
            assert found.accepted[row] == alone.accepted[0]
            assert found.novel_at[row] == alone.novel_at[0]
            assert found.errors[row] == alone.errors[0]
            assert np.abs(found.confidence[row] - alone.confidence[0]).max() <= TOLERANCE


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Path) -> Classifier:
    return Classifier.load(tiny_bundle)


@pytest.fixture(scope="module")
def alone(classifier: Classifier) -> Alone:
    rng = np.random.default_rng(1)
    whole = [sequence for _, sequence in reads_like_users_send(220)]
    # Cut ones, so that reads of all lengths are padded beside each other.
    cut = [read[: int(rng.integers(8, max(len(read), 9)))] for read in whole[:60]]
    reads = list(dict.fromkeys([*whole, *cut, "", "ACGT!ACGT" * 9]))
    return Alone(reads, [classifier.classify([read]) for read in reads])


@pytest.fixture(scope="module")
def ways(tiny_bundle: Path, classifier: Classifier) -> Iterator[dict[str, Ask]]:
    """Every way to ask; those of the second service have no cache."""
    with (
        running_server(tiny_bundle) as remembering,
        running_server(tiny_bundle, remembered_reads=0) as forgetful,
        Client(remembering.target, chunk_reads=7) as client,
        Client(forgetful.target, chunk_reads=1024) as computing,
        grpc.insecure_channel(remembering.target) as channel,
        grpc.insecure_channel(forgetful.target) as cold_channel,
    ):
        taxa = client.taxonomy(client.current_model().taxonomy_digest)

        def unary(to: grpc.Channel) -> Ask:
            stub = classification_pb2_grpc.ClassificationStub(to)

            def ask(reads: list[str]) -> Classifications:
                request = classification_pb2.ClassifyRequest(sequences=[read.encode() for read in reads])
                return to_classifications(stub.Classify(request).answers, taxa)

            return ask

        yield {
            "stream": client.classify,
            "stream, computed": computing.classify,
            "unary": unary(channel),
            "unary, computed": unary(cold_channel),
            "without a service": lambda reads: classify_distinct(classifier, reads),
        }


_PIECES = [pytest.param(piece, 5_000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]) for piece in range(20)]


@pytest.mark.parametrize(("seed", "cases"), [(300, 300), *_PIECES])
def test_same_read_same_answer(alone: Alone, ways: dict[str, Ask], seed: int, cases: int) -> None:
    rng = np.random.default_rng(seed)
    asks = list(ways.values())
    for _ in range(cases):
        size = int(rng.integers(1, 25))
        chosen = rng.choice(len(alone.reads), size=size).tolist()
        alone.check(chosen, asks[int(rng.integers(len(asks)))]([alone.reads[number] for number in chosen]))


def test_asynchronous_client_and_open_protocol_agree(alone: Alone, tiny_bundle: Path) -> None:
    everything = list(range(len(alone.reads)))

    async def classify(target: str) -> Classifications:
        async with AsyncClient(target, chunk_reads=33) as client:
            return (await client.classify(alone.reads))[1]

    with running_server(tiny_bundle) as server, grpc.insecure_channel(server.target) as channel:
        answers = asyncio.run(classify(server.target))
        alone.check(everything, answers)
        request = kserve_pb2.ModelInferRequest()
        tensor = request.inputs.add(name="sequence", datatype="BYTES", shape=[len(alone.reads)])
        tensor.contents.bytes_contents.extend(read.encode() for read in alone.reads)
        response = kserve_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
        outputs = {one.name: one.contents for one in response.outputs}
        taxa = [taxon.decode() for taxon in outputs["taxon"].bytes_contents]
        assert taxa == [accepted_taxon(answers, row) for row in everything]
        shares = np.array(outputs["label_confidence"].fp32_contents, dtype=np.float32)
        assert np.abs(shares.reshape(answers.confidence.shape) - answers.confidence).max() <= TOLERANCE

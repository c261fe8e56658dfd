"""The gRPC services: each method validates, asks the engine or the models, and maps the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from abyssal.inference.messages import item_errors, to_message
from abyssal.inference.v1 import classification_pb2 as classification
from abyssal.inference.v1 import classification_pb2_grpc, models_pb2, models_pb2_grpc
from abyssal_server.errors import InvalidRequest
from abyssal_server.models import Residents
from abyssal_server.parts import ServiceParts
from abyssal_server.requests import deadline_of, limits_of, sequences_of
from abyssal_server.settings import ServerSettings
from abyssal_server.stream import StreamCall
from abyssal_server.unary import answer_now

_TAXA_PER_PAGE = 20_000

ClassifyContext = grpc.aio.ServicerContext[classification.ClassifyRequest, classification.ClassifyResponse]
StreamContext = grpc.aio.ServicerContext[classification.ClassifyStreamRequest, classification.ClassifyStreamResponse]
EmbedContext = grpc.aio.ServicerContext[classification.EmbedRequest, classification.EmbedResponse]


class ClassificationService(classification_pb2_grpc.ClassificationServicer):
    """``abyssal.inference.v1.Classification``."""

    def __init__(self, parts: ServiceParts) -> None:
        self._parts = parts

    async def Classify(
        self, request: classification.ClassifyRequest, context: ClassifyContext
    ) -> classification.ClassifyResponse:
        """Answer a small number of reads."""
        answer = await answer_now(self._parts, "Classify", request.config, request.sequences, deadline_of(context))
        return classification.ClassifyResponse(
            model=self._parts.models.describe(answer.model),
            answers=to_message(answer.answers, answer.model.taxa),
            timing=answer.timing,
        )

    async def ClassifyStream(
        self, requests: AsyncIterator[classification.ClassifyStreamRequest], context: StreamContext
    ) -> None:
        """Answer any number of reads, chunk by chunk."""
        await StreamCall(requests, context, self._parts).run()

    async def Embed(self, request: classification.EmbedRequest, context: EmbedContext) -> classification.EmbedResponse:
        """Answer the vectors of a small number of reads."""
        parts = self._parts
        with parts.models.lease(request.model, request.model_digest) as model:
            sequences = sequences_of(request.sequences, limit=parts.settings.reads_per_chunk, field="sequences")
            vectors, errors = await parts.engine.compute(lambda: model.embed(sequences), sequences)
            return classification.EmbedResponse(
                model=parts.models.describe(model),
                dimension=vectors.shape[1],
                vectors=vectors.ravel().tolist(),
                errors=item_errors(errors),
            )


class ModelsService(models_pb2_grpc.ModelsServicer):
    """``abyssal.inference.v1.Models``."""

    def __init__(self, models: Residents, settings: ServerSettings) -> None:
        self._models = models
        self._settings = settings

    async def GetCurrentModel(
        self, request: models_pb2.GetCurrentModelRequest, context: object
    ) -> models_pb2.GetCurrentModelResponse:
        """Say what answers a choice, and the limits."""
        model = self._models.describe(self._models.choose(request.model))
        return models_pb2.GetCurrentModelResponse(model=model, limits=limits_of(self._settings))

    async def ListModels(self, request: models_pb2.ListModelsRequest, context: object) -> models_pb2.ListModelsResponse:
        """Say what answers."""
        models = [self._models.describe(one.model) for one in self._models.all() if not one.draining]
        return models_pb2.ListModelsResponse(models=models)

    async def GetTaxonomy(
        self, request: models_pb2.GetTaxonomyRequest, context: object
    ) -> models_pb2.GetTaxonomyResponse:
        """Give a page of the taxa that answers point into."""
        taxa = self._models.taxonomy(request.digest)
        start = _page_start(request.page_token, len(taxa))
        end = min(start + min(request.page_size or _TAXA_PER_PAGE, _TAXA_PER_PAGE), len(taxa))
        return models_pb2.GetTaxonomyResponse(
            digest=request.digest,
            ranks=taxa.ranks,
            taxa=len(taxa),
            names=taxa.names[start:end],
            rank_numbers=taxa.rank_numbers[start:end],
            parents=taxa.parents[start:end],
            next_page_token=str(end) if end < len(taxa) else "",
        )

    async def GetModelCard(
        self, request: models_pb2.GetModelCardRequest, context: object
    ) -> models_pb2.GetModelCardResponse:
        """Give a model's card."""
        model = self._models.choose(request.model, request.model_digest)
        return models_pb2.GetModelCardResponse(model=self._models.describe(model), markdown=model.card)


def _page_start(token: str, taxa: int) -> int:
    if not token:
        return 0
    if token.isascii() and token.isdecimal() and len(token) < 10 and int(token) <= taxa:
        return int(token)
    message = f"{token[:20]!r} is not the next_page_token of an earlier page"
    raise InvalidRequest(message, field="page_token")

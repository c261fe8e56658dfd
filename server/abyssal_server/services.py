"""The gRPC services: each method validates, asks the engine or the models, and maps the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from abyssal.inference.messages import item_errors, to_message
from abyssal.inference.v1 import classification_pb2 as classification
from abyssal.inference.v1 import classification_pb2_grpc, models_pb2, models_pb2_grpc
from abyssal_server.calls import Calls
from abyssal_server.engine import Engine
from abyssal_server.errors import InvalidRequest
from abyssal_server.models import LoadedModels
from abyssal_server.requests import limits_of, novelty_of, sequences_of
from abyssal_server.settings import ServerSettings
from abyssal_server.stream import StreamCall, deadline_of, timing_of

_TAXA_PER_PAGE = 20_000

ClassifyContext = grpc.aio.ServicerContext[classification.ClassifyRequest, classification.ClassifyResponse]
StreamContext = grpc.aio.ServicerContext[classification.ClassifyStreamRequest, classification.ClassifyStreamResponse]
EmbedContext = grpc.aio.ServicerContext[classification.EmbedRequest, classification.EmbedResponse]


class ClassificationService(classification_pb2_grpc.ClassificationServicer):
    """``abyssal.inference.v1.Classification``."""

    def __init__(self, engine: Engine, models: LoadedModels, calls: Calls, settings: ServerSettings) -> None:
        self._engine = engine
        self._models = models
        self._calls = calls
        self._settings = settings

    async def Classify(
        self, request: classification.ClassifyRequest, context: ClassifyContext
    ) -> classification.ClassifyResponse:
        """Answer a small number of reads."""
        model = self._models.get(request.config.model_digest)
        novelty = novelty_of(request.config, field="config")
        sequences = sequences_of(request.sequences, limit=self._settings.reads_per_chunk, field="sequences")
        answered = await self._engine.submit_now(model.question(novelty), sequences, deadline=deadline_of(context))
        return classification.ClassifyResponse(
            model=model.identity, answers=to_message(answered.answers, model.taxa), timing=timing_of(answered)
        )

    async def ClassifyStream(
        self, requests: AsyncIterator[classification.ClassifyStreamRequest], context: StreamContext
    ) -> None:
        """Answer any number of reads, chunk by chunk."""
        call = StreamCall(
            requests, context, engine=self._engine, models=self._models, calls=self._calls, settings=self._settings
        )
        await call.run()

    async def Embed(self, request: classification.EmbedRequest, context: EmbedContext) -> classification.EmbedResponse:
        """Answer the vectors of a small number of reads."""
        model = self._models.get(request.model_digest)
        sequences = sequences_of(request.sequences, limit=self._settings.reads_per_chunk, field="sequences")
        vectors, errors = await self._engine.compute(lambda: model.embed(sequences), sum(map(len, sequences)))
        return classification.EmbedResponse(
            model=model.identity,
            dimension=vectors.shape[1],
            vectors=vectors.ravel().tolist(),
            errors=item_errors(errors),
        )


class ModelsService(models_pb2_grpc.ModelsServicer):
    """``abyssal.inference.v1.Models``."""

    def __init__(self, models: LoadedModels, settings: ServerSettings) -> None:
        self._models = models
        self._settings = settings

    async def GetCurrentModel(
        self, request: models_pb2.GetCurrentModelRequest, context: object
    ) -> models_pb2.GetCurrentModelResponse:
        """Say what answers, and the limits."""
        model = self._models.get("")
        return models_pb2.GetCurrentModelResponse(model=model.identity, limits=limits_of(self._settings))

    async def ListModels(self, request: models_pb2.ListModelsRequest, context: object) -> models_pb2.ListModelsResponse:
        """Say what is loaded."""
        return models_pb2.ListModelsResponse(models=[model.identity for model in self._models.all()])

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
        model = self._models.get(request.model_digest)
        return models_pb2.GetModelCardResponse(model=model.identity, markdown=model.card)


def _page_start(token: str, taxa: int) -> int:
    if not token:
        return 0
    if token.isascii() and token.isdecimal() and len(token) < 10 and int(token) <= taxa:
        return int(token)
    message = f"{token[:20]!r} is not the next_page_token of an earlier page"
    raise InvalidRequest(message, field="page_token")

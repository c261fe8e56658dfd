"""Models: which answer, what they are, and which shall answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import grpc
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import JSONResponse, Response

from abyssal.client.errors import ServiceError, service_error
from abyssal.client.session import ModelInfo
from abyssal.inference.v1 import admin_pb2, admin_pb2_grpc, models_pb2, models_pb2_grpc
from abyssal.inference.v1.common_pb2 import Model
from abyssal.stores.documents import ID
from abyssal_server.errors import Conflict, InvalidRequest, Missing, NotPossible
from abyssal_server.gateway.files import framed_bytes, study_numbers
from abyssal_server.gateway.problems import gives, problems
from abyssal_server.gateway.published import CARD, METRICS, REPORT, align
from abyssal_server.gateway.results import ModelOutput, model_output
from abyssal_server.gateway.schemas import (
    ActivateInput,
    AlignmentOutput,
    ListedModel,
    Page,
    ReferenceOutput,
    RollbackInput,
)
from abyssal_server.gateway.state import Admin, GatewayState, Reader, metadata_of, state_of
from abyssal_server.jobs.queue import TRAIN, State

router = APIRouter(tags=["models"])
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Choice = Annotated[str, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_ADMIN_SECONDS = 300.0
_SERVICE = (401, 403, 404, 409, 422, 429, 501, 502, 503, 504)
_TEXT = gives("text/markdown")
_HTML = gives("text/html")
_OBJECT = gives("application/json", "object")
_NOT_CHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Not changed"}}
Answer = TypeVar("Answer")


@router.get("/models", summary="All models", responses=problems(*_SERVICE))
async def list_models(request: Request, caller: Reader) -> Page[ListedModel]:
    """List what the service has loaded and what is published, the one that answers first."""
    state = state_of(request)
    stub = models_pb2_grpc.ModelsStub(state.client.channel)  # type: ignore[no-untyped-call]
    answer = await _call(state, stub.ListModels, models_pb2.ListModelsRequest(), request)
    rows = {model.digest: _resident(model) for model in answer.models}
    for digest, (name, version, manifest) in (await asyncio.to_thread(state.published.all)).items():
        if digest in rows:
            rows[digest].published = True
        else:
            rows[digest] = ListedModel(
                name=name, version=version, digest=digest, marker=manifest.marker.name, ranks=list(manifest.ranks),
                engine="", current=False, previous=False, resident=False, published=True,
            )  # fmt: skip
    return Page[ListedModel](items=list(rows.values()), next=None)


@router.get(
    "/models/current", summary="The model that answers", response_model=ModelOutput,
    responses={**_NOT_CHANGED, **problems(*_SERVICE)},
)  # fmt: skip
async def current_model(request: Request, caller: Reader, name: Choice = "", marker: Choice = "") -> Response:
    """Describe the model that answers; the ETag is its digest."""
    state = state_of(request)
    model = await state.client.current_model(model=name, marker=marker, metadata=metadata_of(request))
    headers = {"ETag": f'"{model.digest}"', "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    if headers["ETag"] in {tag.strip().removeprefix("W/") for tag in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return JSONResponse(model_output(model).model_dump(), headers=headers)


@router.get(
    "/models/{digest}/card", summary="Model card", response_class=Response, responses={**_TEXT, **problems(*_SERVICE)}
)
async def model_card(request: Request, caller: Reader, digest: Digest) -> Response:
    """Return what a model was made from and how well it does, as Markdown."""
    state = state_of(request)
    try:
        text = await asyncio.to_thread(state.published.file, digest, CARD)
    except Missing:
        stub = models_pb2_grpc.ModelsStub(state.client.channel)  # type: ignore[no-untyped-call]
        card = await _call(state, stub.GetModelCard, models_pb2.GetModelCardRequest(model_digest=digest), request)
        text = card.markdown.encode()
    return Response(text, media_type="text/markdown; charset=utf-8")


@router.get("/models/{digest}/metrics", summary="Held-out metrics", responses={**_OBJECT, **problems(*_SERVICE)})
def model_metrics(request: Request, caller: Reader, digest: Digest) -> dict[str, Any]:
    """Return the metrics in the bundle."""
    found: dict[str, Any] = json.loads(state_of(request).published.file(digest, METRICS))
    return found


@router.get(
    "/models/{digest}/report", summary="The report of a model", response_class=Response,
    responses={**_HTML, **problems(*_SERVICE)},
)  # fmt: skip
def model_report(request: Request, caller: Reader, digest: Digest) -> Response:
    """Return the report in the bundle, for a sandboxed frame."""
    return framed_bytes(state_of(request).published.file(digest, REPORT))


@router.get(
    "/models/{digest}/study", summary="The study of a model", response_class=Response,
    responses={**_OBJECT, **problems(*_SERVICE)},
)  # fmt: skip
def model_study(request: Request, caller: Reader, digest: Digest) -> Response:
    """Return samples, abundance and the cluster map of the run that made a model, when it is known here."""
    state = state_of(request)
    return study_numbers(state.places.objects(_trained_at(state, digest) or f"models/{digest}"), digest)


@router.get("/models/{digest}/references/{reference_id}", summary="A reference amplicon", responses=problems(*_SERVICE))
def reference(
    request: Request,
    caller: Reader,
    digest: Digest,
    reference_id: Annotated[str, Path(max_length=300)],
    sequence: Annotated[str | None, Query(max_length=20_000)] = None,
) -> ReferenceOutput:
    """Return a reference amplicon, beside a sequence when one is given."""
    letters, lineage = state_of(request).published.reference(digest, reference_id)
    shown = AlignmentOutput(**vars(align(sequence, letters))) if sequence else None
    return ReferenceOutput(id=reference_id, lineage=lineage, sequence=letters, alignment=shown)


@router.post("/models/activate", summary="Let a model answer", responses=problems(*_SERVICE))
async def activate(request: Request, caller: Admin, choice: ActivateInput) -> ModelOutput:
    """Let a published or loaded model answer to its name, in one step."""
    state = state_of(request)
    if (choice.digest is None) == (choice.name is None or choice.version is None):
        message = "expected either digest, or name and version"
        raise InvalidRequest(message, field="#")
    found = await asyncio.to_thread(_published, state, choice)
    if found is None:
        if choice.digest is None:
            raise Missing(kind="published model", name=f"{choice.name} {choice.version}")
        model = await _activate_loaded(request, choice.digest, choice.expected_digest or "")
    else:
        name, version, digest = found
        model = await _activate_published(request, name, version, digest, choice.expected_digest)
    state.audit(request, caller, "activate", model.digest, f"{model.name} {model.version}")
    return model_output(ModelInfo.of(model))


@router.post("/models/rollback", summary="Let the model before answer again", responses=problems(*_SERVICE))
async def rollback(request: Request, caller: Admin, choice: RollbackInput) -> ModelOutput:
    """Exchange the current and the previous model of a name, here and in the registry."""
    state = state_of(request)
    names = choice.name or (await state.client.current_model(metadata=metadata_of(request))).name
    registry = state.places.registry()
    labels = await asyncio.to_thread(registry.labels, names)
    if labels.previous is not None:
        # What is published is brought back even when the service was restarted since and knows no model before.
        manifest_digest = (await asyncio.to_thread(registry.manifest, names, labels.previous))[1]
        model = await _activate_published(request, names, labels.previous, manifest_digest, choice.expected_digest)
    else:
        asked = admin_pb2.RollbackModelRequest(name=names, expected_digest=choice.expected_digest or "")
        model = (await _call(state, _admin(state).RollbackModel, asked, request, admin=True)).state.model
    state.audit(request, caller, "rollback", model.digest, f"{model.name} {model.version}")
    return model_output(ModelInfo.of(model))


def _trained_at(state: GatewayState, digest: str) -> str:
    """Return where the artefacts of the job are that made a model, "" when none did."""
    after = None
    while jobs := state.queue.jobs({"kind": TRAIN, "state": State.SUCCEEDED.value}, limit=200, after=after):
        for job in jobs:
            for model in job["models"]:
                if model["digest"] == digest:
                    return f"jobs/{job[ID]}/{model['marker']}"
        after = jobs[-1]
    return ""


def _published(state: GatewayState, choice: ActivateInput) -> tuple[str, str, str] | None:
    for digest, (name, version, _) in state.published.all().items():
        if digest == choice.digest or (name, version) == (choice.name, choice.version):
            return name, version, digest
    return None


async def _activate_published(request: Request, name: str, version: str, digest: str, expected: str | None) -> Model:
    """Load a bundle, let it answer, then label it: what cannot be loaded is never labelled."""
    state = state_of(request)
    location = f"{state.places.registry_location}/{name}@{version}"
    loaded = admin_pb2.LoadModelRequest(location=location, activate=False)
    await _call(state, _admin(state).LoadModel, loaded, request, admin=True)
    model = await _activate_loaded(request, digest, expected or "")
    await asyncio.to_thread(state.places.registry().activate, name, version)
    return model


async def _activate_loaded(request: Request, digest: str, expected: str) -> Model:
    state = state_of(request)
    asked = admin_pb2.ActivateModelRequest(digest=digest, expected_digest=expected)
    answer: admin_pb2.ActivateModelResponse = await _call(
        state, _admin(state).ActivateModel, asked, request, admin=True
    )
    return answer.state.model


def _resident(model: Model) -> ListedModel:
    described = model_output(ModelInfo.of(model)).model_dump()
    labels = set(model.labels)
    return ListedModel(
        **described, current="current" in labels, previous="previous" in labels, resident=True, published=False
    )


def _admin(state: GatewayState) -> Any:
    return admin_pb2_grpc.ModelAdminStub(state.client.channel)  # type: ignore[no-untyped-call]


async def _call(
    state: GatewayState, method: Callable[..., Any], message: Any, request: Request, *, admin: bool = False
) -> Any:
    """Call the service; what only admins may, with the gateway's own credential: it has looked at theirs."""
    metadata = state.client.with_access(metadata_of(request)[:1] if admin else metadata_of(request))
    try:
        return await method(message, timeout=_ADMIN_SECONDS, metadata=metadata)
    except grpc.RpcError as error:
        failure: ServiceError = service_error(error, state.client.target)
        if failure.code is grpc.StatusCode.ABORTED:
            raise Conflict(str(failure)) from error
        if failure.code is grpc.StatusCode.UNIMPLEMENTED:
            message = "the service was started without a credential for ModelAdmin; give both the same admin token"
            raise NotPossible(message) from error
        raise failure from error

"""The gateway's HTTP interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Message

from abyssal import __version__
from abyssal.client.asynchronous import AsyncClient
from abyssal.client.errors import service_error
from abyssal.config.models import NoveltyConfig
from abyssal.errors import AbyssalError
from abyssal.sequences.records import SequenceRecord
from abyssal.taxonomy.classifications import tsv_header, tsv_rows
from abyssal_server.errors import InvalidRequest, NotReady, Overloaded, TooLarge, UnsupportedMedia
from abyssal_server.gateway import examples
from abyssal_server.gateway.bodies import BodyLimits, expanded_body
from abyssal_server.gateway.middleware import REQUEST_ID, RequestGuard
from abyssal_server.gateway.problems import Problem, error_response, problem_response
from abyssal_server.gateway.results import ClassifyOutput, ModelOutput, classify_output, model_output
from abyssal_server.gateway.uploads import parse_json, parse_sequences
from abyssal_server.health import CLASSIFICATION
from abyssal_server.settings import GatewaySettings

TSV = "text/tab-separated-values"
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
_SEQUENCE_TYPES = frozenset(
    {
        "",
        "text/plain",
        "text/x-fasta",
        "text/x-fastq",
        "application/x-fasta",
        "application/x-fastq",
        "application/gzip",
        "application/x-gzip",
        "application/octet-stream",
        "application/x-www-form-urlencoded",  # what curl sends with --data-binary when no type is given
    }
)
Upload = tuple[list[SequenceRecord], NoveltyConfig | None]


def create_app(settings: GatewaySettings) -> FastAPI:
    """Return the gateway for a running service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncClient(settings.server, timeout=settings.request_seconds) as client:
            app.state.client = client
            yield

    app = FastAPI(
        title="Abyssal",
        version=__version__,
        description="Calibrated taxonomy of eDNA reads.",
        lifespan=lifespan,
        # Their pages load scripts from elsewhere; the gateway works without any outside network.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.room = asyncio.Semaphore(settings.concurrent_requests)
    app.add_middleware(RequestGuard)
    app.add_exception_handler(AbyssalError, _abyssal_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected_error)
    _add_routes(app)
    return app


def _add_routes(app: FastAPI) -> None:
    problems: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "content": {"application/problem+json": {}}}
        for status in (400, 404, 413, 415, 422, 429, 503, 504)
    }
    app.add_api_route("/", page, methods=["GET"], include_in_schema=False)
    app.add_api_route("/healthz", healthz, methods=["GET"], summary="The gateway runs")
    app.add_api_route(
        "/readyz", readyz, methods=["GET"], summary="The service behind it answers", responses={503: problems[503]}
    )
    app.add_api_route(
        "/models/current",
        current_model,
        methods=["GET"],
        summary="The model that answers",
        response_model=ModelOutput,
        responses={304: {"description": "Not changed"}, 503: problems[503]},
    )
    app.add_api_route(
        "/inference/classify",
        classify,
        methods=["POST"],
        summary="Classify sequences",
        response_model=ClassifyOutput,
        responses={200: {"content": examples.ANSWERS}, **problems},
        openapi_extra={"requestBody": examples.REQUEST_BODY},
    )


async def healthz() -> dict[str, str]:
    """Say that the gateway runs, whatever the service does."""
    return {"status": "ok"}


async def readyz(request: Request) -> dict[str, str]:
    """Say whether the inference service is SERVING."""
    client: AsyncClient = request.app.state.client
    stub = health_pb2_grpc.HealthStub(client.channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=CLASSIFICATION), timeout=5.0)
    except grpc.RpcError as error:
        raise service_error(error, client.target) from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        message = "the inference service is not serving yet, or not any more"
        raise NotReady(message, retry_after=1.0)
    return {"status": "ok"}


async def current_model(request: Request) -> Response:
    """Describe the model that answers; the ETag is its digest."""
    client: AsyncClient = request.app.state.client
    model = await client.current_model(metadata=_metadata(request))
    headers = {"ETag": f'"{model.digest}"', "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    if headers["ETag"] in {tag.strip().removeprefix("W/") for tag in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return JSONResponse(model_output(model).model_dump(), headers=headers)


async def classify(request: Request) -> Response:
    """Classify the sequences of a JSON, FASTA, FASTQ (plain or gzipped) or multipart body, as JSON or TSV."""
    room: asyncio.Semaphore = request.app.state.room
    if room.locked():
        message = "the gateway is full; try again later, or use the gRPC service for bulk work"
        raise Overloaded(message, retry_after=2.0)
    async with room:
        records, novelty = await _read_upload(request)
        client: AsyncClient = request.app.state.client
        ids = [record.id for record in records]
        if records:
            sequences = [record.sequence for record in records]
            model, answers = await client.classify(sequences, novelty=novelty, metadata=_metadata(request))
        else:
            model, answers = await client.current_model(metadata=_metadata(request)), None
        if TSV in request.headers.get("accept", ""):
            rows = [tsv_header(model.ranks), *(tsv_rows(ids, answers) if answers is not None else [])]
            return Response("".join(f"{row}\n" for row in rows), media_type=TSV)
        body = await asyncio.to_thread(lambda: classify_output(model, ids, answers).model_dump_json())
        return Response(body, media_type="application/json")


async def page() -> HTMLResponse:
    """Serve the page that classifies pasted sequences; it loads nothing from elsewhere."""
    text = files("abyssal_server.gateway").joinpath("page.html").read_text(encoding="utf-8")
    return HTMLResponse(text, headers={"Content-Security-Policy": _PAGE_POLICY})


def _metadata(request: Request) -> tuple[tuple[str, str], ...]:
    return ((REQUEST_ID, request.state.request_id),)


async def _read_upload(request: Request) -> Upload:
    settings: GatewaySettings = request.app.state.settings
    limits = BodyLimits.of(settings)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", "x-gzip"}:
        message = f"content encoding {encoding[:40]!r} is not read; expected gzip or none"
        raise UnsupportedMedia(message, field="")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        body = await expanded_body(request.stream(), limits)
        return await asyncio.to_thread(parse_json, body, settings)
    if media_type == "multipart/form-data":
        body = await _uploaded_file(request, limits)
    elif media_type in _SEQUENCE_TYPES:
        body = await expanded_body(request.stream(), limits)
    else:
        message = f"bodies of type {media_type[:80]!r} are not read; expected application/json, text/plain (FASTA or "
        message += "FASTQ), application/gzip or multipart/form-data"
        raise UnsupportedMedia(message, field="")
    return await asyncio.to_thread(parse_sequences, body, settings), None


async def _uploaded_file(request: Request, limits: BodyLimits) -> bytes:
    """Return the part ``file`` of a form; file names are never looked at."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limits.raw:
            problem = f"the body is larger than {limits.raw} bytes"
            raise TooLarge(problem, field="")
        return message

    limited = Request(request.scope, receive)
    async with limited.form(max_files=1, max_fields=4, max_part_size=64 << 10) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            message = "expected one part named `file` that holds FASTA or FASTQ, plain or gzipped"
            raise InvalidRequest(message, field="file")
        return await expanded_body(_pieces(upload), limits)


async def _pieces(upload: UploadFile) -> AsyncIterator[bytes]:
    while piece := await upload.read(64 << 10):
        yield piece


async def _abyssal_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AbyssalError)
    return error_response(error, instance=request.url.path, request_id=request.state.request_id)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = Problem(
        type=f"urn:abyssal:problem:http-{error.status_code}",
        title=str(error.detail),
        status=error.status_code,
        detail=f"{request.method} {request.url.path}: {error.detail}",
        instance=request.url.path,
        request_id=request.state.request_id,
    )
    return problem_response(problem)


async def _validation_error(request: Request, error: Exception) -> Response:
    return await _abyssal_error(request, InvalidRequest(str(error), field=""))


async def _unexpected_error(request: Request, error: Exception) -> Response:
    request_id = request.state.request_id
    failure = AbyssalError(f"internal error; quote request id {request_id}")
    return error_response(failure, instance=request.url.path, request_id=request_id)

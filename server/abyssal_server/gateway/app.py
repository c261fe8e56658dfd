"""The gateway's HTTP interface, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from abyssal import __version__
from abyssal.client import Access
from abyssal.client.asynchronous import AsyncClient
from abyssal.errors import AbyssalError
from abyssal_server.datasets.uploads import PIECE_BYTES, WrongOffset
from abyssal_server.errors import Unauthenticated
from abyssal_server.gateway import examples
from abyssal_server.gateway.inference import InferenceRunner
from abyssal_server.gateway.middleware import REQUEST_ID, RequestGuard
from abyssal_server.gateway.page_files import add_page
from abyssal_server.gateway.problems import FieldProblem, InvalidFields, Problem, error_response, problem_response
from abyssal_server.gateway.routes import classify, datasets, jobs, models, operations, session
from abyssal_server.gateway.sessions import CSRF_HEADER
from abyssal_server.gateway.settings import GatewaySettings
from abyssal_server.gateway.state import GatewayState

_MOST_PROBLEMS = 20
_ROOM_FOR_FORMS = 1 << 20
_BULK_ATTEMPTS = 12
_SMALL_ATTEMPTS = 2
"""A call that ends while its question is sent hides its status; the second attempt learns it."""


def create_app(settings: GatewaySettings) -> FastAPI:
    """Return the gateway for a running service."""
    state = GatewayState(settings)
    app = FastAPI(
        title="Abyssal",
        version=__version__,
        description="Calibrated taxonomy of eDNA reads: classification, models, datasets and training jobs.",
        lifespan=_lifespan,
        # Their pages load scripts from elsewhere; the gateway works without any outside network.
        docs_url=None,
        redoc_url=None,
    )
    app.state.gateway = state
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", "idempotency-key", "prefer", "upload-offset", CSRF_HEADER],
            expose_headers=["location", "upload-offset", "upload-length", "retry-after", "etag", REQUEST_ID],
        )  # fmt: skip
    app.add_middleware(
        RequestGuard, metrics=state.metrics, origins=settings.origins, hosts=settings.known_hosts,
        most_bytes=max(settings.upload_bytes, PIECE_BYTES) + _ROOM_FOR_FORMS,
    )  # fmt: skip
    app.add_exception_handler(AbyssalError, _abyssal_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected_error)
    for module in (classify, models, datasets, jobs, session, operations):
        app.include_router(module.router)
    add_page(app)
    _describe_access(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: GatewayState = app.state.gateway
    settings = state.settings
    access = Access(key=settings.service_key())
    bulk = AsyncClient(settings.server, timeout=settings.request_seconds, attempts=_BULK_ATTEMPTS, access=access)
    client = AsyncClient(settings.server, timeout=settings.request_seconds, attempts=_SMALL_ATTEMPTS, access=access)
    async with client, bulk:
        state.client = client
        runners = [asyncio.create_task(InferenceRunner(state, bulk).run()) for _ in range(settings.inference_jobs)]
        try:
            yield
        finally:
            for runner in runners:
                runner.cancel()
            await asyncio.gather(*runners, return_exceptions=True)
            state.coordination.close()
            if "places" in vars(state):
                state.places.close()


def _describe_access(app: FastAPI) -> None:
    """Name the credentials in the OpenAPI document; where none are needed an empty one will do."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        document["components"]["schemas"] |= examples.SCHEMAS
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "API key, JSON web token or admin token."},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "abyssal_session", "description": "Of POST /session."},
        }
        document["security"] = [{}, {"bearer": []}, {"cookie": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]


async def _abyssal_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AbyssalError)
    response = error_response(error, instance=request.url.path, request_id=request.state.request_id)
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, WrongOffset):
        response.headers["Upload-Offset"] = str(error.offset)
    return response


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
    response = problem_response(problem)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    rows = [
        FieldProblem(detail=str(one["msg"]), pointer=_pointer(one["loc"])) for one in error.errors()[:_MOST_PROBLEMS]
    ]
    return await _abyssal_error(request, InvalidFields(rows))


def _pointer(location: tuple[int | str, ...]) -> str:
    """Return a JSON pointer into the body, or the name of the parameter."""
    if location and location[0] == "body":
        return "/".join(("#", *map(str, location[1:]))) if len(location) > 1 else "#"
    return str(location[-1]) if location else "#"


async def _unexpected_error(request: Request, error: Exception) -> Response:
    request_id = request.state.request_id
    failure = AbyssalError(f"internal error; quote request id {request_id}")
    return error_response(failure, instance=request.url.path, request_id=request_id)

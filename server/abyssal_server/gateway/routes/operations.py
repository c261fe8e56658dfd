"""Health, metrics, and what admins did."""

from __future__ import annotations

import asyncio

import grpc
from fastapi import APIRouter, Request, Response
from grpc_health.v1 import health_pb2, health_pb2_grpc

from abyssal.client.errors import service_error
from abyssal.stores.collections import AUDIT
from abyssal_server.errors import NotReady
from abyssal_server.gateway.paging import After, Limit, behind, cursor_of
from abyssal_server.gateway.problems import problems
from abyssal_server.gateway.schemas import AuditOutput, Page, StatusOutput, time_text
from abyssal_server.gateway.state import Admin, GatewayState, state_of
from abyssal_server.health import CLASSIFICATION
from abyssal_server.jobs.queue import CLASSIFY, TRAIN, State

router = APIRouter(tags=["operations"])
_READY_SECONDS = 5.0


@router.get("/healthz", summary="The gateway runs")
async def healthz() -> StatusOutput:
    """Say that the gateway runs, whatever the service does."""
    return StatusOutput()


@router.get("/readyz", summary="Service and stores answer", responses=problems(503))
async def readyz(request: Request) -> StatusOutput:
    """Say whether the inference service is SERVING and the metadata store answers."""
    state = state_of(request)
    stub = health_pb2_grpc.HealthStub(state.client.channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=CLASSIFICATION), timeout=_READY_SECONDS)
    except grpc.RpcError as error:
        raise service_error(error, state.client.target) from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        message = "the inference service is not serving yet, or not any more"
        raise NotReady(message, retry_after=1.0)
    await asyncio.to_thread(state.queue.count, TRAIN, State.QUEUED)
    return StatusOutput()


@router.get(
    "/metrics", summary="Prometheus metrics", response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(503)},
)  # fmt: skip
def metrics(request: Request) -> Response:
    """Return counts and times of this gateway, and how many jobs are in which state."""
    state = state_of(request)
    _count_jobs(state)
    return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/audit", summary="What admins did", responses=problems(401, 403, 422, 429, 503))
def audit(request: Request, caller: Admin, limit: Limit = 50, after: After = None) -> Page[AuditOutput]:
    """List changes of models, jobs and datasets, newest first."""
    store = state_of(request).places.documents
    found = store.find(AUDIT, order="at", descending=True, limit=limit, after=behind(after, "at"))
    rows = [
        AuditOutput(at=str(time_text(row["at"])), **{key: row[key] for key in AuditOutput.model_fields if key != "at"})
        for row in found
    ]
    return Page[AuditOutput](items=rows, next=cursor_of(found[-1], "at") if len(found) == limit else None)


def _count_jobs(state: GatewayState) -> None:
    for kind in (TRAIN, CLASSIFY):
        for one in State:
            state.metrics.jobs.labels(kind, one.value).set(state.queue.count(kind, one))

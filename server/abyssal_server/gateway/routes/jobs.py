"""Training jobs: accepted once, watched, cancelled, retried, and what they made."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response

from abyssal.config.section import NAME_PATTERN
from abyssal.exports.write import FORMATS
from abyssal.files import to_json
from abyssal.stores.documents import Document, Where
from abyssal_server.errors import InvalidRequest
from abyssal_server.gateway.files import framed, stream_object, study_numbers
from abyssal_server.gateway.paging import After, Limit, behind, cursor_of
from abyssal_server.gateway.problems import gives, problems
from abyssal_server.gateway.routes.datasets import ready_dataset
from abyssal_server.gateway.schemas import (
    JobError,
    JobOutput,
    JobProgress,
    Page,
    PresetOutput,
    TrainedModel,
    TrainInput,
    TrainOptions,
    time_text,
)
from abyssal_server.gateway.state import Admin, GatewayState, JobId, Reader, state_of
from abyssal_server.gateway.streams import EVENTS, LastEvent, job_events
from abyssal_server.jobs.artefacts import OVERVIEW, REPORT, export_key
from abyssal_server.jobs.logs import JobLog
from abyssal_server.jobs.queue import TRAIN
from abyssal_server.jobs.requests import check_markers, config_schema, presets, training_config

router = APIRouter(tags=["jobs"])
Marker = Annotated[str, Query(pattern=NAME_PATTERN, max_length=100, description="Marker of the study.")]
_HTML = gives("text/html")
_TEXT = gives("text/plain")
_FILE = gives("application/octet-stream", format="binary")
_STUDY = gives("application/json", "object")


@router.get("/jobs/train/options", summary="What can be trained", responses=problems(401, 403, 429))
def train_options(caller: Reader) -> TrainOptions:
    """Return the presets and the schema of the config."""
    rows = [
        PresetOutput(name=name, markers=list(preset["config"]["markers"]), **preset)
        for name, preset in presets().items()
    ]
    return TrainOptions(presets=rows, config_schema=config_schema())


@router.post(
    "/jobs/train", status_code=202, summary="Train a model",
    responses={200: {"model": JobOutput, "description": "The job of this key"},
               **problems(401, 403, 404, 409, 413, 422, 429, 503)},
)  # fmt: skip
def train(
    request: Request,
    response: Response,
    caller: Admin,
    job: TrainInput,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200, pattern="^[ -~]+$")] = None,
) -> JobOutput:
    """Queue a training job; the same Idempotency-Key is the same job."""
    state = state_of(request)
    state.require_room(TRAIN)
    dataset = ready_dataset(state, job.dataset)
    files = {row["name"]: row["file"] for row in dataset["contents"]}
    # What the client sent is compared, not the version that is made up here.
    made_up = f"{datetime.now(UTC):%Y.%m.%d}-{secrets.token_hex(4)}"
    config = training_config(job.preset, job.config, files, version=job.version or made_up)
    check_markers(config, dataset["sheet"]["markers"])
    if job.version is not None:
        _require_free(state, config, job.version)
    # As text: names of markers may hold what documents do not take in keys.
    asked = {**job.model_dump(), "config": to_json(config), "asked": to_json(job.config)}
    found, created = _submit(state, caller.id, asked, idempotency_key or "")
    if created:
        state.audit(request, caller, "train", found["_id"], f"dataset {job.dataset}")
        state.coordination.announce(TRAIN)
    response.status_code = 202 if created else 200
    response.headers["Location"] = f"/jobs/{found['_id']}"
    return output(found)


@router.get("/jobs", summary="All training jobs", responses=problems(401, 403, 422, 429, 503))
def list_jobs(
    request: Request,
    caller: Reader,
    kind: Literal["train"] = "train",
    state: Literal["queued", "running", "publishing", "succeeded", "failed", "cancelled"] | None = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[JobOutput]:
    """List training jobs, newest first."""
    where: Where = {"kind": kind, **({"state": state} if state else {})}
    found = state_of(request).queue.jobs(where, limit=limit, after=behind(after, "created"))
    following = cursor_of(found[-1], "created") if len(found) == limit else None
    return Page[JobOutput](items=[output(job) for job in found], next=following)


@router.get("/jobs/{job_id}", summary="One training job", responses=problems(401, 403, 404, 422, 429, 503))
def read_job(request: Request, caller: Reader, job_id: JobId) -> JobOutput:
    """Return a job as it is now."""
    return output(state_of(request).job(TRAIN, job_id))


@router.post(
    "/jobs/{job_id}/cancel", status_code=202, summary="Cancel a job",
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)  # fmt: skip
def cancel_job(request: Request, caller: Admin, job_id: JobId) -> JobOutput:
    """End a job; what it made so far is kept for a retry."""
    state = state_of(request)
    state.job(TRAIN, job_id)
    cancelled = state.queue.cancel(job_id)
    state.audit(request, caller, "cancel", job_id)
    return output(cancelled)


@router.post(
    "/jobs/{job_id}/retry", status_code=202, summary="Try a job again",
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)  # fmt: skip
def retry_job(request: Request, caller: Admin, job_id: JobId) -> JobOutput:
    """Queue a failed or cancelled job again; steps that were finished on the same host are not repeated."""
    state = state_of(request)
    state.job(TRAIN, job_id)
    again = state.queue.retry(job_id)
    state.audit(request, caller, "retry", job_id)
    state.coordination.announce(TRAIN)
    return output(again)


@router.get(
    "/jobs/{job_id}/log", summary="What the job's programs wrote", response_class=Response,
    responses={**_TEXT, **problems(401, 403, 404, 422, 429, 503)},
)  # fmt: skip
def read_log(
    request: Request, caller: Reader, job_id: JobId, tail: Annotated[int, Query(ge=1, le=16 << 20)] = 65536
) -> Response:
    """Return the end of the log, so many characters of it."""
    state = state_of(request)
    state.job(TRAIN, job_id)
    text, _ = JobLog(state.places.documents, job_id).after(0)
    return Response(text[-tail:], media_type="text/plain; charset=utf-8")


@router.get(
    "/jobs/{job_id}/events", summary="Follow a job", response_class=Response,
    responses={**EVENTS, **problems(401, 403, 404, 422, 429, 503)},
)  # fmt: skip
def follow_job(request: Request, caller: Reader, job_id: JobId, last_event_id: LastEvent = "") -> Response:
    """Tell each change (`job`), new text of the log (`log`), and the end (`end`) as server-sent events."""
    state = state_of(request)
    return job_events(state, state.job(TRAIN, job_id), last_event_id, output)


@router.get(
    "/jobs/{job_id}/report", summary="The report of a run", response_class=Response,
    responses={**_HTML, **problems(401, 403, 404, 409, 422, 429, 503)},
)  # fmt: skip
def read_report(request: Request, caller: Reader, job_id: JobId, marker: Marker | None = None) -> Response:
    """Return the report of a marker, or the overview of the study, for a sandboxed frame."""
    state = state_of(request)
    state.finished_job(TRAIN, job_id)
    below = f"jobs/{job_id}/{marker}" if marker else f"jobs/{job_id}"
    return framed(state.places.objects(below), REPORT if marker else OVERVIEW, kind="report")


@router.get(
    "/jobs/{job_id}/study", summary="Samples, abundance, cluster map", response_class=Response,
    responses={**_STUDY, **problems(401, 403, 404, 409, 422, 429, 503)},
)  # fmt: skip
def read_study(request: Request, caller: Reader, job_id: JobId, marker: Marker) -> Response:
    """Return the numbers behind the pictures of a run."""
    state = state_of(request)
    state.finished_job(TRAIN, job_id)
    return study_numbers(state.places.objects(f"jobs/{job_id}/{marker}"), job_id)


@router.get(
    "/jobs/{job_id}/exports", summary="Results for other programs", response_class=Response,
    responses={**_FILE, **problems(401, 403, 404, 409, 422, 429, 503)},
)  # fmt: skip
def read_export(
    request: Request, caller: Reader, job_id: JobId, marker: Marker, format: Annotated[str, Query(max_length=40)]
) -> Response:
    """Return the results of a run in the format of another program; formats of several files come as a zip file."""
    state = state_of(request)
    if format not in (*FORMATS, "classification"):
        message = f"no format {format[:40]!r}; expected one of {', '.join((*FORMATS, 'classification'))}"
        raise InvalidRequest(message, field="format")
    state.finished_job(TRAIN, job_id)
    key = export_key(format)
    name = f"{marker}-{key.rpartition('/')[2]}"
    return stream_object(state.places.objects(f"jobs/{job_id}/{marker}"), key, kind="export", name=name)


def output(job: Document) -> JobOutput:
    """Return a job as clients see it."""
    request = job["request"]
    config = json.loads(request["config"])
    shown = {key: value for key, value in config.items() if key not in ("samples", "package")}
    return JobOutput(
        id=job["_id"],
        kind="train",
        state=job["state"],
        attempt=job["attempt"],
        created=str(time_text(job["created"])),
        started=time_text(job["started"]),
        finished=time_text(job["finished"]),
        owner=job["owner"],
        dataset=request["dataset"],
        config=shown,
        activate=request["activate"],
        version=config["package"]["version"],
        progress=JobProgress(**job["progress"]),
        cancel_requested=bool(job["cancel"]),
        error=JobError(**job["error"]) if job["error"] else None,
        models=[TrainedModel(**model) for model in job["models"]],
    )


def _submit(state: GatewayState, owner: str, asked: dict[str, Any], key: str) -> tuple[Document, bool]:
    """Submit a job; a made-up version must not make the same request look like another one."""
    if key:
        there = state.queue.find_key(TRAIN, owner, key)
        compared = ("dataset", "preset", "asked", "activate", "version")
        if there is not None and all(there["request"][name] == asked[name] for name in compared):
            return there, False
    return state.queue.submit(TRAIN, owner, asked, key=key)


def _require_free(state: GatewayState, config: dict[str, Any], version: str) -> None:
    registry = state.places.registry()
    for marker in config["markers"]:
        name = f"{config['study']}-{marker}"
        if registry.manifest_bytes(name, version) is not None:
            message = f"{name} {version} is published already; a version is never used twice"
            raise InvalidRequest(message, field="#/version")

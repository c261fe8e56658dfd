"""Classification: small requests at once, large ones as jobs whose results can be read, exported and shared."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import JSONResponse, StreamingResponse

from abyssal.config.models import NoveltyConfig
from abyssal.sequences.records import SequenceRecord
from abyssal.stores.documents import Document
from abyssal.stores.objects import ObjectStore
from abyssal.taxonomy.classifications import tsv_header, tsv_rows
from abyssal_server.access import Caller
from abyssal_server.errors import DeadlinePassed, InvalidRequest, Overloaded
from abyssal_server.gateway import examples
from abyssal_server.gateway.bodies import read_upload
from abyssal_server.gateway.exports import FORMATS, WRITTEN_FORMATS, write_export
from abyssal_server.gateway.files import attachment, media_type_of
from abyssal_server.gateway.inference import keep_input, new_input, read_input, row_lines, table_blocks
from abyssal_server.gateway.problems import gives, problems
from abyssal_server.gateway.results import ClassifyOutput, ModelOutput, classify_output
from abyssal_server.gateway.schemas import InferenceJobOutput, JobError, JobProgress, time_text
from abyssal_server.gateway.state import GatewayState, Inferrer, JobId, Reader, metadata_of, require_owner, state_of
from abyssal_server.gateway.streams import EVENTS, LastEvent, job_events
from abyssal_server.jobs.queue import CLASSIFY

TSV = "text/tab-separated-values"
router = APIRouter(tags=["inference"])
Choice = Annotated[str, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_FILE = gives("application/octet-stream", format="binary")
_MOST_EXPORTED = 1_000_000


@router.post(
    "/inference/classify", summary="Classify sequences", response_model=ClassifyOutput,
    responses={
        200: {"content": examples.ANSWERS},
        202: {"model": InferenceJobOutput, "description": "A job, for large requests"},
        **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 501, 502, 503, 504),
    },
    openapi_extra={"requestBody": examples.REQUEST_BODY},
)  # fmt: skip
async def classify(
    request: Request,
    caller: Inferrer,
    model: Choice = "",
    marker: Choice = "",
    fallback: Annotated[bool, Query()] = False,  # noqa: FBT002 - a parameter of the URL
    prefer: Annotated[str, Header(max_length=200)] = "",
) -> Response:
    """Classify the sequences of a JSON, FASTA, FASTQ (plain or gzipped) or multipart body, as JSON or TSV."""
    state = state_of(request)
    if state.room.locked():
        message = "the gateway is full; try again later, or use the gRPC service for bulk work"
        raise Overloaded(message, retry_after=2.0)
    async with state.room:
        try:
            async with asyncio.timeout(state.settings.request_seconds):
                records, novelty = await read_upload(request, state.settings)
        except TimeoutError as error:
            message = f"the body did not arrive within {state.settings.request_seconds:g} seconds"
            raise DeadlinePassed(message) from error
        question = {"model": model, "marker": marker, "fallback": fallback}
        wants_job = "respond-async" in {word.strip().lower() for word in prefer.split(",")}
        if wants_job or len(records) > state.settings.small_sequences:
            return await asyncio.to_thread(_submit, state, caller, records, novelty, question)
        return await _at_once(request, records, novelty, question)


async def _at_once(
    request: Request, records: Sequence[SequenceRecord], novelty: NoveltyConfig | None, question: dict[str, Any]
) -> Response:
    state = state_of(request)
    metadata = metadata_of(request)
    ids = [record.id for record in records]
    if records:
        sequences = [record.sequence for record in records]
        info, answers = await state.client.classify(sequences, novelty=novelty, metadata=metadata, **question)
    else:
        chosen = {key: question[key] for key in ("model", "marker")}
        info, answers = await state.client.current_model(metadata=metadata, **chosen), None
    state.metrics.sequences.inc(len(records))
    if TSV in request.headers.get("accept", ""):
        rows = [tsv_header(info.ranks), *(tsv_rows(ids, answers) if answers is not None else [])]
        return Response("".join(f"{row}\n" for row in rows), media_type=TSV)
    body = await asyncio.to_thread(lambda: classify_output(info, ids, answers).model_dump_json())
    return Response(body, media_type="application/json")


def _submit(
    state: GatewayState,
    caller: Caller,
    records: Sequence[SequenceRecord],
    novelty: NoveltyConfig | None,
    question: dict[str, Any],
) -> Response:
    state.require_room(CLASSIFY)
    name = new_input()
    keep_input(state.places.objects(f"inference/{name}"), records)
    asked = {**question, "input": name, "sequences": len(records), "novelty": novelty.model_dump() if novelty else None}
    job, _ = state.queue.submit(CLASSIFY, caller.id, asked)
    state.coordination.announce(CLASSIFY)
    headers = {"Location": f"/inference/jobs/{job['_id']}"}
    return JSONResponse(_output(job).model_dump(), 202, headers=headers)


@router.get(
    "/inference/jobs/{job_id}", summary="A large classification", responses=problems(401, 403, 404, 422, 429, 503)
)
def read_inference(request: Request, caller: Reader, job_id: JobId) -> InferenceJobOutput:
    """Return how far it is, and which model answered."""
    return _output(state_of(request).job(CLASSIFY, job_id))


@router.delete(
    "/inference/jobs/{job_id}", status_code=204, summary="Delete a classification",
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)  # fmt: skip
def delete_inference(request: Request, caller: Inferrer, job_id: JobId) -> Response:
    """Forget a classification that has ended, and its results."""
    state = state_of(request)
    job = state.job(CLASSIFY, job_id)
    require_owner(job, caller)
    state.queue.delete(job_id)
    _objects(state, job).delete_below("")
    return Response(status_code=204)


@router.post(
    "/inference/jobs/{job_id}/cancel", status_code=202, summary="Cancel a classification",
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)  # fmt: skip
def cancel_inference(request: Request, caller: Inferrer, job_id: JobId) -> InferenceJobOutput:
    """End a classification that waits or runs."""
    state = state_of(request)
    require_owner(state.job(CLASSIFY, job_id), caller)
    return _output(state.queue.cancel(job_id))


@router.get(
    "/inference/jobs/{job_id}/events", summary="Follow a classification", response_class=Response,
    responses={**EVENTS, **problems(401, 403, 404, 422, 429, 503)},
)  # fmt: skip
def follow_inference(request: Request, caller: Reader, job_id: JobId, last_event_id: LastEvent = "") -> Response:
    """Tell each change (`job`) and the end (`end`) as server-sent events."""
    state = state_of(request)
    return job_events(state, state.job(CLASSIFY, job_id), last_event_id, _output)


@router.get(
    "/inference/jobs/{job_id}/results", summary="Results, in a format", response_class=Response,
    responses={**_FILE, **problems(401, 403, 404, 409, 422, 429, 503)},
)  # fmt: skip
def read_results(
    request: Request,
    caller: Reader,
    job_id: JobId,
    format: Literal["tsv", "jsonl", "qiime2", "biom", "sintax", "kraken", "krona", "dwca"] = "tsv",
    offset: Annotated[int, Query(ge=0, le=_MOST_EXPORTED)] = 0,
    limit: Annotated[int, Query(ge=0, le=_MOST_EXPORTED)] = _MOST_EXPORTED,
) -> Response:
    """Return the results; `offset` and `limit` choose rows of JSON lines."""
    state = state_of(request)
    job = state.finished_job(CLASSIFY, job_id)
    objects, rows = _objects(state, job), int(job["request"]["sequences"])
    if format == "jsonl":
        lines = row_lines(objects, rows, offset, limit)
        return StreamingResponse(lines, media_type=media_type_of(".jsonl"), headers=attachment("classification.jsonl"))
    if format == "tsv":
        blocks = table_blocks(objects, rows)
        return StreamingResponse(blocks, media_type=media_type_of(".tsv"), headers=attachment("classification.tsv"))
    if not rows:
        message = "there are no sequences to export"
        raise InvalidRequest(message, field="format")
    with tempfile.NamedTemporaryFile(prefix="abyssal-table-") as table:
        for block in table_blocks(objects, rows):
            table.write(block)
        table.flush()
        sequences = [sequence for _, sequence in read_input(objects)]
        content = write_export(FilePath(table.name), sequences, job["model"]["marker"], format)
    file = WRITTEN_FORMATS[format][1]
    return Response(content, media_type=media_type_of(file), headers=attachment(file))


def _objects(state: GatewayState, job: Document) -> ObjectStore:
    return state.places.objects(f"inference/{job['request']['input']}")


def _output(job: Document) -> InferenceJobOutput:
    sequences = int(job["request"]["sequences"])
    return InferenceJobOutput(
        id=job["_id"],
        state=job["state"],
        created=str(time_text(job["created"])),
        finished=time_text(job["finished"]),
        progress=JobProgress(**{"total": sequences, **job["progress"]}),
        model=ModelOutput(**job["model"]) if job.get("model") else None,
        sequences=sequences,
        error=JobError(**job["error"]) if job["error"] else None,
        formats=list(FORMATS),
    )

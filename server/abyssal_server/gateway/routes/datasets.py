"""Datasets: announced, sent in pieces that can be resumed, checked, listed, deleted."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from abyssal.stores.collections import UPLOADS
from abyssal.stores.documents import Document
from abyssal_server.datasets.complete import complete_upload, delete_dataset
from abyssal_server.datasets.sheets import MOST_SHEET_BYTES, check_sheet
from abyssal_server.datasets.uploads import PIECE_BYTES, file_of
from abyssal_server.errors import InvalidRequest, NotPossible, TooLarge, UnsupportedMedia
from abyssal_server.gateway.paging import After, Limit, behind, cursor_of
from abyssal_server.gateway.problems import problems
from abyssal_server.gateway.schemas import (
    CheckedSheetOutput,
    ContentOutput,
    DatasetInput,
    DatasetOutput,
    FileInput,
    FileOutput,
    Page,
    ProblemRow,
    SheetOutput,
    time_text,
)
from abyssal_server.gateway.state import GatewayState, Inferrer, Reader, require_owner, state_of
from abyssal_server.jobs.queue import CLAIMED, TRAIN, State

router = APIRouter(tags=["datasets"])
DatasetId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
FileIndex = Annotated[int, Path(ge=0, lt=1 << 31)]
_OFFSET_TYPES = ("application/octet-stream", "application/offset+octet-stream")
_OFFSET = {"Upload-Offset": {"schema": {"type": "integer"}, "description": "Where the file goes on (bytes)."}}
_PIECE = {
    "required": True,
    "content": {one: {"schema": {"type": "string", "format": "binary"}} for one in _OFFSET_TYPES},
}
_SHEET_TEXT = {
    "required": True,
    "content": {"text/plain": {"schema": {"type": "string"}, "example": "sample\tr1\nA\tA_R1.fastq.gz\n"}},
}


@router.post(
    "/datasets", status_code=201, summary="Announce a dataset", responses=problems(401, 403, 413, 422, 429, 503)
)
def create_dataset(request: Request, response: Response, caller: Inferrer, dataset: DatasetInput) -> DatasetOutput:
    """Begin a dataset; its files are sent next."""
    state = state_of(request)
    files = [file.model_dump() for file in dataset.files]
    made = state.uploads.create(dataset.name, caller.id, files)
    response.headers["Location"] = f"/datasets/{made['_id']}"
    return _output(state, made)


@router.get("/datasets", summary="All datasets", responses=problems(401, 403, 422, 429, 503))
def list_datasets(request: Request, caller: Reader, limit: Limit = 50, after: After = None) -> Page[DatasetOutput]:
    """List datasets, newest first."""
    state = state_of(request)
    found = state.uploads.list(limit=limit, after=behind(after, "created"))
    following = cursor_of(found[-1], "created") if len(found) == limit else None
    return Page[DatasetOutput](items=[_output(state, one) for one in found], next=following)


@router.post(
    "/datasets/check-sheet", summary="Check a sample sheet", openapi_extra={"requestBody": _SHEET_TEXT},
    responses=problems(401, 403, 413, 422, 429),
)  # fmt: skip
async def check_sample_sheet(
    request: Request, caller: Inferrer, file: Annotated[list[str] | None, Query(max_length=5000)] = None
) -> CheckedSheetOutput:
    """Say what is wrong with a sample sheet without keeping it; `file` names the files that will be there."""
    content = await _body(request, MOST_SHEET_BYTES)
    names = {name: f"file-{number:04d}" for number, name in enumerate(dict.fromkeys(file or ()))}
    found = await asyncio.to_thread(check_sheet, content, "sheet", names, complete=bool(file))
    rows = [ProblemRow(**vars(problem)) for problem in found.problems]
    return CheckedSheetOutput(sheet=SheetOutput.model_validate(found.summary) if found.summary else None, problems=rows)


@router.get("/datasets/{dataset_id}", summary="One dataset", responses=problems(401, 403, 404, 422, 429, 503))
def read_dataset(request: Request, caller: Reader, dataset_id: DatasetId) -> DatasetOutput:
    """Return a dataset with how much of it is there and what is wrong with it."""
    state = state_of(request)
    return _output(state, state.uploads.get(dataset_id))


@router.delete(
    "/datasets/{dataset_id}", status_code=204, summary="Delete a dataset",
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)  # fmt: skip
def remove_dataset(request: Request, caller: Inferrer, dataset_id: DatasetId) -> Response:
    """Forget a dataset that no job uses."""
    state = state_of(request)
    require_owner(state.uploads.get(dataset_id), caller)
    for waiting in (State.QUEUED, *CLAIMED):
        jobs = state.queue.jobs({"kind": TRAIN, "state": waiting.value}, limit=1000)
        if any(job["request"]["dataset"] == dataset_id for job in jobs):
            message = "a job uses the dataset; cancel it first"
            raise NotPossible(message)
    delete_dataset(state.places, dataset_id)
    state.audit(request, caller, "delete dataset", dataset_id)
    return Response(status_code=204)


@router.post(
    "/datasets/{dataset_id}/files", status_code=201, summary="Add or replace a file",
    responses=problems(401, 403, 404, 409, 413, 422, 429, 503),
)  # fmt: skip
def add_file(request: Request, caller: Inferrer, dataset_id: DatasetId, file: FileInput) -> DatasetOutput:
    """Announce one more file; the one of that name, if any, begins anew."""
    state = state_of(request)
    require_owner(state.uploads.get(dataset_id), caller)
    return _output(state, state.uploads.add_file(dataset_id, file.model_dump()))


@router.head(
    "/datasets/{dataset_id}/files/{index}", summary="How much of a file is there",
    status_code=204,
    responses={204: {"headers": _OFFSET}, **problems(401, 403, 404, 422, 429, 503)},
)  # fmt: skip
def file_offset(request: Request, caller: Inferrer, dataset_id: DatasetId, index: FileIndex) -> Response:
    """Say where a file goes on."""
    state = state_of(request)
    dataset = state.uploads.get(dataset_id)
    row = file_of(dataset, index)
    received = _received(state, dataset).get(index, row["bytes"])
    headers = {"Upload-Offset": str(received), "Upload-Length": str(row["bytes"]), "Cache-Control": "no-store"}
    return Response(status_code=204, headers=headers)


@router.patch(
    "/datasets/{dataset_id}/files/{index}", status_code=204, summary="Send the next piece of a file",
    openapi_extra={"requestBody": _PIECE},
    responses={204: {"headers": _OFFSET}, **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)},
)  # fmt: skip
async def append_piece(
    request: Request,
    caller: Inferrer,
    dataset_id: DatasetId,
    index: FileIndex,
    upload_offset: Annotated[int, Header(ge=0, lt=1 << 50)],
) -> Response:
    """Take a piece whole or not at all; pieces of one file follow on each other."""
    state = state_of(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _OFFSET_TYPES:
        message = f"expected Content-Type: {' or '.join(_OFFSET_TYPES)}"
        raise UnsupportedMedia(message, field="")
    content = await _body(request, PIECE_BYTES)
    dataset = await asyncio.to_thread(state.uploads.get, dataset_id)
    require_owner(dataset, caller)
    end = await asyncio.to_thread(state.uploads.append, dataset_id, index, upload_offset, content)
    state.metrics.uploaded.inc(len(content))
    return Response(status_code=204, headers={"Upload-Offset": str(end)})


@router.post(
    "/datasets/{dataset_id}/complete", summary="Check a dataset that is all there",
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)  # fmt: skip
def finish_dataset(request: Request, caller: Inferrer, dataset_id: DatasetId) -> DatasetOutput:
    """Unpack archives, compare checksums, check the sample sheet; the state is `ready` or `invalid` then."""
    state = state_of(request)
    require_owner(state.uploads.get(dataset_id), caller)
    return _output(state, complete_upload(state.uploads, state.places, dataset_id, state.unpack))


async def _body(request: Request, most: int) -> bytes:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > most:
            message = f"the body is larger than {most} bytes"
            raise TooLarge(message, field="")
    return bytes(content)


def _received(state: GatewayState, dataset: Document) -> dict[int, int]:
    """Return the bytes of each file; the pieces of a complete dataset are gone."""
    if dataset["state"] == "ready":
        return {row["index"]: row["bytes"] for row in dataset["files"]}
    return state.uploads.received(dataset)


def _output(state: GatewayState, dataset: Document) -> DatasetOutput:
    received = _received(state, dataset)
    files = [FileOutput(**{**row, "received": received[row["index"]]}) for row in dataset["files"]]
    return DatasetOutput(
        id=dataset["_id"],
        name=dataset["name"],
        state=dataset["state"],
        created=str(time_text(dataset["created"])),
        owner=dataset["owner"],
        bytes=sum(file.bytes for file in files),
        received=sum(file.received for file in files),
        files=files,
        sheet=SheetOutput.model_validate(dataset["sheet"]) if dataset["sheet"] else None,
        problems=[ProblemRow(**problem) for problem in dataset["problems"]],
        contents=[ContentOutput(name=row["name"], bytes=row["bytes"]) for row in dataset["contents"]],
    )


def ready_dataset(state: GatewayState, identity: str) -> dict[str, Any]:
    """Return a dataset that a job can use.

    Raises:
        InvalidRequest: there is none, or it is not ready.
    """
    found = state.places.documents.get(UPLOADS, identity)
    if found is None or found["state"] != "ready":
        reason = "there is no such dataset" if found is None else f"the dataset is {found['state']}; complete it first"
        raise InvalidRequest(reason, field="#/dataset")
    return found

"""Bodies of classification requests, whatever their form, as records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.types import Message

from abyssal.config.models import NoveltyConfig
from abyssal.sequences.records import SequenceRecord
from abyssal_server.errors import InvalidRequest, TooLarge, UnsupportedMedia
from abyssal_server.gateway.expansion import BodyLimits, expanded_body
from abyssal_server.gateway.records import parse_json, parse_sequences
from abyssal_server.gateway.settings import GatewaySettings

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


async def read_upload(request: Request, settings: GatewaySettings) -> Upload:
    """Return the records of a JSON, FASTA, FASTQ (plain or gzipped) or multipart body.

    Raises:
        InvalidRequest, SequenceFormatError: it is not of such a form; says where.
        TooLarge: it is beyond a limit.
        UnsupportedMedia: its type is none of these.
    """
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

"""Files that are streamed from the object store, and pages that are shown in a sandboxed frame."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from abyssal.stores.objects import ObjectStore
from abyssal_server.errors import Missing
from abyssal_server.jobs.artefacts import read_study_values

FRAME_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "private, max-age=60",
}
MEDIA_TYPES = {
    ".tsv": "text/tab-separated-values; charset=utf-8", ".txt": "text/plain; charset=utf-8",
    ".fasta": "text/plain; charset=utf-8", ".biom": "application/x-hdf5", ".zip": "application/zip",
    ".jsonl": "application/jsonl", ".html": "text/html; charset=utf-8", ".json": "application/json",
}  # fmt: skip


def media_type_of(name: str) -> str:
    """Return the media type of a file by its ending."""
    return next((kind for ending, kind in MEDIA_TYPES.items() if name.endswith(ending)), "application/octet-stream")


def attachment(name: str) -> dict[str, str]:
    """Return the header that lets a browser keep a file under a name."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"}


def stream_object(objects: ObjectStore, key: str, *, kind: str, name: str = "") -> Response:
    """Return an object as a file to keep, or as it is when ``name`` is empty; raises Missing."""
    blocks = _blocks(objects, key, kind)
    headers = attachment(name) if name else {}
    return StreamingResponse(blocks, media_type=media_type_of(name or key), headers=headers)


def study_numbers(objects: ObjectStore, name: str) -> Response:
    """Return the numbers behind the pictures of a run; raises Missing."""
    content = read_study_values(objects)
    if content is None:
        raise Missing(kind="study of", name=name)
    return Response(content, media_type=MEDIA_TYPES[".json"])


def framed(objects: ObjectStore, key: str, *, kind: str) -> Response:
    """Return a page for a sandboxed frame; raises Missing."""
    return StreamingResponse(_blocks(objects, key, kind), media_type=MEDIA_TYPES[".html"], headers=FRAME_HEADERS)


def framed_bytes(content: bytes) -> Response:
    """Return a page that is in memory for a sandboxed frame."""
    return Response(content, media_type=MEDIA_TYPES[".html"], headers=FRAME_HEADERS)


def _blocks(objects: ObjectStore, key: str, kind: str) -> Iterator[bytes]:
    """Look for an object before the answer begins: what is not there is an error and no half answer."""
    if objects.get(key, 1) is None:
        raise Missing(kind=kind, name=key)
    return objects.stream(key)

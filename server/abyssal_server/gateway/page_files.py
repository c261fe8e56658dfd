"""The web page's files: served from the package, found by a list that is made at the start, never by a path."""

from __future__ import annotations

import hashlib
import importlib.util
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response

from abyssal_server.errors import Missing

FOLDER = Path(__file__).with_name("page")
POLICY = "; ".join(
    [
        "default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data: blob:",
        "font-src 'self'", "connect-src 'self'", "frame-src 'self'", "worker-src 'self' blob:", "manifest-src 'self'",
        "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
    ]
)  # fmt: skip
CHARTS = "vendor/plotly.min.js"
"""The chart library's address; the file is the one in the installed Python package, which its version pins."""
_VENDORED = "vendor/"
_TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    etag: str
    cache: str


def add_page(app: FastAPI) -> None:
    """Serve ``index.html`` at / and every other file below /page/."""
    files = {path.relative_to(FOLDER).as_posix(): path for path in sorted(FOLDER.rglob("*")) if path.is_file()}
    files |= _chart_library()

    def index(request: Request) -> Response:
        return _answer(request, _read(files["index.html"], "index.html"))

    def file(request: Request, path: str) -> Response:
        if path not in files:
            raise Missing(kind="page", name=path)
        return _answer(request, _read(files[path], path))

    app.add_api_route("/", index, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/page/{path:path}", file, methods=["GET", "HEAD"], include_in_schema=False)


def _chart_library() -> dict[str, Path]:
    """Return where the chart library is, without importing its package; without it the page has no pictures."""
    found = importlib.util.find_spec("plotly")
    if found is None or found.origin is None:
        return {}
    return {CHARTS: Path(found.origin).with_name("package_data") / "plotly.min.js"}


def _read(path: Path, name: str) -> _File:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if media_type.startswith(_TEXT):
        media_type += "; charset=utf-8"
    cache = "public, max-age=86400" if name.startswith(_VENDORED) else "no-cache"
    return _File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"', cache)


def _answer(request: Request, file: _File) -> Response:
    headers = {"ETag": file.etag, "Cache-Control": file.cache, "Content-Security-Policy": POLICY}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)

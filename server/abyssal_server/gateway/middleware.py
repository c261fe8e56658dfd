"""What every HTTP answer gets: a request id, safe headers, one log line; and what no request may be."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from abyssal.errors import AbyssalError
from abyssal_server.errors import Forbidden, TooLarge
from abyssal_server.gateway.metrics import GatewayMetrics
from abyssal_server.gateway.problems import error_response

logger = logging.getLogger(__name__)

REQUEST_ID = "x-request-id"
_REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class RequestGuard:
    """ASGI middleware; ``scope["state"]["request_id"]`` holds the id.

    Args:
        app: what it guards.
        metrics: where requests are counted.
        origins: other sites whose pages may change things here.
        hosts: names that requests may be sent to; empty: any.
        most_bytes: of any body.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: GatewayMetrics,
        origins: Collection[str],
        hosts: Collection[str],
        most_bytes: int,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._origins = frozenset(origins)
        self._hosts = frozenset(hosts)
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        offered = headers.get(REQUEST_ID, "")
        request_id = offered if _REQUEST_ID_PATTERN.fullmatch(offered) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.monotonic()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = MutableHeaders(scope=message)
                sent[REQUEST_ID] = request_id
                for name, value in _SAFE_HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        try:
            refused = self._refusal(scope["method"], headers)
            if refused is None:
                await self._app(scope, self._bounded(receive), send_with_headers)
            else:
                answer = error_response(refused, instance=scope["path"], request_id=request_id)
                await answer(scope, receive, send_with_headers)
        finally:
            self._note(scope, status, time.monotonic() - started, request_id)

    def _bounded(self, receive: Receive) -> Receive:
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most_bytes:
                # What reads a body as JSON lets no other error through.
                raise HTTPException(413, f"the body is larger than {self._most_bytes} bytes")
            return message

        return receive_bounded

    def _refusal(self, method: str, headers: Headers) -> AbyssalError | None:
        """Return why a request is not looked at, None when it is."""
        host = headers.get("host", "")
        if self._hosts and _hostname(f"//{host}") not in self._hosts:
            return Forbidden(f"requests to {host[:100]!r} are not taken; name it in ABYSSAL_GATEWAY_HOSTS")
        # Whether a browser sends this for a page of another site: without keys and logins nothing else tells.
        origin = headers.get("origin")
        own = origin is None or origin in self._origins or (_hostname(origin) and urlsplit(origin).netloc == host)
        if method not in _SAFE_METHODS and not own:
            return Forbidden("requests of pages on other sites are not taken; see ABYSSAL_GATEWAY_CORS_ORIGINS")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._most_bytes:
            return TooLarge(f"the body is larger than {self._most_bytes} bytes", field="")
        return None

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(scope["method"] if len(scope["method"]) < 8 else "other", route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        milliseconds = 1000 * seconds
        logger.info("%s %r %d %.1f ms request %s", scope["method"], scope["path"], status, milliseconds, request_id)


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""

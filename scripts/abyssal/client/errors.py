"""What a call to the service can end with."""

from __future__ import annotations

import re
from typing import Any

import grpc

from abyssal.errors import AbyssalError, UsageError

_PUSHBACK = "grpc-retry-pushback-ms"
_RESOLVER = re.compile(r"(unix|unix-abstract|dns|ipv4|ipv6|passthrough):")
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_HIGHEST_PORT = 65535
_BROKEN_WRITE = "Internal error from Core"
"""What grpc.aio says when a call ended while a message was being sent, whatever status the service ended it with."""
_RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
_CALLERS_MISTAKES = (
    grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED,
)  # fmt: skip


class ServiceError(AbyssalError):
    """The service refused or failed.

    Attributes:
        code: status code of the call.
        retry_after: seconds after which the service asks to be called again, or None.
    """

    def __init__(self, message: str, *, code: grpc.StatusCode, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.exit_code = UsageError.exit_code if code in _CALLERS_MISTAKES else AbyssalError.exit_code
        self.retry_after = retry_after


class ServiceUnavailable(ServiceError):
    """The service is not there, is not ready, or has no room; trying again may help."""


def check_target(target: str) -> str:
    """Return the address of a service as it was given.

    gRPC itself takes a port beyond 65535 modulo 65536 and tries to resolve a URL as a host for seconds.

    Raises:
        UsageError: it is neither HOST:PORT nor one of gRPC's own address forms (``unix:``, ``dns:``, ``ipv4:``, ...).
    """
    found = _HOST_PORT.fullmatch(target)
    if _RESOLVER.match(target) or (found is not None and 1 <= int(found[2]) <= _HIGHEST_PORT):
        return target
    message = f"{target!r} is not the address of a service; expected HOST:PORT, for example 127.0.0.1:50051"
    raise UsageError(message)


def service_error(error: grpc.RpcError | grpc.aio.AioRpcError, target: str) -> ServiceError:
    """Return the typed error of a failed call to ``target`` (HOST:PORT)."""
    code = error.code()
    details = error.details() or "no details"
    if code is grpc.StatusCode.INTERNAL and details == _BROKEN_WRITE:
        # Another attempt goes on with the unanswered chunks, or learns the status.
        code, details = grpc.StatusCode.UNAVAILABLE, "the connection broke while reads were being sent"
    metadata: Any = error.trailing_metadata() or ()  # pairs in one kind of call, a mapping in the other
    trailers = dict(metadata)
    retry_after = float(trailers[_PUSHBACK]) / 1000 if _PUSHBACK in trailers else None
    if code in _RETRYABLE:
        hint = "is it running, is the address right, and does it ask for TLS or a certificate?"
        hint = hint if retry_after is None else "try again later"
        message = f"service at {target}: {details} ({hint})"
        return ServiceUnavailable(message, code=code, retry_after=retry_after)
    return ServiceError(f"service at {target}: {code.name}: {details}", code=code, retry_after=retry_after)

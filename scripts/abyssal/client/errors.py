"""What a call to the service can end with."""

from __future__ import annotations

from typing import Any

import grpc

from abyssal.errors import AbyssalError

_PUSHBACK = "grpc-retry-pushback-ms"
_RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


class ServiceError(AbyssalError):
    """The service refused or failed.

    Attributes:
        code: status code of the call.
        retry_after: seconds after which the service asks to be called again, or None.
    """

    def __init__(self, message: str, *, code: grpc.StatusCode, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class ServiceUnavailable(ServiceError):
    """The service is not there, is not ready, or has no room; trying again may help."""


def service_error(error: grpc.RpcError | grpc.aio.AioRpcError, target: str) -> ServiceError:
    """Return the typed error of a failed call to ``target`` (HOST:PORT)."""
    code = error.code()
    details = error.details() or "no details"
    metadata: Any = error.trailing_metadata() or ()  # pairs in one kind of call, a mapping in the other
    trailers = dict(metadata)
    retry_after = float(trailers[_PUSHBACK]) / 1000 if _PUSHBACK in trailers else None
    if code in _RETRYABLE:
        hint = "is it running, and is the address right?" if retry_after is None else "try again later"
        message = f"service at {target}: {details} ({hint})"
        return ServiceUnavailable(message, code=code, retry_after=retry_after)
    return ServiceError(f"service at {target}: {code.name}: {details}", code=code, retry_after=retry_after)

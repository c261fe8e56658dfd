"""The one table from errors to gRPC and HTTP status, used by the service and by the gateway.

``python -m abyssal_server.status`` prints it for the README. A single read that cannot be classified is none of these:
it is an ``ItemError`` inside its chunk.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

from abyssal.client.errors import ServiceError, ServiceUnavailable
from abyssal.errors import AbyssalError, BundleError, SequenceFormatError, StoreError, UsageError
from abyssal_server.errors import (
    Conflict,
    DeadlinePassed,
    Draining,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotPossible,
    NotReady,
    Overloaded,
    RetryLater,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)

DOMAIN = "abyssal.inference.v1"
_MOST_BYTES = 1000
_RETRY_SECONDS = 2.0


@dataclass(frozen=True)
class StatusRow:
    """How one kind of error is answered."""

    error: type[AbyssalError]
    grpc_code: grpc.StatusCode
    http_status: int
    reason: str
    title: str


TABLE = (
    StatusRow(TooLarge, grpc.StatusCode.INVALID_ARGUMENT, 413, "TOO_LARGE", "The request is beyond a limit"),
    StatusRow(
        UnsupportedMedia, grpc.StatusCode.INVALID_ARGUMENT, 415, "UNSUPPORTED_MEDIA", "The body's type is not supported"
    ),
    StatusRow(InvalidRequest, grpc.StatusCode.INVALID_ARGUMENT, 422, "INVALID_REQUEST", "The request is not valid"),
    StatusRow(
        SequenceFormatError,
        grpc.StatusCode.INVALID_ARGUMENT,
        400,
        "MALFORMED_SEQUENCES",
        "The sequences are not well-formed",
    ),
    StatusRow(Unauthenticated, grpc.StatusCode.UNAUTHENTICATED, 401, "UNAUTHENTICATED", "A credential is needed"),
    StatusRow(Forbidden, grpc.StatusCode.PERMISSION_DENIED, 403, "FORBIDDEN", "The credential does not allow this"),
    StatusRow(Conflict, grpc.StatusCode.ABORTED, 409, "CONFLICT", "Somebody else changed it first"),
    StatusRow(NotPossible, grpc.StatusCode.FAILED_PRECONDITION, 409, "NOT_POSSIBLE", "Not possible at the moment"),
    StatusRow(NotFound, grpc.StatusCode.NOT_FOUND, 404, "NOT_FOUND", "Not found"),
    StatusRow(Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "OVERLOADED", "The service is full"),
    StatusRow(Draining, grpc.StatusCode.UNAVAILABLE, 503, "DRAINING", "The service is shutting down"),
    StatusRow(NotReady, grpc.StatusCode.UNAVAILABLE, 503, "NOT_READY", "The service is not ready"),
    StatusRow(DeadlinePassed, grpc.StatusCode.DEADLINE_EXCEEDED, 504, "DEADLINE_PASSED", "The deadline passed"),
    StatusRow(StoreError, grpc.StatusCode.UNAVAILABLE, 503, "STORE", "A store is out of order"),
    StatusRow(UsageError, grpc.StatusCode.INVALID_ARGUMENT, 400, "USAGE", "The request is not valid"),
    StatusRow(BundleError, grpc.StatusCode.FAILED_PRECONDITION, 500, "BUNDLE", "The model cannot be used"),
    StatusRow(AbyssalError, grpc.StatusCode.INTERNAL, 500, "INTERNAL", "The service failed"),
)
"""First match counts: rows of subclasses stand before rows of their bases."""

_BY_GRPC_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: 422,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.UNIMPLEMENTED: 501,
}


def row_of(error: AbyssalError) -> StatusRow:
    """Return the table's row for an error."""
    return next(row for row in TABLE if isinstance(error, row.error))


def http_status_of(error: AbyssalError) -> int:
    """Return the HTTP status of an error; one that came from the service keeps its meaning."""
    if isinstance(error, ServiceError):
        return _BY_GRPC_CODE.get(error.code, 502)
    return row_of(error).http_status


def retry_after_of(error: AbyssalError) -> float | None:
    """Return after how many seconds to try again, or None when that would not help."""
    if isinstance(error, ServiceUnavailable):
        return error.retry_after or _RETRY_SECONDS
    return error.retry_after if isinstance(error, RetryLater) else None


def rich_status(error: AbyssalError) -> Status:
    """Return the ``google.rpc.Status`` with its details; small enough for trailers."""
    row, text = row_of(error), _short(str(error))
    details: list[Message] = [ErrorInfo(reason=row.reason, domain=DOMAIN)]
    if isinstance(error, InvalidRequest):
        violation = BadRequest.FieldViolation(field=error.field, description=text)
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(error, NotFound):
        details.append(ResourceInfo(resource_type=error.kind, resource_name=_short(error.name)))
    if isinstance(error, RetryLater):
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(RetryInfo(retry_delay=delay))
    return Status(code=row.grpc_code.value[0], message=text, details=[_packed(detail) for detail in details])


def _short(text: str) -> str:
    """Return what fits into trailers, which a client drops with the status beyond 16 KiB: a long name, say, is cut."""
    return text.encode()[:_MOST_BYTES].decode(errors="ignore")


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def markdown_table() -> str:
    """Return the table as the README shows it."""
    rows = [f"| {r.error.__name__} | {r.grpc_code.name} | {r.http_status} | {r.reason} | {r.title} |" for r in TABLE]
    return "\n".join(["| error | gRPC | HTTP | reason | meaning |", "|---|---|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown_table())

"""The one table from errors to gRPC and HTTP status, used by the service and by the gateway.

| error | gRPC | HTTP | reason |
|---|---|---|---|
| TooLarge | INVALID_ARGUMENT | 413 | TOO_LARGE |
| UnsupportedMedia | INVALID_ARGUMENT | 415 | UNSUPPORTED_MEDIA |
| InvalidRequest | INVALID_ARGUMENT | 422 | INVALID_REQUEST |
| SequenceFormatError | INVALID_ARGUMENT | 400 | MALFORMED_SEQUENCES |
| NotFound | NOT_FOUND | 404 | NOT_FOUND |
| Overloaded | RESOURCE_EXHAUSTED | 429 | OVERLOADED |
| Draining | UNAVAILABLE | 503 | DRAINING |
| NotReady | UNAVAILABLE | 503 | NOT_READY |
| DeadlinePassed | DEADLINE_EXCEEDED | 504 | DEADLINE_PASSED |
| UsageError | INVALID_ARGUMENT | 400 | USAGE |
| BundleError | FAILED_PRECONDITION | 500 | BUNDLE |
| AbyssalError | INTERNAL | 500 | INTERNAL |

A single read that cannot be classified is none of these: it is an ``ItemError`` inside its chunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

from abyssal.client.errors import ServiceError, ServiceUnavailable
from abyssal.errors import AbyssalError, BundleError, SequenceFormatError, UsageError
from abyssal_server.errors import (
    DeadlinePassed,
    Draining,
    InvalidRequest,
    NotFound,
    NotReady,
    Overloaded,
    RetryLater,
    TooLarge,
    UnsupportedMedia,
)

DOMAIN = "abyssal.inference.v1"
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
    StatusRow(NotFound, grpc.StatusCode.NOT_FOUND, 404, "NOT_FOUND", "Not found"),
    StatusRow(Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "OVERLOADED", "The service is full"),
    StatusRow(Draining, grpc.StatusCode.UNAVAILABLE, 503, "DRAINING", "The service is shutting down"),
    StatusRow(NotReady, grpc.StatusCode.UNAVAILABLE, 503, "NOT_READY", "The service is not ready"),
    StatusRow(DeadlinePassed, grpc.StatusCode.DEADLINE_EXCEEDED, 504, "DEADLINE_PASSED", "The deadline passed"),
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
    row = row_of(error)
    details: list[Message] = [ErrorInfo(reason=row.reason, domain=DOMAIN)]
    if isinstance(error, InvalidRequest):
        violation = BadRequest.FieldViolation(field=error.field, description=str(error))
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(error, NotFound):
        details.append(ResourceInfo(resource_type=error.kind, resource_name=error.name))
    if isinstance(error, RetryLater):
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(RetryInfo(retry_delay=delay))
    return Status(code=row.grpc_code.value[0], message=str(error), details=[_packed(detail) for detail in details])


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed

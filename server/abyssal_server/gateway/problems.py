"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from abyssal.client.errors import ServiceError
from abyssal.errors import AbyssalError
from abyssal_server.errors import InvalidRequest
from abyssal_server.status import http_status_of, retry_after_of, row_of

PROBLEM_JSON = "application/problem+json"
_WITH_RETRY_AFTER = (429, 503)


class FieldProblem(BaseModel):
    """What is wrong with one value of the request."""

    detail: str = Field(description="What is wrong, and what was expected.")
    pointer: str = Field(description="JSON pointer to the value, or the number of the record in a file.")


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = Field(description="Stable name of the kind of problem.", examples=["urn:abyssal:problem:too-large"])
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What is wrong here, what was expected, how to mend it.")
    instance: str = Field(description="Path of the request.")
    request_id: str = Field(description="Quote it when asking for help.")
    errors: list[FieldProblem] = Field(default=[], description="Every offending value.")


class InvalidFields(InvalidRequest):
    """Several values of a request are wrong."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{first.pointer}: {first.detail}{more}", field=first.pointer)
        self.problems = problems


def problem_of(error: AbyssalError, *, instance: str, request_id: str) -> Problem:
    """Return the document of an error."""
    status = http_status_of(error)
    if isinstance(error, ServiceError):
        reason, title = error.code.name, "The inference service did not answer the request"
    else:
        row = row_of(error)
        reason, title = row.reason, row.title
    errors = []
    if isinstance(error, InvalidFields):
        errors = error.problems
    elif isinstance(error, InvalidRequest) and error.field:
        errors = [FieldProblem(detail=str(error), pointer=error.field)]
    return Problem(
        type=f"urn:abyssal:problem:{reason.lower().replace('_', '-')}",
        title=title,
        status=status,
        detail=str(error),
        instance=instance,
        request_id=request_id,
        errors=errors,
    )


def problem_response(problem: Problem, *, retry_after: float | None = None) -> Response:
    """Return the response that carries a document."""
    headers = {} if retry_after is None else {"Retry-After": str(math.ceil(retry_after))}
    content: dict[str, Any] = problem.model_dump()
    return Response(json.dumps(content), problem.status, headers=headers, media_type=PROBLEM_JSON)


def error_response(error: AbyssalError, *, instance: str, request_id: str) -> Response:
    """Return the response to an error."""
    problem = problem_of(error, instance=instance, request_id=request_id)
    return problem_response(problem, retry_after=retry_after_of(error))


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of these error answers for the OpenAPI document."""
    retry = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
    described: dict[int | str, dict[str, Any]] = {}
    for status in sorted({400, *statuses}):
        entry: dict[str, Any] = {"model": Problem, "content": {PROBLEM_JSON: {}}}
        if status in _WITH_RETRY_AFTER:
            entry["headers"] = retry
        described[status] = entry
    return described


def gives(media_type: str, kind: str = "string", **schema: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of a successful answer that is no model, for the OpenAPI document."""
    return {200: {"content": {media_type: {"schema": {"type": kind, **schema}}}}}

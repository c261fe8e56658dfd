"""Pages of lists: where the next one begins travels as an opaque word."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query

from abyssal.stores.documents import ID
from abyssal_server.errors import InvalidRequest

Limit = Annotated[int, Query(ge=1, le=200, description="Most items of the page.")]
After = Annotated[str | None, Query(max_length=400, description="`next` of the page before.")]


def cursor_of(document: Mapping[str, Any], order: str) -> str:
    """Return the word of the page behind a document."""
    return base64.urlsafe_b64encode(json.dumps([document[ID], document[order]]).encode()).decode()


def behind(word: str | None, order: str) -> dict[str, Any] | None:
    """Return the document that a page goes on after.

    Raises:
        InvalidRequest: nobody gave out this word.
    """
    if word is None:
        return None
    try:
        identity, value = json.loads(base64.b64decode(word, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError) as error:
        message = "expected `next` of the page before"
        raise InvalidRequest(message, field="after") from error
    if not isinstance(identity, str) or isinstance(value, bool) or not isinstance(value, int | float):
        message = "expected `next` of the page before"
        raise InvalidRequest(message, field="after")
    if "\0" in identity or not abs(value) < 1e15:
        message = "expected `next` of the page before"
        raise InvalidRequest(message, field="after")
    return {ID: identity, order: float(value)}

"""Requests turned into what the engine takes, or refused with the path of the offending value."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import grpc
from pydantic import ValidationError

from abyssal.config.models import NoveltyConfig
from abyssal.inference.v1.classification_pb2 import ClassifyConfig
from abyssal.inference.v1.common_pb2 import Limits, Timing
from abyssal_server.errors import InvalidRequest, TooLarge
from abyssal_server.question import Answered
from abyssal_server.settings import ServerSettings


def limits_of(settings: ServerSettings) -> Limits:
    """Return the limits that the service publishes."""
    return Limits(
        reads_per_chunk=settings.reads_per_chunk,
        message_bytes=settings.message_bytes,
        chunks_in_flight=settings.chunks_in_flight,
        queued_letters=settings.queued_letters,
        concurrent_calls=settings.concurrent_calls,
    )


def sequences_of(raw: Sequence[bytes], *, limit: int, field: str) -> list[str]:
    """Return the reads as text; bytes that are no ASCII become letters that the classifier refuses read by read.

    Raises:
        TooLarge: more reads than ``limit``.
    """
    if len(raw) > limit:
        message = f"{len(raw)} reads in one message, at most {limit} are accepted (Limits.reads_per_chunk)"
        raise TooLarge(message, field=field)
    # Decoding all at once takes a third of the time of one by one.
    decoded = b"\0".join(raw).decode("latin-1").split("\0")
    return decoded if len(decoded) == len(raw) else [sequence.decode("latin-1") for sequence in raw]


def novelty_of(config: ClassifyConfig, *, field: str) -> NoveltyConfig | None:
    """Return the requested novelty mix, or None for the bundle's own.

    Raises:
        InvalidRequest: a share outside 0 to 1, or shares that add up to more than 1.
    """
    if not config.HasField("novelty"):
        return None
    mix = config.novelty
    if not 0.0 <= mix.species + mix.genus + mix.family <= 1.0:
        message = f"the shares {mix.species:g}, {mix.genus:g} and {mix.family:g} must add up to 0 to 1"
        raise InvalidRequest(message, field=f"{field}.novelty")
    try:
        return NoveltyConfig(species=mix.species, genus=mix.genus, family=mix.family)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        message = f"the share of {name} must be from 0 to 1, found {getattr(mix, name):g}"
        raise InvalidRequest(message, field=f"{field}.novelty.{name}") from error


def deadline_of(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Return the caller's deadline on the monotonic clock, or None."""
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining


def timing_of(answered: Answered) -> Timing:
    """Return how long a chunk waited and computed."""
    return Timing(queue_nanoseconds=answered.queue_nanoseconds, engine_nanoseconds=answered.engine_nanoseconds)
